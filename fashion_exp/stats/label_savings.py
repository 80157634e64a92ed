"""How many labels one way of choosing photos saves against another, from learning curves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.bootstrap import expanded_tail
from fashion_exp.stats.checks import Floats, validate_resampling


class LabelSaving(NamedTuple):
    """Labels saved until the mean accuracy reaches a target."""

    needed: float | None
    """Labels that the strategy needs; None if its mean curve ends below the target."""
    reference: float | None
    """Labels that the reference needs."""
    low: float | None
    high: float | None
    """Limits of reference - needed; None if too many curves end below the target."""
    censored: float
    """Share of the resamples in which one of the two curves ends below the target."""

    @property
    def saved(self) -> float | None:
        """None if one of the curves ends below the target."""
        if self.needed is None or self.reference is None:
            return None
        return self.reference - self.needed


def labels_saved(
    labels: ArrayLike, accuracies: ArrayLike, reference: ArrayLike, target: float,
    level: float = 0.95, resamples: int = 2000, seed: int = 0,
) -> LabelSaving:  # fmt: skip
    """The labels saved to reach `target`, with percentiles of a bootstrap over paired repeats.

    `labels` (k,) rise; `accuracies` and `reference` (repeats, k) are those of the same repeats. The
    number of labels is where the mean curve over the repeats, made monotone by its running
    maximum, first reaches the target, between two points by linear interpolation. Where a
    resampled curve ends below the target, its number of labels is only known to be larger than the
    last one; the low limit counts it as infinite for the strategy, the high limit for the
    reference. `censored` says how often that happened.

    Source: percentiles of Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13, at
    the tails of `expanded_tail`.

    Raises:
        ValueError: invalid `level` or `resamples`; fewer than 2 repeats.
    """
    validate_resampling(level, resamples)
    x = np.asarray(labels, np.float64)
    a, b = np.asarray(accuracies, np.float64), np.asarray(reference, np.float64)
    needed, of_reference = (_first_reached(x, means.mean(0), target) for means in (a, b))
    if len(a) < 2:
        raise ValueError("needs at least 2 repeats")
    rng, censored = np.random.default_rng(seed), 0
    saved = np.empty((2, resamples))
    for index in range(resamples):
        drawn = rng.integers(len(a), size=len(a))
        own, other = (_first_reached(x, means[drawn].mean(0), target) for means in (a, b))
        censored += own is None or other is None
        saved[0, index] = (x[-1] if other is None else other) - (np.inf if own is None else own)
        saved[1, index] = (np.inf if other is None else other) - (x[-1] if own is None else own)
    tail = expanded_tail(level, len(a))
    limits = [  # neighbors, since an infinite one cannot be interpolated
        float(np.quantile(saved[0], tail, method="lower")),
        float(np.quantile(saved[1], 1 - tail, method="higher")),
    ]
    low, high = (limit if np.isfinite(limit) else None for limit in limits)
    return LabelSaving(needed, of_reference, low, high, censored / resamples)


def _first_reached(labels: Floats, accuracies: Floats, target: float) -> float | None:
    curve = np.maximum.accumulate(accuracies)
    if curve[-1] < target:
        return None
    index = int(np.searchsorted(curve, target))
    if index == 0:
        return float(labels[0])
    low, high = curve[index - 1], curve[index]
    share = (target - low) / (high - low)
    return float(labels[index - 1] + share * (labels[index] - labels[index - 1]))
