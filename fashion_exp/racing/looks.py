"""One look of a race: two recipes compared on the repeats so far, and what the rest may decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special

from fashion_exp.comparison.family import PairwiseComparison
from fashion_exp.comparison.gate import Decision, Gate, decide
from fashion_exp.comparison.run_data import RunData
from fashion_exp.stats.crossed import crossed_se, image_term, interaction_term, model_term
from fashion_exp.stats.groups import clustered_mean, group_codes
from fashion_exp.stats.interval import MIN_RELIABLE_SCORES, sample_sd
from fashion_exp.stats.sequential import Estimate, chance_of_decision
from fashion_exp.stats.t_intervals import corrected_se

if TYPE_CHECKING:
    from fashion_exp.comparison.differences import Differences
    from fashion_exp.comparison.gate import Kind

POWER = 0.8


@dataclass(frozen=True)
class RacedRun(RunData):
    """A run whose first repeats are trained."""

    frames: Mapping[str, pd.DataFrame] = field(repr=False)
    """Its predictions by part."""

    def predictions(self, part: str) -> pd.DataFrame:
        return self.frames[part]


@dataclass(frozen=True)
class RaceComparison(PairwiseComparison):
    """The candidate against the baseline."""

    runs: Sequence[RacedRun]
    names: Sequence[str] = ()
    part: str = "validation"
    ranking: Sequence[int] = (0, 1)


@dataclass(frozen=True)
class RaceLook:
    """Differences are those of `ComparisonSettings.metric`, candidate minus baseline."""

    repeats: int
    level: float
    """The two-sided level of the test at this look."""
    difference: float | None
    low: float | None
    high: float | None
    """At 1 - level, so that they exclude 0 if and only if the verdict is better or worse."""
    p: float | None
    verdict: str
    decision: str | None
    """Of the gate, if there is one."""
    chance: float | None
    """That the last look decides, predicted from this one; None once it is decided."""
    visible: float | None
    """The difference that the last look would find with a power of 80 %."""

    @property
    def is_decided(self) -> bool:
        return (self.decision or self.verdict) != "undecided"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def look(
    comparison: RaceComparison, repeats: int, at_most: int, last_level: float, gate: Gate | None
) -> tuple[RaceLook, Decision | None]:
    """The verdict on the candidate at the level of the comparison's settings."""
    (pair,) = comparison.pairs
    decision = None if gate is None else decide(comparison, gate)
    interval, test = None, pair.test
    if pair.simultaneous is not None:
        interval = pair.simultaneous.or_fallback
    result = RaceLook(
        repeats,
        comparison.settings.pair_alpha,
        None if test is None else test.difference,
        None if interval is None else interval.low,
        None if interval is None else interval.high,
        pair.p_holm,
        pair.verdict,
        None if decision is None else decision.decision,
        None,
        None,
    )
    differences = pair.differences
    estimate = None if differences is None else estimate_of(differences, at_most / repeats)
    if estimate is None:
        return result, decision
    visible, chance = _visible(estimate, last_level), None
    if not result.is_decided:
        metric = comparison.settings.described
        if metric.lower_is_better:
            estimate = estimate._replace(difference=-estimate.difference)
        margin = 0.0 if gate is None else gate.margin / metric.scale
        rope, kind = comparison.settings.rope, None if gate is None else gate.kind
        decided = decided_differences(estimate, last_level, rope, kind, margin)
        chance = chance_of_decision(estimate, decided)
    return RaceLook(**asdict(result) | {"chance": chance, "visible": visible}), decision


def estimate_of(differences: Differences, factor: float) -> Estimate | None:
    """With the standard error of `factor` times as many repeats; None for a design without one."""
    values, design = np.asarray(differences.values, dtype=np.float64), differences.design
    mean = float(values.mean())
    if design in ("redrawn", "5x2"):
        count, sd = values.size, sample_sd(values.ravel())
        later, sizes = round(factor * count), (differences.n_train, differences.n_test)
        now, last = (corrected_se(sd, *sizes, n) for n in (count, later))
        return Estimate(mean, now, count - 1, last, later - 1)
    if design != "crossed" or len(values) < 2:
        return None
    codes = group_codes(differences.groups, values.shape[1])
    models = model_term(values)
    se, df = crossed_se(
        [models], image_term(values.mean(axis=0), codes), [interaction_term(values, codes)]
    )
    last = math.sqrt(max(se**2 - models.variance * (1 - 1 / factor), 0.0))
    count = len(values)
    return Estimate(mean, se, min(df, count - 1), last, min(df, factor * count - 1))


def visible_difference(differences: Differences, level: float) -> float:
    """The difference that the test of a design finds with a power of 80 % at this level; about, if
    it is no t-test."""
    estimate = estimate_of(differences, 1)
    if estimate is None:
        values = np.asarray(differences.values, dtype=np.float64)
        mean = clustered_mean(values, group_codes(differences.groups, len(values)))
        estimate = Estimate(mean.mean, mean.se, mean.df, mean.se, mean.df)
    return _visible(estimate, level)


def _visible(estimate: Estimate, level: float) -> float:
    """At the last look."""
    critical = _quantile(1 - level / 2, estimate.last_df)
    return (critical + _quantile(POWER, estimate.last_df)) * estimate.last_se


def decided_differences(
    estimate: Estimate, level: float, rope: float, kind: Kind | None, margin: float
) -> list[tuple[float, float]]:
    """The differences, positive where the candidate is better, that the last look decides on: by
    its verdict, or by the gate of this `kind`."""
    two_sided = _quantile(1 - level / 2, estimate.last_df) * estimate.last_se
    one_sided = _quantile(1 - level, estimate.last_df) * estimate.last_se
    if kind == "not-worse":
        return [(-math.inf, -margin - one_sided), (one_sided - margin, math.inf)]
    equal = rope - one_sided
    decided = [(-math.inf, -two_sided), (-equal, equal), (margin + two_sided, math.inf)]
    if kind == "better":
        decided.append((-math.inf, margin - two_sided))
    return _union(decided)


def _union(intervals: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without overlap and without empty ones."""
    merged: list[tuple[float, float]] = []
    for low, high in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def _quantile(probability: float, df: float) -> float:
    return float(special.stdtrit(df, probability))


def first_look(folds: int) -> int:
    """The repeats from which the test is about the recipes: 4 trainings, and 2 repeats of folds."""
    return MIN_RELIABLE_SCORES if folds == 1 else max(2, math.ceil(MIN_RELIABLE_SCORES / folds))
