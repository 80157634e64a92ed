"""The settings of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from fashion_exp.comparison.metrics import METRICS, Metric
from fashion_exp.errors import InputError, suggest

TOO_LARGE_ROPE = 0.5
"""Of a share; this and larger ones are meant in points."""


@dataclass(frozen=True)
class ComparisonSettings:
    """Raises `InputError` for an unknown metric and for a number out of range."""

    metric: str = "accuracy"
    """A key of `METRICS`, or the name of `column`."""
    alpha: float = 0.05
    """Family-wise error rate."""
    rope: float = 0.01
    """Region of practical equivalence: smaller differences are of no interest. In the unit of the
    metric; an accuracy is a share, so 0.01 is one percentage point."""
    exact: bool = False
    """Uses McNemar's exact test instead of the mid-p test."""
    target: float | None = None
    """Accuracy to be reached."""
    baseline: int | None = None
    """Index of the run that all others are compared with."""
    pairs: Literal["best", "all"] = "best"
    """Without a baseline: the pairs of the best run with the others, or all pairs."""
    human: tuple[float, int | None] | None = None
    """Accuracy of people, and the number of images it was measured on."""
    on: str | None = None
    """The evaluation on other photos that the runs are compared on; None: test or validation."""

    column: Metric | None = None
    """Describes the metric if it is a column of predictions."""

    looks: int = 1
    """Which look at these recipes it is, of those at growing data (`count_looks`)."""
    share: float | None = None
    """Of alpha, that this look has; None: 1 / looks²."""
    race: str = ""
    """The race that the look is part of."""

    def __post_init__(self) -> None:
        if self.metric not in METRICS and self.column is None:
            raise InputError(
                f"metric={self.metric}: no such metric; {suggest(self.metric, METRICS)}"
            )
        if self.pairs not in (kinds := ("best", "all")):
            raise InputError(f"pairs={self.pairs}: no such choice; {suggest(self.pairs, kinds)}")
        if not 0 < self.alpha < 0.5:
            raise InputError(f"alpha={self.alpha:g}: must be between 0 and 0.5")
        if self.target is not None and not 0 < self.target < 1:
            raise InputError(f"target={self.target:g}: must be between 0 and 1")
        self._check_rope()
        accuracy, images = self.human or (0.5, None)
        if not 0 < accuracy < 1 or (images is not None and images < 1):
            raise InputError(
                f"human={accuracy:g}:{images}: needs an accuracy between 0 and 1, and N from 1 on"
            )

    def _check_rope(self) -> None:
        if not 0 <= self.rope < float("inf"):
            raise InputError(f"rope={self.rope:g}: must be a number from 0 on")
        if self.described.is_share and self.rope >= TOO_LARGE_ROPE:
            raise InputError(
                f"rope={self.rope:g}: would be {100 * self.rope:g} points; the unit is a share, so "
                "half a point is 0.005"
            )

    def with_baseline(self, index: int) -> ComparisonSettings:
        return replace(self, baseline=index)

    @property
    def described(self) -> Metric:
        """The metric that runs are compared by."""
        return self.column or METRICS[self.metric]

    @property
    def level(self) -> float:
        """Confidence level of the intervals of single runs."""
        return 1 - self.alpha

    @property
    def pair_alpha(self) -> float:
        """The error rate of the pairs of runs at this look."""
        return self.alpha * (1 / self.looks**2 if self.share is None else self.share)

    @property
    def pair_level(self) -> float:
        return 1 - self.pair_alpha
