"""Selects the best run, corrects its accuracy for the selection, and plans further experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fashion_exp.comparison.label_changes import conflicting_images
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.pairs import compute_differences, incomparable_reason
from fashion_exp.stats.crossed import crossed_components
from fashion_exp.stats.planning import (
    Plan,
    TargetOutcome,
    assess_target,
    images_for_target,
    images_to_separate,
    seeds_to_separate,
)
from fashion_exp.stats.selection import Selection, bbc_cv

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData


def rank_runs(runs: Sequence[RunData], metric: str = "accuracy") -> list[int]:
    """Indices of the runs, best mean validation score first; ties keep their order."""
    sign = 1 if METRICS[metric].lower_is_better else -1
    scores = [sign * run.scores("validation", metric).mean(axis=1).mean() for run in runs]
    return sorted(range(len(runs)), key=scores.__getitem__)


def correct_for_selection(runs: Sequence[RunData], level: float) -> Selection:
    """The validation accuracy of the best run, corrected for its selection by it (BBC-CV)."""
    tables = [run.scores("validation", "accuracy") for run in runs]
    predicted = {image for table in tables for image in table.columns}
    images = sorted(predicted - set(conflicting_images(runs, "validation")))
    tables = [table.reindex(columns=images) for table in tables]
    hits = np.array([table.sum().to_numpy() for table in tables])
    counts = np.array([table.notna().sum().to_numpy() for table in tables])
    rows = pd.concat([run.predictions("validation")[["image_id", "group_id"]] for run in runs])
    groups = rows.drop_duplicates("image_id").set_index("image_id")["group_id"].loc[images]
    return bbc_cv(hits, counts, groups.to_numpy(), level=level)


@dataclass(frozen=True)
class TargetResult:
    """Whether the mean accuracy of a run's models reaches a target on a part."""

    verdict: TargetOutcome
    plan: Plan
    part: str


def evaluate_target(run: RunData, part: str, target: float, level: float) -> TargetResult:
    """Uses one-sided bounds: Clopper-Pearson for one model, Wilson for the mean of several."""
    scores = run.scores(part, "accuracy")
    n = scores.shape[1]
    accuracy = float(scores.mean(axis=1).mean())
    if len(scores) == 1:
        verdict = assess_target(round(accuracy * n), n, target, level)
    else:
        verdict = assess_target(accuracy * n, n, target, level, method="wilson")
    return TargetResult(verdict, images_for_target(accuracy, target, level), part)


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
