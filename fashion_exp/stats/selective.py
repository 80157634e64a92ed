"""Rejecting doubtful images: the risk-coverage curve, and a threshold that ensures an accuracy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.checks import Floats, validate_fraction, validate_pair
from fashion_exp.stats.groups import group_codes
from fashion_exp.stats.proportions import clustered_bounds

THRESHOLDS = (
    0.0, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999,
)  # fmt: skip
"""Confidences that are tried, fixed in advance, so that the data choose among few."""


class RiskCoverage(NamedTuple):
    """Per number of accepted images, the most confident first: arrays (n,)."""

    coverage: Floats
    """Share of the images that are accepted."""
    risk: Floats
    """Share of the accepted images that are wrong."""

    @property
    def area(self) -> float:
        """The area under the curve (AURC), the mean risk over all coverages."""
        return float(self.risk.mean())


def risk_coverage(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """The risk-coverage curve; images of equal confidence share their mean risk.

    Source: Geifman & El-Yaniv 2017, NeurIPS, "Selective Classification for Deep Neural Networks".

    Raises:
        ValueError: as `validate_pair`.
    """
    scores, right = validate_pair(confidence, correct)
    values, codes = np.unique(-scores, return_inverse=True)
    sizes = np.bincount(codes, minlength=values.size)
    mean_wrong = np.bincount(codes, weights=1 - right) / sizes
    accepted = np.arange(1, scores.size + 1)
    risk: Floats = np.cumsum(np.repeat(mean_wrong, sizes)) / accepted
    return RiskCoverage(accepted / scores.size, risk)


class Threshold(NamedTuple):
    """The confidence from which images are accepted."""

    confidence: float
    coverage: float
    """Share of the images that are accepted."""
    accuracy: float
    """Of the accepted images."""
    lower: float
    """Its lower confidence bound, which allows for the selection."""
    accepted: int


def accuracy_threshold(
    confidence: ArrayLike,
    correct: ArrayLike,
    target: float,
    groups: ArrayLike | None = None,
    level: float = 0.95,
) -> Threshold | None:
    """The threshold with the most accepted images whose accuracy is at least `target`.

    With confidence `level` the accuracy of accepted new images reaches the target; None if no
    threshold ensures that. Every threshold of `THRESHOLDS` is tested by its one-sided
    Clopper-Pearson bound (`clustered_bounds` for images in `groups` (n,)), from the strictest
    down. Each has an equal share of 1 - level, and what the one before had if that passed, so that
    the probability of a wrong choice is at most 1 - level.

    Source: Angelopoulos, Bates, Candès, Jordan & Lei 2021, arXiv 2110.01052, "Learn then Test";
    Wiens 2003, Pharm. Stat. 2:211-215, the fallback procedure.

    Raises:
        ValueError: `target` or `level` is outside (0, 1); as `validate_pair` and `group_codes`.
    """
    validate_fraction(target, "target")
    validate_fraction(level, "level")
    scores, right = validate_pair(confidence, correct)
    codes = group_codes(groups, scores.size)
    chosen, inherited = None, 0.0
    for threshold in reversed(THRESHOLDS):
        accepted = scores >= threshold
        alpha = (1 - level) / len(THRESHOLDS) + inherited
        inherited = 0.0
        if not accepted.any():
            continue
        bound = clustered_bounds(right[accepted], codes[accepted], 1 - alpha).lower
        if bound >= target:
            inherited = alpha
            share, accuracy = float(accepted.mean()), float(right[accepted].mean())
            chosen = Threshold(threshold, share, accuracy, bound, int(accepted.sum()))
    return chosen
