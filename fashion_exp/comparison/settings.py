"""The settings of a comparison."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ComparisonSettings:
    metric: str = "accuracy"
    """A key of `METRICS`."""
    alpha: float = 0.05
    """Family-wise error rate."""
    rope: float = 0.01
    """Region of practical equivalence: smaller differences are of no interest."""
    exact: bool = False
    """Uses McNemar's exact test instead of the mid-p test."""
    target: float | None = None
    """Accuracy to be reached."""
    baseline: int | None = None
    """Index of the run that all others are compared with; None: all pairs."""
    human: tuple[float, int | None] | None = None
    """Accuracy of people, and the number of images it was measured on."""

    @property
    def level(self) -> float:
        """Confidence level of the intervals."""
        return 1 - self.alpha
