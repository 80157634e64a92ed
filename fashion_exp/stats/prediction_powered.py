"""The accuracy on a batch of which few images are labelled, with the predictions on all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fashion_exp.stats.checks import (
    PROPORTION_BOUNDS,
    Floats,
    is_binary,
    validate_minimum,
    validate_scores,
)
from fashion_exp.stats.interval import MIN_ERRORS, Estimand, Interval, point_estimate

MIN_LABELS = 10
"""With fewer labels no interval says anything."""
NOTHING_SAID = "the confidence says too little of right and wrong here: the labels count alone"


@dataclass(frozen=True)
class PoweredEstimate:
    interval: Interval
    """`n` is the effective number of labels: so many labels alone would say as much."""
    labels: int
    items: int
    """Labelled and unlabelled."""
    explained: float
    """Share of the variance of right and wrong that the confidence explains (adjusted R²); 0 if
    the predictions were not used."""

    @property
    def labels_to_halve(self) -> int | None:
        """Labels, with those there are, for an interval half as wide; None if there are too few
        items for it."""
        estimate, level = self.interval.estimate, self.interval.level
        low, high = self.interval.low, self.interval.high
        if estimate is None or low is None or high is None:
            return None
        wanted = (high - low) / 2
        for labels in np.unique(np.geomspace(self.labels, self.items, 400).astype(int)):
            size = _effective(int(labels), self.items, self.explained, level)
            limits = _limits(estimate, size, level)
            if limits[1] - limits[0] <= wanted:
                return int(labels)
        return None


def prediction_powered(
    correct: ArrayLike, confidence: ArrayLike, all_confidence: ArrayLike, level: float = 0.95
) -> PoweredEstimate:
    """The accuracy on items like those of a batch, from labels of a random sample of it.

    `correct` (n,) is 1 or 0 for the labelled items and `confidence` (n,) any score that may go with
    it, such as the probability of the predicted class; `all_confidence` (N,) is the score of every
    item, the labelled ones too. It need not be calibrated: if it says nothing, it is not used.

    The estimate is mean(Y) + b (mean of f over all - mean of f over the labelled), with b the slope
    of Y on f. Its variance is var(Y) ((1 - R²) / n + R² / N), so it is worth as many labels as
    n* = 1 / ((1 - R²) / n + R² / N); R² is adjusted for the fitted slope. The limits are Clopper
    and Pearson's at n*, times (z / t(n - 2))², as `proportions.clustered_bounds`; they cover small
    samples, where those of the normal distribution do not. With fewer than 10 errors (or right
    answers) among the labels, or if the predictions add nothing, the labels count alone.

    Source: Angelopoulos, Bates, Fannjiang, Jordan & Zrnic 2023, Science 382:669-674; the slope as
    power tuning Angelopoulos, Duchi & Zrnic 2023, arXiv:2311.01453, here with the labelled items
    among all (the regression estimator, Cochran 1977, Sampling Techniques, chapter 7); limits Korn
    & Graubard 1998, Survey Methodology 24:193-201. Coverage: `tests/stats/claims.py`.

    Raises:
        ValueError: invalid scores; fewer than 10 labels, or more labels than items.
    """
    right = validate_scores(correct, PROPORTION_BOUNDS)
    own, scores = validate_scores(confidence, None), validate_scores(all_confidence, None)
    if own.size != right.size or not is_binary(right):
        raise ValueError("right and wrong must be 1 and 0, with a confidence each")
    n, items = right.size, scores.size
    validate_minimum(n, MIN_LABELS, "the number of labels")
    validate_minimum(items, n, "the number of items")
    mean = float(right.mean())
    point = point_estimate(mean, level, "clopper_pearson", Estimand.MODEL, "images", scores=1, n=n)
    reason, correlation, size = _why_alone(right, own), 0.0, float(n)
    if not reason:
        correlation = float(np.corrcoef(right, own)[0, 1])
        explained = max(1 - (1 - correlation**2) * (n - 1) / (n - 2), 0.0)
        size = _effective(n, items, explained, level)
    if size <= n:
        reason = reason or NOTHING_SAID
        interval = point.with_limits(*_limits(mean, n, level)).with_warning(reason)
        return PoweredEstimate(interval, n, items, 0.0)
    slope = correlation * float(right.std() / own.std())
    shifted = mean + slope * float(scores.mean() - own.mean())
    estimate = float(np.clip(shifted, 0.0, 1.0))
    powered = replace(point, estimate=estimate, method="prediction_powered", n=size)
    return PoweredEstimate(
        powered.with_limits(*_limits(estimate, size, level)), n, items, explained
    )


def _why_alone(right: Floats, confidence: Floats) -> str:
    """Why the predictions are not used; empty if they are."""
    errors = min(float(right.sum()), float((1 - right).sum()))
    if errors < MIN_ERRORS:
        return f"fewer than {MIN_ERRORS} errors or right answers among the labels: they count alone"
    if np.ptp(confidence) == 0 or np.corrcoef(right, confidence)[0, 1] <= 0:
        return NOTHING_SAID
    return ""


def _effective(labels: int, items: int, explained: float, level: float) -> float:
    if explained == 0:
        return labels
    size = 1 / ((1 - explained) / labels + explained / items)
    tail = (1 - level) / 2
    z, t = float(stats.norm.isf(tail)), float(stats.t.isf(tail, labels - 2))
    return size * (z / t) ** 2


def _limits(estimate: float, size: float, level: float) -> tuple[float, float]:
    """Clopper and Pearson's, for a size that need not be a whole number."""
    right, tail = estimate * size, (1 - level) / 2
    wrong = size - right
    low = 0.0 if math.isclose(right, 0, abs_tol=1e-9) else stats.beta.ppf(tail, right, wrong + 1)
    high = 1.0 if math.isclose(wrong, 0, abs_tol=1e-9) else stats.beta.isf(tail, right + 1, wrong)
    return float(low), float(high)
