"""Selects the best run, corrects its accuracy for the selection, and plans further experiments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fashion_exp.comparison.label_changes import conflicting_images
from fashion_exp.stats.groups import clustered_mean, group_codes
from fashion_exp.stats.interval import sample_sd
from fashion_exp.stats.planning import (
    Plan,
    TargetOutcome,
    assess_clustered_target,
    assess_selected_target,
    assess_target,
    cautious_components,
    images_factor,
    images_for_target,
    images_to_separate,
    seeds_to_separate,
)
from fashion_exp.stats.selection import Selection, bbc_cv
from fashion_exp.stats.t_intervals import corrected_se

if TYPE_CHECKING:
    from fashion_exp.comparison.differences import Differences
    from fashion_exp.comparison.run_data import RunData
    from fashion_exp.stats.moderation import VariancePrior


def rank_runs(runs: Sequence[RunData], metric: str = "accuracy") -> list[int]:
    """Indices of the runs, best validation score first; ties keep their order."""
    sign = 1 if runs and runs[0].metric(metric).lower_is_better else -1
    scores = [sign * mean_score(run, "validation", metric) for run in runs]
    return sorted(range(len(runs)), key=scores.__getitem__)


def mean_score(run: RunData, part: str, metric: str) -> float:
    """The run's accuracy, loss, macro-F1 or own metric as its summary states it, or its mean set
    size."""
    if metric == "set_size":
        return float(run.scores(part, metric).mean().mean())
    summary = run.summary(part)
    score = summary.own[metric] if metric in summary.own else getattr(summary, metric)
    estimate: float | None = score.estimate
    assert estimate is not None
    return estimate


def correct_for_selection(
    runs: Sequence[RunData], level: float, metric: str = "accuracy"
) -> Selection:
    """The validation accuracy of the run that is best by `metric`, corrected for its selection
    (BBC-CV)."""
    tables = [run.scores("validation", "accuracy") for run in runs]
    predicted = {image for table in tables for image in table.columns}
    images = sorted(predicted - set(conflicting_images(runs, "validation")))
    tables = [table.reindex(columns=images) for table in tables]
    hits = np.array([table.mean().fillna(0).to_numpy() for table in tables])
    counts = np.array([table.notna().any().to_numpy() for table in tables])
    criterion = None
    if metric != "accuracy":
        sign = -1 if runs[0].metric(metric).lower_is_better else 1
        scores = (run.scores("validation", metric).reindex(columns=images) for run in runs)
        criterion = np.array([sign * table.mean().fillna(0).to_numpy() for table in scores])
    rows = pd.concat([run.predictions("validation")[["image_id", "group_id"]] for run in runs])
    groups = rows.drop_duplicates("image_id").set_index("image_id")["group_id"].loc[images]
    return bbc_cv(hits, counts, groups.to_numpy(), level=level, criterion=criterion)


@dataclass(frozen=True)
class TargetResult:
    """Whether the mean accuracy of a run's models reaches a target on a part."""

    verdict: TargetOutcome
    plan: Plan
    part: str


def evaluate_target(run: RunData, part: str, target: float, level: float) -> TargetResult:
    """By one-sided bounds for the mean accuracy of the run's models on its images of a part."""
    scores = run.scores(part, "accuracy")
    by_image = scores.mean(axis=0)
    rows = run.predictions(part).drop_duplicates("image_id").set_index("image_id")
    groups = rows["group_id"].loc[by_image.index].to_numpy()
    n = len(by_image)
    if len(scores) == 1 and len(set(groups)) == n:
        outcome = assess_target(round(float(by_image.sum())), n, target, level)
    else:
        outcome = assess_clustered_target(by_image.to_numpy(), groups, target, level)
    assert outcome.accuracy is not None
    plan = images_for_target(outcome.accuracy, target, level)
    return TargetResult(outcome, _scale_plan(plan, n / outcome.n), part)


def evaluate_selected_target(
    runs: Sequence[RunData], target: float, level: float, metric: str = "accuracy"
) -> TargetResult:
    """For the best of several runs by `metric`, on the validation images that selected it
    (BBC-CV)."""
    selection = correct_for_selection(runs, 2 * level - 1, metric)
    outcome = assess_selected_target(selection, target, level)
    plan = Plan(None, "images", "the test images decide it without allowing for the selection")
    return TargetResult(outcome, plan, "validation")


def _scale_plan(plan: Plan, design_effect: float) -> Plan:
    """The plan for images in groups as the ones at hand."""
    if plan.needed is None or design_effect <= 1:
        return plan
    note = f"in groups as these: design effect {design_effect:.2f}"
    note = f"{plan.note}, {note}" if plan.note else note
    return replace(plan, needed=math.ceil(plan.needed * design_effect), note=note)


def plan_separation(
    differences: Differences, difference: float, alpha: float, prior: VariancePrior | None = None
) -> Plan | None:
    """The images or seeds that separate two runs if their true difference is `difference`.

    By the variance at hand, with the groups of the images. None if there is no plan for the design,
    or no variance.
    """
    values, groups, images = differences.values, differences.groups, differences.images
    if differences.design in ("unpaired", "5x2") or images < 2 or not difference:
        return None
    if differences.design == "redrawn":
        variance, df = sample_sd(values) ** 2, len(values) - 1.0
        if prior is not None:
            variance, df = prior.moderate(variance, df)
        sizes = differences.n_train, differences.n_test
        se = corrected_se(math.sqrt(variance), *sizes, len(values))
        return _scaled(images, se, df, difference, alpha)
    means = values if values.ndim == 1 else values.mean(axis=0)
    clustered = clustered_mean(means, group_codes(groups, len(means)))
    naive = sample_sd(means) / math.sqrt(len(means))
    design_effect = (clustered.se / naive) ** 2 if naive else 1.0
    if differences.design == "crossed":
        components = cautious_components(values, design_effect)
        plan = seeds_to_separate(components, difference, images, alpha)
        return plan if plan.needed is None else replace(plan, note="")
    if differences.is_averaged or not differences.metric.is_binary:
        return _scaled(images, clustered.se, clustered.df, difference, alpha)
    discordant = max(float(np.abs(values).mean()), abs(difference))
    shares = (discordant + abs(difference)) / 2, (discordant - abs(difference)) / 2
    plan = replace(images_to_separate(*shares, alpha), note="")
    return _scale_plan(plan, design_effect)


def _scaled(images: int, se: float, df: float, difference: float, alpha: float) -> Plan | None:
    if not se:
        return None
    return Plan(math.ceil(images * images_factor(se, df, difference, alpha)), "images", "")
