"""`Interval`: an estimate with confidence limits, or the reason why there are none.

A function that computes an interval starts from `point_estimate` and adds limits to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np
from scipy import special

from fashion_exp.stats.checks import Bounds, Floats, validate_fraction

Status = Literal["ok", "degenerate", "undefined"]

MIN_RELIABLE_SCORES = 4  # with fewer scores, t-intervals carry a warning; tables omit them
MIN_ERRORS = 10
"""With fewer expected errors (or right answers) the variance of the images is unreliable."""
NO_VARIANCE = "no variance among the scores"
NO_VARIANCE_REMEDY = f"{NO_VARIANCE}; for an accuracy, use Wilson's interval"


class Estimand(StrEnum):
    """What an interval estimates. An accuracy of one model, of the mean of several, and of the
    recipe that trained them are different quantities with different uncertainty."""

    MODEL = "the tested model"
    MEAN_OF_MODELS = "the mean of the tested models"
    SCORE_DISTRIBUTION = "the mean of the distribution of the scores"
    RECIPE = "a new training on as many other photos"
    RECIPE_ON_DATA = "a new training on these photos"
    SELECTED_CONFIG = "the config selected by its score"
    MODEL_DIFFERENCE = "the difference between the two tested models"
    MEAN_MODEL_DIFFERENCE = "the mean difference between the tested models"
    RECIPE_DIFFERENCE = "the difference for new trainings on as many other photos"
    RECIPE_DIFFERENCE_ON_DATA = "the difference for new trainings on these photos"


RECIPES = {Estimand.RECIPE, Estimand.RECIPE_ON_DATA, Estimand.RECIPE_DIFFERENCE} | {
    Estimand.RECIPE_DIFFERENCE_ON_DATA
}
"""The estimands of new trainings."""


@dataclass(frozen=True)
class Interval:
    """An estimate with confidence limits at `level`, or the reason why there are none.

    - `target` is the estimand, `unit` the sampling unit.
    - `n` is the number of distinct test images if known, fractional if divided by a design effect;
      `scores` is the number J of scores or models.
    - `low` and `high` are clipped to the range of the metric; `raw_low` and `raw_high` are the
      limits before clipping. All are in the unit of the metric (an accuracy lies in [0, 1]).
    - `status` is `ok`, `degenerate` (no variance in the data: the limits coincide and are not an
      interval) or `undefined` (no limits). `note` holds the reason and any warnings.
    - `fallback` is the interval to use instead of one that is not `ok`, if the data allow one.
    """

    estimate: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    target: Estimand
    unit: str
    n: float | None
    scores: int
    status: Status
    note: str = ""
    raw_low: float | None = None
    raw_high: float | None = None
    fallback: Interval | None = None

    def __post_init__(self) -> None:
        limits = (self.low, self.high, self.raw_low, self.raw_high)
        if self.status == "undefined":
            assert limits == (None,) * 4 and self.note, "undefined needs a reason and no limits"
        else:
            values = (self.estimate, *limits)
            assert all(x is not None and math.isfinite(x) for x in values), "limits must be finite"

    @property
    def or_fallback(self) -> Interval:
        """The interval to report: itself if `ok`, else its fallback, else the estimate alone."""
        if self.status == "ok":
            return self
        if self.fallback is not None:
            return self.fallback.or_fallback
        return self.withheld(self.note or "no interval")

    def withheld(self, reason: str) -> Interval:
        """The estimate alone, for a `reason`; the interval itself if that is empty."""
        if not reason:
            return self
        no_limits = {"low": None, "high": None, "raw_low": None, "raw_high": None}
        return replace(self, status="undefined", note=reason, **no_limits)  # type: ignore[arg-type]

    @property
    def claim(self) -> str:
        """The estimand in words. Five trainings cannot know what happens in one of ten."""
        if self.target not in RECIPES or self.scores < 2:
            return self.target
        return f"{self.target}, as long as trainings like these {self.scores} are the rule"

    @property
    def negated(self) -> Interval:
        """The interval of the negated quantity: of b - a for a difference a - b."""
        estimate, low, high, raw_low, raw_high = (
            None if value is None else -value
            for value in (self.estimate, self.high, self.low, self.raw_high, self.raw_low)
        )
        return replace(
            self, estimate=estimate, low=low, high=high, raw_low=raw_low, raw_high=raw_high
        )

    def with_limits(self, low: float, high: float, bounds: Bounds = None) -> Interval:
        """Sets the limits, clipped to `bounds`; the note reports clipping."""
        shown, note = (low, high), ""
        if bounds is not None:
            shown = max(low, bounds[0]), min(high, bounds[1])
            note = "" if shown == (low, high) else f"limit outside [{bounds[0]:g},{bounds[1]:g}]"
        return replace(
            self, low=shown[0], high=shown[1], raw_low=low, raw_high=high, status="ok", note=note
        )

    def with_t_limits(self, se: float, df: float, bounds: Bounds) -> Interval:
        """Sets the limits estimate +- t(df) * se of Student's t."""
        assert self.estimate is not None
        half_width = -float(special.stdtrit(df, (1 - self.level) / 2)) * se
        return self.with_limits(self.estimate - half_width, self.estimate + half_width, bounds)

    def with_percentile_limits(self, resampled: Floats, bounds: Bounds = None) -> Interval:
        """Sets the equal-tailed percentiles of the resampled statistics (B,) as limits."""
        low, high = np.quantile(resampled, [(1 - self.level) / 2, (1 + self.level) / 2])
        return self.with_limits(float(low), float(high), bounds)

    def without_limits(
        self, reason: str, fallback: Interval | None = None, fallback_name: str = ""
    ) -> Interval:
        """Sets the reason for missing limits, and the fallback unless that is undefined too."""
        if fallback is None or fallback.status == "undefined":
            return replace(self, note=reason, fallback=None)
        note = f"{reason}; fallback: {fallback_name or fallback.method}"
        return replace(self, note=note, fallback=fallback)

    def degenerate(
        self, reason: str, fallback: Interval | None = None, fallback_name: str = ""
    ) -> Interval:
        """Sets both limits to the estimate and marks the interval as degenerate for `reason`."""
        x = self.estimate
        marked = self.without_limits(reason, fallback, fallback_name)
        return replace(marked, low=x, high=x, raw_low=x, raw_high=x, status="degenerate")

    def with_warning(self, text: str) -> Interval:
        """Appends `text` to the note, unless it is empty."""
        return replace(self, note=f"{self.note}; {text}" if self.note else text) if text else self


def point_estimate(
    estimate: float | None,
    level: float,
    method: str,
    target: Estimand,
    unit: str,
    *,
    scores: int,
    n: float | None = None,
    reason: str = "limits not computed",
) -> Interval:
    """An interval without limits (`undefined`, with `reason`), to which limits can be added.

    Raises:
        ValueError: `level` outside (0, 1).
    """
    validate_fraction(level, "level")
    return Interval(
        estimate, None, None, level, method, target, unit, n, scores, "undefined", reason
    )


def sample_sd(scores: Floats) -> float:
    """Sample standard deviation (n - 1); 0 for one score or a spread within rounding error."""
    if scores.size < 2:
        return 0.0
    sd = float(scores.std(ddof=1))
    return sd if sd > 1e-12 * float(np.abs(scores).max()) else 0.0


def wilson_limits(accuracy: float, n: float, quantile: float) -> tuple[float, float]:
    """Wilson's limits at an accuracy of `n` images, with a quantile of the normal or of t."""
    correct = accuracy * n
    wrong = n - correct
    return _wilson_lower(correct, wrong, quantile), 1 - _wilson_lower(wrong, correct, quantile)


def _wilson_lower(correct: float, wrong: float, z: float) -> float:
    n = correct + wrong
    root = math.sqrt(z * z + 4 * correct * wrong / n)
    return 2 * correct * (correct / n) / (2 * correct + z * z + z * root)
