"""What a simulation says: curves with intervals, and which strategies beat a random choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fashion_exp.active.simulation import Schedule, Trajectory
from fashion_exp.active.strategies import REFERENCE
from fashion_exp.reporting.formats import (
    DASH,
    MINUS,
    difference_range,
    difference_text,
    number,
    percent,
    with_limits,
)
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.stats.crossed import crossed_t_interval
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.label_savings import LabelSaving, labels_saved
from fashion_exp.stats.multiplicity import agree_with_decision, bonferroni_level, holm
from fashion_exp.stats.paired import PairedTest
from fashion_exp.stats.paired_crossed import paired_crossed

BETTER, WORSE, UNDECIDED = "better", "worse", "not shown to differ"


@dataclass(frozen=True)
class StrategyResult:
    """One strategy; all but the reference are compared with it."""

    name: str
    curve: Sequence[Interval]
    """The accuracy at each number of labels."""
    area: Interval
    """The mean accuracy over the numbers of labels: the area under the curve."""
    gain: Interval | None = None
    """Of the area over that of the reference; the intervals of all strategies hold together."""
    p: float | None = None
    """By Holm's method over the strategies."""
    verdict: str = ""
    saving: LabelSaving | None = None


@dataclass(frozen=True)
class SimulationResult:
    labels: np.ndarray
    """(k,): numbers of labels at which the strategies are evaluated."""
    strategies: Sequence[StrategyResult]
    """The reference first."""
    target: float
    """The accuracy that the numbers of labels are compared at."""
    repeats: int
    test_images: int
    pool: int
    """Different photos of the smallest pool."""
    level: float

    @property
    def table(self) -> pd.DataFrame:
        """A row for each strategy and number of labels: strategy, labels, accuracy, low, high."""
        return pd.DataFrame(
            [
                (result.name, int(count), point.estimate, point.low, point.high)
                for result in self.strategies
                for count, point in zip(self.labels, result.curve, strict=True)
            ],
            columns=["strategy", "labels", "accuracy", "low", "high"],
        )

    @cached_property
    def compared(self) -> list[StrategyResult]:
        return [result for result in self.strategies if result.name != REFERENCE]

    def sentences(self) -> list[str]:
        """The conclusions."""
        better = [result.name for result in self.compared if result.verdict == BETTER]
        count = len(self.compared)
        if not count:
            return [f"No strategy beside {REFERENCE}: nothing to compare."]
        lines = [
            f"{len(better)} of {count} strategies {'beats' if len(better) == 1 else 'beat'} a "
            f"random choice{': ' if better else ''}{', '.join(better)}."
        ]
        if 2 * len(better) < count:
            lines.append(
                "Most strategies are not shown to beat a random choice here. A random sample is "
                "also fit to measure the accuracy by; photos that a strategy chose are not."
            )
        lines += [saving_sentence(result, self.target) for result in self.compared if result.saving]
        return lines

    def as_table(self) -> PlainTable:
        rows = []
        for result in self.strategies:
            gain = result.gain
            rows.append(
                (
                    result.name,
                    _limits(result.area),
                    DASH if gain is None else _difference(gain),
                    DASH if gain is None else _p(result.p),
                    result.verdict or "the reference",
                    _limits(result.curve[-1]),
                    DASH if result.saving is None else _saved(result.saving),
                )
            )
        header = (
            "strategy", "area", "over random", "p (Holm)", "verdict",
            f"with {int(self.labels[-1]):,} labels", f"saved to {percent(self.target, 0)}",
        )  # fmt: skip
        level = f"{100 * self.level:g} %"
        notes = [
            f"{self.repeats} repeats, {self.test_images:,} test photos, pools of {self.pool:,} "
            f"different photos or more; {int(self.labels[0]):,} labels at the start. Area: mean "
            "accuracy over the numbers of labels.",
            f"{level} intervals hold for new initial labels and new test photos (crossed t); those "
            "over random hold together. Labels saved: a bootstrap over the repeats; a limit is "
            "open if too many resampled curves end below the target.",
        ]
        return PlainTable(header, rows, notes=notes, optional=("p (Holm)",))

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "level": self.level,
            "repeats": self.repeats,
            "test_images": self.test_images,
            "pool": self.pool,
            "target": self.target,
            "labels": self.labels.tolist(),
            "strategies": [
                {
                    "strategy": result.name,
                    "curve": [_interval(point) for point in result.curve],
                    "area": _interval(result.area),
                    "gain": None if result.gain is None else _interval(result.gain),
                    "p_holm": result.p,
                    "verdict": result.verdict,
                    "saving": None if result.saving is None else {
                        **result.saving._asdict(), "saved": result.saving.saved,
                    },
                }
                for result in self.strategies
            ],
            "sentences": self.sentences(),
        }  # fmt: skip


def evaluate(
    trajectories: Mapping[str, Sequence[Trajectory]], schedule: Schedule, classes: int,
    groups: np.ndarray, pool: int, target: float | None, level: float,
) -> SimulationResult:  # fmt: skip
    """Compares all strategies with the reference. `groups` (test images,) labels copies.

    Without `target` it is the last accuracy of the reference, rounded down to whole percent.
    """
    labels = schedule.labels(classes)
    correct = {
        name: np.array([trajectory.correct for trajectory in repeats], np.float64)
        for name, repeats in trajectories.items()
    }
    areas = {name: _area(labels, scores) for name, scores in correct.items()}
    means = {name: scores.mean(2) for name, scores in correct.items()}
    if target is None:
        target = np.floor(100 * means[REFERENCE].mean(0)[-1]) / 100
    others = [name for name in correct if name != REFERENCE]
    joint = bonferroni_level(1 - level, len(others))
    tests: dict[str, PairedTest] = {
        name: paired_crossed(areas[name] - areas[REFERENCE], joint, groups=groups)
        for name in others
    }
    adjusted = dict(zip(others, holm([tests[n].trusted_p for n in others]), strict=True))

    def result(name: str) -> StrategyResult:
        curve = [
            crossed_t_interval(correct[name][:, point], level, groups=groups).or_fallback
            for point in range(len(labels))
        ]
        area = crossed_t_interval(areas[name], level, groups=groups).or_fallback
        if name == REFERENCE:
            return StrategyResult(name, curve, area)
        p, test = adjusted[name], tests[name]
        is_decided = p is not None and p <= 1 - level
        gain = agree_with_decision(test.interval.or_fallback, is_decided)
        verdict = UNDECIDED
        if is_decided and test.difference:
            verdict = BETTER if test.difference > 0 else WORSE
        saving = labels_saved(labels, means[name], means[REFERENCE], target, level)
        return StrategyResult(name, curve, area, gain, p, verdict, saving)

    first = correct[REFERENCE]
    return SimulationResult(
        labels, [result(name) for name in [REFERENCE, *others]], float(target), len(first),
        first.shape[2], pool, level,
    )  # fmt: skip


def saving_sentence(result: StrategyResult, target: float) -> str:
    """ "margin: 120 labels saved (60 to 210) to reach 85 %, 180 instead of 300."."""
    saving, goal = result.saving, percent(target, 0)
    assert saving is not None
    if saving.needed is None or saving.reference is None:
        needs = (
            f"{name} needs {count:.0f} labels to reach {goal}"
            if count is not None
            else f"{name} does not reach {goal} with these labels"
            for name, count in ((result.name, saving.needed), (REFERENCE, saving.reference))
        )
        return f"{'; '.join(needs)}."
    text = (
        f"{result.name}: {_saved(saving, 'labels saved')} to reach {goal}, {saving.needed:.0f} "
        f"instead of {saving.reference:.0f}."
    )
    if saving.censored:
        text += f" In {percent(saving.censored, 0)} of the resamples a curve ends below {goal}."
    return text


def _area(labels: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """(repeats, images): the mean over the labels of scores (repeats, rounds + 1, images)."""
    return np.asarray(np.trapezoid(correct, labels, axis=1) / (labels[-1] - labels[0]))


def _saved(saving: LabelSaving, noun: str = "") -> str:
    """ "120 labels saved (60 to 210)", "−8 (−30 to 12)", "131 (70 or more)"."""
    if saving.saved is None:
        return DASH
    saved, low, high = (
        "" if value is None else f"{value:.0f}".replace("-", MINUS)
        for value in (saving.saved, saving.low, saving.high)
    )
    limits = (
        f"{low} to {high}" if low and high else f"{low} or more" if low
        else f"{high} or fewer" if high else "no limits"
    )  # fmt: skip
    return f"{saved} {noun} ({limits})" if noun else f"{saved} ({limits})"


def _p(p: float | None) -> str:
    return "< 0.001" if p is not None and p < 0.0005 else number(p)


def _limits(interval: Interval) -> str:
    assert interval.estimate is not None
    return with_limits(interval.estimate, interval.low, interval.high)


def _difference(interval: Interval) -> str:
    text = difference_text(interval.estimate)
    if interval.low is None or interval.high is None:
        return text
    return f"{text} ({difference_range(interval.low, interval.high)})"


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "estimate": interval.estimate, "low": interval.low, "high": interval.high,
        "method": interval.method, "note": interval.note,
    }  # fmt: skip
