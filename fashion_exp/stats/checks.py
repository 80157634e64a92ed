"""What scores, counts and sizes must be before anything is computed from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashion_exp.stats.interval import Bounds, Floats

Sizes = float | Sequence[float] | Floats

ROUNDING = 1e-9  # an average may pass its bound by rounding, never by more


def checked_count(correct: float, n: float, *, fractional: bool) -> float:
    """The count, cut to `n`.

    Raises:
        ValueError: counts negative, not finite, above `n`, or fractional unless allowed.
    """
    if not (math.isfinite(correct) and math.isfinite(n)) or correct < 0 or n < 0:
        raise ValueError(f"counts must be finite and not negative: {correct} of {n}")
    if not fractional and (correct % 1 or n % 1):
        raise ValueError(f"fractional counts, {correct} of {n}, need wilson with fractional=True")
    if correct > n * (1 + ROUNDING):
        raise ValueError(f"more correct than images: {correct} of {n}")
    return min(correct, n)


def checked_scores(values: ArrayLike, bounds: Bounds, *, missing: bool = False) -> Floats:
    """A row of at least one score, shape (n,), cut to `bounds`; nan only where `missing`.

    Raises:
        ValueError: another shape, no scores, scores missing, infinite or outside `bounds`.
    """
    scores: Floats = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise ValueError(f"scores must be one row of numbers, not of shape {scores.shape}")
    if not missing:
        missing_note(~np.isnan(scores), allowed=False)
    return _checked_values(scores, bounds)


def checked_matrix(values: ArrayLike, bounds: Bounds) -> Floats:
    """Scores of every model for every image, shape (models, images), cut to `bounds`.

    Raises:
        ValueError: another shape, empty, scores missing, infinite or outside `bounds`.
    """
    scores: Floats = np.asarray(values, dtype=np.float64)
    if scores.ndim != 2:
        raise ValueError(f"scores must be (models, images), not of shape {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError("incomplete: every model needs a score for every image")
    return _checked_values(scores, bounds)


def checked_pair(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """The scores of two models for the same images, both of shape (n,).

    Raises:
        ValueError: as `checked_scores`, or unequal lengths.
    """
    first, second = checked_scores(a, None), checked_scores(b, None)
    if first.size != second.size:
        raise ValueError(
            f"{first.size} scores against {second.size}: join the predictions by image id; "
            "never align by position"
        )
    return first, second


def missing_note(present: NDArray[np.bool_], *, allowed: bool) -> str:
    """How many scores are missing, in words; empty where none is.

    Raises:
        ValueError: some are missing and that is not `allowed`, or all are.
    """
    missing = int((~present).sum())
    if not missing:
        return ""
    what = f"{missing} of {present.size} scores missing"
    if not allowed:
        raise ValueError(f"incomplete: {what}; no interval unless allow_missing=True")
    if missing == present.size:
        raise ValueError(f"no scores: {what}")
    return f"{what}: k={present.size - missing}"


def size_ratio(n_train: Sizes | None, n_test: Sizes | None, scores: int) -> float:
    """Test images over training images, each summed over the scores.

    Raises:
        ValueError: sizes missing, not above 0, or not one number or `scores` of them.
    """
    if n_train is None or n_test is None:
        raise ValueError("n_train and n_test are required: the correction is their ratio")
    return _total(n_test, scores, "n_test") / _total(n_train, scores, "n_train")


def _checked_values(scores: Floats, bounds: Bounds) -> Floats:
    if scores.size == 0:
        raise ValueError("no scores")
    if np.isinf(scores).any():
        raise ValueError("a score is infinite")
    if bounds is None:
        return scores
    low, high = bounds
    if ((scores < low - ROUNDING) | (scores > high + ROUNDING)).any():
        raise ValueError(
            f"a score lies outside [{low:g},{high:g}]; bounded=False for metrics that may"
        )
    return np.clip(scores, low, high)


def _total(sizes: Sizes, scores: int, name: str) -> float:
    given: Floats = np.asarray(sizes, dtype=np.float64)
    if given.ndim == 0:
        given = np.full(scores, given)
    if given.shape != (scores,):
        raise ValueError(f"{name} must be one number or {scores}, not of shape {given.shape}")
    if not (np.isfinite(given).all() and (given > 0).all()):
        raise ValueError(f"{name} must be above 0 for every score")
    return float(given.sum())
