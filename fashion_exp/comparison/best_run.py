"""Selects the best run, corrects its accuracy for the selection, and plans further experiments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fashion_exp.comparison.differences import compute_differences, incomparable_reason
from fashion_exp.comparison.label_changes import conflicting_images
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.stats.crossed import crossed_components
from fashion_exp.stats.planning import (
    Plan,
    TargetOutcome,
    assess_clustered_target,
    assess_selected_target,
    assess_target,
    images_for_target,
    images_to_separate,
    seeds_to_separate,
)
from fashion_exp.stats.selection import Selection, bbc_cv

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData


def rank_runs(runs: Sequence[RunData], metric: str = "accuracy") -> list[int]:
    """Indices of the runs, best validation score first; ties keep their order."""
    sign = 1 if METRICS[metric].lower_is_better else -1
    scores = [sign * mean_score(run, "validation", metric) for run in runs]
    return sorted(range(len(runs)), key=scores.__getitem__)


def mean_score(run: RunData, part: str, metric: str) -> float:
    """The run's accuracy, loss or macro-F1 as its summary states it."""
    estimate: float | None = getattr(run.summary(part), metric).estimate
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
        sign = -1 if METRICS[metric].lower_is_better else 1
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
    note = f"{plan.note}, in groups as these: design effect {design_effect:.2f}"
    return replace(plan, needed=math.ceil(plan.needed * design_effect), note=note)


def plan_separation(a: RunData, b: RunData, part: str, alpha: float) -> Plan | None:
    """The images or seeds that would separate two runs at the observed rates.

    None if the runs cannot be compared, or if there is no plan for their design.
    """
    if incomparable_reason(a, b, part, "accuracy"):
        return None
    differences = compute_differences(a, b, part, "accuracy")
    values = differences.values
    if differences.design == "crossed" and differences.images > 1:
        components = crossed_components(values)
        return seeds_to_separate(components, float(values.mean()), differences.images, alpha)
    if differences.design in ("one model", "pooled folds"):
        only_a, only_b = (float((values == sign).mean()) for sign in (1, -1))
        return images_to_separate(only_a, only_b, alpha)
    return None
