"""Images that belong together, such as photos of one source: they are not independent."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashion_exp.stats.interval import Floats, Integers

MIN_GROUPS = 20  # below, the spread between groups is barely known: computed, and flagged


class ClusteredMean(NamedTuple):
    """A mean over images with its standard error, which is 0 where the groups do not differ."""

    mean: float
    se: float
    groups: int


def group_codes(groups: ArrayLike | None, n: int) -> Integers:
    """The groups as numbers 0 … G-1, shape (n,); each image its own group where None is given.

    Raises:
        ValueError: not one label per image, or a label that is nan.
    """
    if groups is None:
        return np.arange(n, dtype=np.int64)
    labels: NDArray[Any] = np.asarray(groups)
    if labels.shape != (n,):
        raise ValueError(f"{n} images need one group each, not groups of shape {labels.shape}")
    if (labels != labels).any():
        raise ValueError("the group of an image is nan")
    codes: Integers = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return codes


def clustered_mean(values: Floats, codes: Integers) -> ClusteredMean:
    """The mean of `values` (n,) and its cluster-robust standard error, for two groups or more.

    Equal to s / sqrt(n) where every image is its own group.

    Source: Liang & Zeger 1986, Biometrika 73:13-22, for a mean, with the small-sample factor
    G / (G - 1) (CR1).
    """
    mean = float(values.mean())
    residuals = np.bincount(codes, weights=values - mean)
    count = residuals.size
    assert count >= 2, "one group has no spread between groups"
    variance = count / (count - 1) * float((residuals**2).sum()) / values.size**2
    rounding = 1e-24 * float((values**2).max())
    return ClusteredMean(mean, float(np.sqrt(variance)) if variance > rounding else 0.0, count)


def kish_effective_size(sizes: ArrayLike, correlation: float) -> float:
    """How many independent images groups of these `sizes` (G,) are worth.

    n / (1 + (sum of squared sizes / n - 1) correlation), where `correlation` is the one within a
    group: 0 gives the images, 1 the groups (if of one size).

    Source: Kish 1965, Survey Sampling, section 5.4; for unequal sizes Kish 1987, Weighting in
    Deft-squared.

    Raises:
        ValueError: no sizes, a size not above 0, or a correlation outside [0, 1].
    """
    counts: Floats = np.asarray(sizes, dtype=np.float64)
    if counts.ndim != 1 or counts.size == 0 or not (counts > 0).all():
        raise ValueError("sizes must be a row of numbers above 0")
    if not 0 <= correlation <= 1:
        raise ValueError(f"correlation must be in [0,1], not {correlation}")
    n = float(counts.sum())
    return n / (1 + (float((counts**2).sum()) / n - 1) * correlation)


def few_groups_note(groups: int) -> str:
    """The warning where there are too few groups to know their spread well; else empty."""
    return f"G={groups} groups: their spread is barely known" if groups < MIN_GROUPS else ""
