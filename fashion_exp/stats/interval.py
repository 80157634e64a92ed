"""An interval that says of what it is one, or why there is none.

Three truths must be told apart: the true accuracy of *one model*, the mean true accuracy of *the
models tested*, and the expected accuracy of *the recipe* that made them; and each of them for the
difference of two. Every function of this package names the one it covers in `Interval.target`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

Status = Literal["ok", "degenerate", "undefined"]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bounds = tuple[float, float] | None

SHARE: Bounds = (0.0, 1.0)
DIFFERENCE: Bounds = (-1.0, 1.0)

ONE_MODEL = "the model tested"
MODELS_TESTED = "the mean of the models tested"
INDEPENDENT_SCORES = "the mean of scores drawn independently like these"
RECIPE = "the recipe at this training size"
RECIPE_HERE = "the recipe on these training images"
CHOSEN = "the config that is chosen among these by its score"
TWO_MODELS = "the difference of the two models tested"
PAIRS_TESTED = "the mean difference of the models tested"
TWO_RECIPES = "the difference of the recipes at this training size"
TWO_RECIPES_HERE = "the difference of the recipes on these training images"


@dataclass(frozen=True)
class Interval:
    """An estimate with its limits, or the reason why there are none.

    - `target` says in words what the interval is of, `unit` what was counted as one measurement;
      `n` is the number of distinct test images where known (fractional where a design effect has
      shrunk it), `scores` the number of scores or models J.
    - `low` and `high` are fit to be shown (inside [0, 1] for a bounded metric, [-1, 1] for its
      differences); `raw_low` and `raw_high` are what the formula gave.
    - `status` is `undefined` (no limits; `note` has the reason), `degenerate` (no spread in the
      data, so the limits coincide and mean nothing: show `fallback`), or `ok`. `note` holds
      reasons and warnings. `fallback` is the interval to use in place of one that is not `ok`,
      where the data allow one.
    """

    estimate: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    target: str
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
            assert limits == (None,) * 4 and self.note, "undefined: no limits, but a reason"
        else:
            numbers = (self.estimate, *limits)
            assert all(x is not None and math.isfinite(x) for x in numbers), "a silent nan"

    @property
    def shown(self) -> Interval:
        """What may be shown: itself, else what stands in for it, else the estimate alone."""
        if self.status == "ok":
            return self
        if self.fallback is not None:
            return self.fallback.shown
        none = {"low": None, "high": None, "raw_low": None, "raw_high": None}
        return replace(self, status="undefined", **none)  # type: ignore[arg-type]


def check_level(level: float) -> None:
    """Raises ValueError unless `level` is a confidence between 0 and 1, both excluded."""
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0,1), not {level}")


def joined(*notes: str) -> str:
    """The notes that say anything, as one."""
    return "; ".join(note for note in notes if note)


def undefined(
    estimate: float | None,
    level: float,
    method: str,
    target: str,
    unit: str,
    n: float | None,
    scores: int,
    reason: str = "no data for limits",
) -> Interval:
    """What is known before the limits are: the answer where the data allow none."""
    return Interval(
        estimate, None, None, level, method, target, unit, n, scores, "undefined", reason
    )


def limited(blank: Interval, low: float, high: float, bounds: Bounds = None) -> Interval:
    """`blank` with its limits, cut to `bounds` to be shown; the note says if that changed them."""
    shown = (max(low, bounds[0]), min(high, bounds[1])) if bounds else (low, high)
    cut = bounds is not None and shown != (low, high)
    note = f"limit outside [{bounds[0]:g},{bounds[1]:g}]" if bounds and cut else ""
    return replace(
        blank, low=shown[0], high=shown[1], raw_low=low, raw_high=high, status="ok", note=note
    )


def student(blank: Interval, scale: float, df: float, bounds: Bounds) -> Interval:
    """`blank` with the limits estimate +- t(df) scale."""
    assert blank.estimate is not None
    half = -float(special.stdtrit(df, (1 - blank.level) / 2)) * scale
    return limited(blank, blank.estimate - half, blank.estimate + half, bounds)


def instead(blank: Interval, reason: str, fallback: Interval | None, named: str) -> Interval:
    """`blank` without limits for `reason`; the note names the fallback if it has any."""
    if fallback is not None and fallback.status == "undefined":
        fallback = None
    note = joined(reason, f"fallback: {named}" if fallback else "")
    return replace(blank, note=note, fallback=fallback)


def flat(blank: Interval, reason: str, fallback: Interval | None, named: str) -> Interval:
    """Limits that coincide, as the formula gives them, marked as no interval."""
    at = blank.estimate
    bare = instead(blank, reason, fallback, named)
    return replace(bare, low=at, high=at, raw_low=at, raw_high=at, status="degenerate")


def spread(scores: Floats) -> float:
    """The standard deviation (n - 1), with mere rounding of equal scores counted as none."""
    if scores.size < 2:
        return 0.0
    sd = float(scores.std(ddof=1))
    return sd if sd > 1e-12 * float(np.abs(scores).max()) else 0.0
