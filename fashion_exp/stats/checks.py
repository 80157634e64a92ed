"""Input validation: a function returns the validated value or raises ValueError."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bounds = tuple[float, float] | None
Sizes = float | Sequence[float] | Floats

PROPORTION_BOUNDS: Bounds = (0.0, 1.0)
DIFFERENCE_BOUNDS: Bounds = (-1.0, 1.0)
ROUNDING = 1e-9  # an average may exceed its bound by floating-point error
MIN_RESAMPLES = 100


def validate_fraction(value: float, name: str) -> None:
    """Raises ValueError unless 0 < value < 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must be in (0,1), not {value}")


def validate_minimum(value: float, minimum: float, name: str) -> None:
    """Raises ValueError if value < minimum."""
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, not {value}")


def validate_resampling(level: float, resamples: int) -> None:
    """Raises ValueError for a level outside (0, 1) or fewer than 100 resamples."""
    validate_fraction(level, "level")
    validate_minimum(resamples, MIN_RESAMPLES, "resamples")


def validate_count(correct: float, n: float, *, fractional: bool) -> float:
    """The number of correct images, clipped to `n`.

    Raises:
        ValueError: a count is negative, not finite, above `n`, or fractional unless allowed.
    """
    if not (math.isfinite(correct) and math.isfinite(n)) or correct < 0 or n < 0:
        raise ValueError(f"counts must be finite and not negative: {correct} of {n}")
    if not fractional and (correct % 1 or n % 1):
        raise ValueError(
            f"counts must be whole numbers, not {correct} of {n}; "
            "for fractional counts use wilson with fractional=True"
        )
    if correct > n * (1 + ROUNDING):
        raise ValueError(f"more correct images than images: {correct} of {n}")
    return min(correct, n)


def validate_scores(values: ArrayLike, bounds: Bounds, *, allow_missing: bool = False) -> Floats:
    """Scores of shape (n,), n >= 1, clipped to `bounds`; nan stays if `allow_missing`.

    Raises:
        ValueError: the shape is wrong, there is no score, or a score is missing, infinite or
            outside `bounds`.
    """
    scores: Floats = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise ValueError(f"scores must have one dimension, not shape {scores.shape}")
    missing = int(np.isnan(scores).sum())
    description = f"{missing} of {scores.size} scores missing"
    if missing and not allow_missing:
        raise ValueError(f"incomplete: {description}; no interval unless allow_missing=True")
    if missing and missing == scores.size:
        raise ValueError(f"no scores: {description}")
    return _validate_values(scores, bounds)


def validate_matrix(values: ArrayLike, bounds: Bounds) -> Floats:
    """Scores of shape (models, images), clipped to `bounds`.

    Raises:
        ValueError: the shape is wrong, the matrix is empty, or a score is missing, infinite or
            outside `bounds`.
    """
    scores: Floats = np.asarray(values, dtype=np.float64)
    if scores.ndim != 2:
        raise ValueError(f"scores must have shape (models, images), not {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError("incomplete: every model needs a score for every image")
    return _validate_values(scores, bounds)


def validate_pair(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Scores of two models for the same images, both of shape (n,).

    Raises:
        ValueError: as `validate_scores`; the lengths differ.
    """
    first, second = validate_scores(a, None), validate_scores(b, None)
    if first.size != second.size:
        raise ValueError(
            f"{first.size} scores of a but {second.size} of b: join the predictions by image id; "
            "never align by position"
        )
    return first, second


def is_binary(scores: Floats) -> bool:
    """Whether all scores are 0 or 1."""
    return bool(((scores == 0) | (scores == 1)).all())


def size_ratio(n_train: Sizes | None, n_test: Sizes | None, scores: int) -> float:
    """sum(n_test) / sum(n_train) over J = `scores` scores; a scalar size holds for all of them.

    Raises:
        ValueError: a size is missing or not above 0, or there are neither 1 nor J sizes.
    """
    if n_train is None or n_test is None:
        raise ValueError("n_train and n_test are required: the correction is their ratio")
    return _total(n_test, scores, "n_test") / _total(n_train, scores, "n_train")


def _validate_values(scores: Floats, bounds: Bounds) -> Floats:
    if scores.size == 0:
        raise ValueError("no scores")
    if np.isinf(scores).any():
        raise ValueError("a score is infinite")
    if bounds is None:
        return scores
    low, high = bounds
    if ((scores < low - ROUNDING) | (scores > high + ROUNDING)).any():
        raise ValueError(
            f"a score is outside [{low:g},{high:g}]; set bounded=False for an unbounded metric"
        )
    return np.clip(scores, low, high)


def _total(sizes: Sizes, scores: int, name: str) -> float:
    array: Floats = np.asarray(sizes, dtype=np.float64)
    if array.ndim == 0:
        array = np.full(scores, array)
    if array.shape != (scores,):
        raise ValueError(f"{name} must be one number or {scores}, not of shape {array.shape}")
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(f"{name} must be above 0 for every score")
    return float(array.sum())
