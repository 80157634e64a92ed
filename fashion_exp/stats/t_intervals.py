"""t-intervals for the mean of a few scores: of folds, splits, seeds or independent runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fashion_exp.stats.checks import (
    PROPORTION_BOUNDS,
    Bounds,
    Sizes,
    size_ratio,
    validate_count,
    validate_fraction,
    validate_scores,
)
from fashion_exp.stats.interval import (
    MIN_RELIABLE_SCORES,
    NO_VARIANCE,
    NO_VARIANCE_REMEDY,
    Estimand,
    Interval,
    point_estimate,
    sample_sd,
)
from fashion_exp.stats.proportions import wilson

SCORE_UNITS = ("scores", "folds", "splits", "seeds")


def t_interval(
    values: ArrayLike,
    level: float = 0.95,
    *,
    bounded: bool = True,
    correct: Sequence[float] | None = None,
    n: Sequence[float] | None = None,
    allow_missing: bool = False,
    unit: str = "scores",
) -> Interval:
    """Student's t-interval, mean +- t(J-1) s / sqrt(J), for J independent scores (J,).

    Estimand: the mean of the distribution of the scores. Scores of folds, splits or seeds share
    images, so this interval is too narrow for them; see `corrected_t_interval` and
    `crossed_t_interval`. `bounded` metrics lie in [0, 1]. `correct` and `n` are the counts of each
    score on disjoint test images; if all scores are equal, Wilson on the pooled counts is the
    fallback. One score gives an undefined interval. With `allow_missing`, nan scores are left out
    and counted in the note.

    Source: Student 1908, Biometrika 6:1-25.

    Raises:
        ValueError: invalid scores (`validate_scores`); only one of `correct` and `n` is given, or
            their length or a count is wrong; `level` is outside (0, 1); `unit` is not one of
            `SCORE_UNITS`.
    """
    _validate_unit(unit)
    bounds = PROPORTION_BOUNDS if bounded else None
    all_scores = validate_scores(values, bounds, allow_missing=allow_missing)
    present = ~np.isnan(all_scores)
    scores = all_scores[present]
    fallback = _pooled_wilson(correct, n, present, level)
    mean, images = float(scores.mean()), fallback.n if fallback else None
    target = Estimand.SCORE_DISTRIBUTION
    point = point_estimate(mean, level, "t", target, unit, scores=scores.size, n=images)
    se = sample_sd(scores) / math.sqrt(scores.size)
    interval = _mean_interval(point, se, bounds, fallback)
    missing = all_scores.size - scores.size
    warning = f"{missing} of {all_scores.size} scores missing: k={scores.size}" if missing else ""
    return interval.with_warning(warning)


def t_naive(
    values: ArrayLike, level: float = 0.95, *, bounded: bool = True, unit: str = "folds"
) -> Interval:
    """`t_interval` over scores (J,) that are not independent, to reproduce published intervals.

    The note always warns. Measured coverage at nominal 95 %: 94 % over 5 folds of a stable
    learner, but 60 % over 5x2 folds, 53 % over 30 splits, 45 % over 10x10 folds and 72 % over 5
    seeds on one split.

    Source: as `t_interval`; Bengio & Grandvalet 2004, JMLR 5:1089-1105, prove that k-fold
    cross-validation has no unbiased variance estimator.

    Raises:
        ValueError: as `t_interval`.
    """
    interval = t_interval(values, level, bounded=bounded, unit=unit)
    warning = f"too narrow: the {unit} share images, so their spread underestimates the error"
    return replace(interval, method="t_naive").with_warning(warning)


def corrected_t_interval(
    values: ArrayLike,
    n_train: Sizes | None = None,
    n_test: Sizes | None = None,
    level: float = 0.95,
    *,
    bounded: bool = True,
    unit: str = "scores",
) -> Interval:
    """The corrected resampled t-interval for scores (J,) of splits or folds of one data set.

    Estimand: the expected score of the recipe at this training size. The standard error is that of
    `corrected_se`, with J - 1 degrees of freedom. `n_train` and `n_test` are the numbers of images
    of each score, either one number or J numbers. One score gives an undefined interval. Equal
    scores give a degenerate one without a fallback (test images may recur, so no counts can be
    pooled: use `wilson` at the mean with the number of distinct images).

    Source: Nadeau & Bengio 2003, Machine Learning 52:239-281; for repeated k-fold Bouckaert &
    Frank 2004, PAKDD, 3-12.

    Raises:
        ValueError: invalid scores (`validate_scores`) or sizes (`size_ratio`); `level` is outside
            (0, 1); `unit` is not one of `SCORE_UNITS`.
    """
    _validate_unit(unit)
    bounds = PROPORTION_BOUNDS if bounded else None
    scores = validate_scores(values, bounds)
    se = corrected_se(sample_sd(scores), n_train, n_test, scores.size)
    mean = float(scores.mean())
    point = point_estimate(mean, level, "corrected_t", Estimand.RECIPE, unit, scores=scores.size)
    return _mean_interval(point, se, bounds, None)


def corrected_se(sd: float, n_train: Sizes | None, n_test: Sizes | None, scores: int) -> float:
    """Standard error sd * sqrt(1/J + n_test/n_train) of the mean of J = `scores` scores.

    Source: Nadeau & Bengio 2003, as `corrected_t_interval`.

    Raises:
        ValueError: as `size_ratio`.
    """
    return sd * math.sqrt(1 / scores + size_ratio(n_train, n_test, scores))


class EpochSpread(NamedTuple):
    """The range that holds about `share` of the per-epoch accuracies of a run."""

    mean: float
    low: float
    high: float
    share: float
    epochs: int


def epoch_spread(values: ArrayLike, share: float = 0.95) -> EpochSpread:
    """Mean +- t(n-1) * SD over per-epoch accuracies (n,), clipped to [0, 1].

    It reproduces the "95 % ranges" of the paper and is no confidence interval: epochs of one run
    are not independent measurements, and more test images do not narrow it. The SD divides by n,
    not n - 1: with it all eight limits round to the published ones.

    Source: fitted to the digitized Figure 5 of the paper. A t-interval would divide the SD by
    sqrt(n).

    Raises:
        ValueError: invalid scores (`validate_scores`); fewer than 2; `share` outside (0, 1).
    """
    validate_fraction(share, "share")
    scores = validate_scores(values, PROPORTION_BOUNDS)
    if scores.size < 2:
        raise ValueError("a spread needs at least 2 epochs")
    mean = float(scores.mean())
    half = float(stats.t.isf((1 - share) / 2, scores.size - 1)) * float(scores.std())
    return EpochSpread(mean, max(mean - half, 0.0), min(mean + half, 1.0), share, scores.size)


def _validate_unit(unit: str) -> None:
    if unit.startswith("epoch"):
        raise ValueError(
            "epochs of one run are not independent measurements (lag-1 autocorrelation up to "
            ".85), so no t-interval holds for them; use wilson on the distinct test images, or one "
            "score per separately trained model"
        )
    if unit not in SCORE_UNITS:
        raise ValueError(f"unit must be one of {', '.join(SCORE_UNITS)}, not {unit!r}")


def _pooled_wilson(
    correct: Sequence[float] | None,
    n: Sequence[float] | None,
    present: NDArray[np.bool_],
    level: float,
) -> Interval | None:
    if correct is None and n is None:
        return None
    if correct is None or n is None or not len(correct) == len(n) == present.size:
        raise ValueError("correct and n must both be given, with one count per score")
    counts = [(k, m) for k, m, used in zip(correct, n, present, strict=True) if used]
    for k, m in counts:
        validate_count(k, m, fractional=False)
    total_correct, total = (sum(column) for column in zip(*counts, strict=True))
    return wilson(total_correct, total, level, models=len(counts))


def _mean_interval(
    point: Interval, se: float, bounds: Bounds, fallback: Interval | None
) -> Interval:
    fallback_name = "wilson on pooled counts"
    if point.scores < 2:
        return point.without_limits("needs at least 2 scores", fallback, fallback_name)
    if se == 0:
        reason = NO_VARIANCE if fallback else NO_VARIANCE_REMEDY
        return point.degenerate(reason, fallback, fallback_name)
    interval = point.with_t_limits(se, point.scores - 1, bounds)
    if not interval.note and point.scores >= MIN_RELIABLE_SCORES:
        return interval
    advice = f"k={point.scores} (df={point.scores - 1}): use a per-image interval"
    return interval.with_warning(advice)
