"""Tests of two recipes with several seeds on one split: models and images are both random."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.checks import (
    DIFFERENCE_BOUNDS,
    PROPORTION_BOUNDS,
    Floats,
    Integers,
    validate_matrix,
)
from fashion_exp.stats.crossed import (
    VarianceTerm,
    crossed_se,
    image_term,
    interaction_term,
    model_term,
    small_sample_note,
    undefined_reason,
)
from fashion_exp.stats.groups import group_codes, kish_effective_size
from fashion_exp.stats.interval import Estimand, Interval, point_estimate
from fashion_exp.stats.moderation import VariancePrior
from fashion_exp.stats.paired import PairedTest, t_test, tango, undefined_test

ONE_SEED = (
    "one seed each: the variance between seeds is unknown; use mcnemar, a claim about these two "
    "models and not about their recipes"
)


def paired_crossed(
    differences: ArrayLike,
    level: float = 0.95,
    *,
    bounded: bool = True,
    groups: ArrayLike | None = None,
    prior: VariancePrior | None = None,
    max_df: float | None = None,
) -> PairedTest:
    """The crossed seed x image test of two recipes with paired seeds.

    `differences` (S, n) holds a - b per seed and image (in [-1, 1] if `bounded`); `groups` (n,)
    labels images that are not independent. The claim is about the recipes on these training
    images. Variance and degrees of freedom are those of `crossed_t_interval`. One seed gives an
    undefined test; no difference anywhere gives p = 1. Both fall back on Tango's interval of the
    tested models. Fewer than 4 seeds add a warning.

    `prior` moderates the variance over seeds of the mean differences (`fit_variance_prior`), unless
    no image has a difference. Families need it: among many pairs the variance over a few seeds is
    too small for one by chance. Family-wise error at .05 with Holm's method over the pairs of 4 to
    12 equal runs, 4 or 5 seeds and a standard deviation of 5 points between seeds: .08 to .44
    without, .02 to .06 with it. If one run varies five times as much and its scores are skewed
    towards failures: .07 to .17, also with 10 seeds (.15 to .46 without it).

    `max_df` bounds the degrees of freedom. Small levels need S - 1: Satterthwaite's are many where
    the variance over a few seeds is small by chance. At a level of .001 and 4 seeds the test
    rejected .009 without the bound; the looks of a race at .05 together .058 to .073, and .040 to
    .055 with it.

    Source: as `crossed_t_interval`, on differences.

    Raises:
        ValueError: invalid differences (`validate_matrix`) or groups (`group_codes`); `level` is
            outside (0, 1).
    """
    table = validate_matrix(differences, DIFFERENCE_BOUNDS if bounded else None)
    terms, method = [model_term(table)], "paired_crossed_t"
    if prior is not None and table.any():
        count, method = len(table), "moderated_crossed_t"
        variance, df = prior.moderate(terms[0].variance * count, terms[0].df)
        terms = [VarianceTerm(variance / count, df)]
    means, seeds = table.mean(axis=0), len(table)
    return _crossed_test(means, [table], terms, seeds, level, bounded, groups, method, max_df)


def unpaired_crossed(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    level: float = 0.95,
    *,
    bounded: bool = True,
    groups: ArrayLike | None = None,
) -> PairedTest:
    """`paired_crossed` for seeds that are not paired, or of different numbers.

    `scores_a` (Sa, n) and `scores_b` (Sb, n) hold scores on the same images (in [0, 1] if
    `bounded`). The models of a and of b are separate variance terms; the images stay paired.
    `interval.scores` is the smaller number of seeds.

    Source: as `crossed_t_interval`, with Welch's two variance terms for the models (1947,
    Biometrika 34:28-35).

    Raises:
        ValueError: as `paired_crossed`, for either array; the numbers of images differ.
    """
    bounds = PROPORTION_BOUNDS if bounded else None
    a, b = validate_matrix(scores_a, bounds), validate_matrix(scores_b, bounds)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{a.shape[1]} images of a but {b.shape[1]} of b: join the predictions by image id"
        )
    seeds = min(len(a), len(b))
    means = a.mean(axis=0) - b.mean(axis=0)
    terms, method = [model_term(a), model_term(b)], "unpaired_crossed_t"
    return _crossed_test(means, [a, b], terms, seeds, level, bounded, groups, method)


def _crossed_test(
    means: Floats,
    tables: list[Floats],
    models: list[VarianceTerm],
    seeds: int,
    level: float,
    bounded: bool,
    groups: ArrayLike | None,
    method: str,
    max_df: float | None = None,
) -> PairedTest:
    codes = group_codes(groups, means.size)
    estimate, unit = float(means.mean()), "models x images"
    target = Estimand.RECIPE_DIFFERENCE_ON_DATA
    point = point_estimate(estimate, level, method, target, unit, scores=seeds, n=means.size)
    fallback = _tango_of_means(means, codes, level, seeds) if bounded else None
    if reason := undefined_reason(seeds, codes, grouped=groups is not None):
        return undefined_test(point, ONE_SEED if seeds < 2 else reason, fallback)
    se, df = crossed_se(
        models,
        image_term(means, codes),
        [interaction_term(table, codes) for table in tables],
    )
    df = df if max_df is None else min(df, max_df)
    bounds = DIFFERENCE_BOUNDS if bounded else None
    return t_test(point, se, df, bounds, fallback, small_sample_note(seeds, codes))


def _tango_of_means(means: Floats, codes: Integers, level: float, seeds: int) -> Interval | None:
    """Tango's interval of the tested models, if every mean difference is -1, 0 or 1."""
    if not np.isin(means, (-1, 0, 1)).all():
        return None
    shrinkage = kish_effective_size(np.bincount(codes), 1.0) / means.size
    only_a, only_b = int((means == 1).sum()), int((means == -1).sum())
    same = means.size - only_a - only_b
    return tango(same * shrinkage, only_a * shrinkage, only_b * shrinkage, 0, level, models=seeds)
