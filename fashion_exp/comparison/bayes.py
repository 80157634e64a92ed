"""The posterior of each difference, beside the verdicts: a check, which decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fashion_exp.comparison.pairs import Differences, compute_differences
from fashion_exp.reporting.formats import DASH, percent
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.stats.crossed import image_term, interaction_term, model_term
from fashion_exp.stats.groups import clustered_mean, group_codes
from fashion_exp.stats.paired_t import RopePosterior, bayesian_correlated_t
from fashion_exp.stats.posterior import hierarchical_posterior, t_posterior

if TYPE_CHECKING:
    from fashion_exp.comparison.family import PairwiseComparison


def posterior(differences: Differences, rope: float) -> RopePosterior:
    """With the effects that the design can tell: images, cuts (splits) or trainings."""
    values = np.asarray(differences.values, dtype=np.float64)
    if differences.design in ("redrawn", "5x2"):
        return bayesian_correlated_t(values.ravel(), differences.n_train, differences.n_test, rope)
    codes = group_codes(differences.groups, values.shape[-1])
    if differences.design in ("crossed", "unpaired"):
        runs = [values]
        by_image = values.mean(axis=0)
        if differences.b_scores is not None:
            runs.append(np.asarray(differences.b_scores, dtype=np.float64))
            by_image = by_image - runs[1].mean(axis=0)
        means = [*map(model_term, runs), image_term(by_image, codes)]
        interactions = [interaction_term(run, codes) for run in runs]
        return hierarchical_posterior(float(by_image.mean()), means, interactions, rope)
    mean = clustered_mean(values, codes)
    return t_posterior(mean.mean, mean.se, mean.df, rope)


def posterior_table(comparison: PairwiseComparison) -> PlainTable:
    """One row per pair that can be compared, with the verdict of its test."""
    settings, metric = comparison.settings, comparison.settings.described
    margin = metric.format_margin(settings.rope)
    rows = []
    for pair in comparison.pairs:
        names = comparison.names[pair.a], comparison.names[pair.b]
        if pair.test is None:
            rows.append([*names, DASH, DASH, DASH, pair.verdict])
            continue
        runs = comparison.runs[pair.a], comparison.runs[pair.b]
        probabilities = posterior(
            compute_differences(*runs, comparison.part, settings.metric), settings.rope
        )
        shares = [probabilities.better, probabilities.equal, probabilities.worse]
        if metric.lower_is_better:
            shares.reverse()
        rows.append([*names, *map(percent, shares), pair.verdict])
    header = [
        "first", "second", "first better", f"within {margin}", "second better",
        "verdict of the test",
    ]  # fmt: skip
    note = (
        "Posterior probabilities with flat priors, for each pair alone: a check beside the "
        "verdicts, which it does not change. Effects: images and trainings where they are "
        "crossed, cuts of the images (correlated t) where splits are redrawn, else images."
    )
    return PlainTable(header, rows, "Bayesian check", [note])
