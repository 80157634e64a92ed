"""The best of several runs: what its having been chosen is worth, and what is left to decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion_exp.comparison.label_changes import contested
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.pairs import differences, why_not
from fashion_exp.comparison.run_data import RunData
from fashion_exp.stats.crossed import crossed_components
from fashion_exp.stats.planning import (
    Plan,
    TargetVerdict,
    images_for_target,
    images_to_separate,
    seeds_to_separate,
    target_verdict,
)
from fashion_exp.stats.selection import Selection, bbc_cv


def index_of_best(members: Sequence[RunData], metric: str = "accuracy") -> int:
    """The run that validation chooses; the first of equals."""
    scores = [validation_score(member, metric) for member in members]
    return int(np.argmin(scores) if METRICS[metric].lower_is_better else np.argmax(scores))


def validation_score(member: RunData, metric: str) -> float:
    """The mean over the trained models of their scores."""
    return float(member.scores("validation", metric).mean(axis=1).mean())


def optimism(members: Sequence[RunData], level: float) -> Selection:
    """The winner's validation accuracy, corrected for its having been chosen by it."""
    asked = {i for m in members for i in m.scores("validation", "accuracy").columns}
    images = sorted(asked - set(contested(members, "validation")))
    tables = [m.scores("validation", "accuracy").reindex(columns=images) for m in members]
    hits = np.array([table.sum().to_numpy() for table in tables])
    counts = np.array([table.notna().sum().to_numpy() for table in tables])
    groups = pd.concat([m.frame("validation")[["image_id", "group_id"]] for m in members])
    label = groups.drop_duplicates("image_id").set_index("image_id")["group_id"].loc[images]
    return bbc_cv(hits, counts, label.to_numpy(), level=level)


@dataclass(frozen=True)
class Target:
    """Whether the mean accuracy of a run's models reaches a target on a part."""

    verdict: TargetVerdict
    plan: Plan
    part: str


def reaches(member: RunData, part: str, target: float, level: float) -> Target:
    """By the one-sided lower bound: Clopper-Pearson's for one model, Wilson's for a mean."""
    scores = member.scores(part, "accuracy")
    n = scores.shape[1]
    accuracy = float(scores.mean(axis=1).mean())
    if len(scores) == 1:
        verdict = target_verdict(round(accuracy * n), n, target, level)
    else:
        verdict = target_verdict(accuracy * n, n, target, level, method="wilson")
    return Target(verdict, images_for_target(accuracy, target, level), part)


def to_separate(a: RunData, b: RunData, part: str, alpha: float) -> Plan | None:
    """What would tell two runs apart at the rates observed; None where the design has no plan."""
    if why_not(a, b, part, "accuracy"):
        return None
    apart = differences(a, b, part, "accuracy")
    if apart.design == "crossed" and apart.images > 1:
        parts = crossed_components(apart.values)
        return seeds_to_separate(parts, float(apart.values.mean()), apart.images, alpha)
    if apart.design in ("one model", "pooled folds"):
        only_a, only_b = (float((apart.values == sign).mean()) for sign in (1, -1))
        return images_to_separate(only_a, only_b, alpha)
    return None
