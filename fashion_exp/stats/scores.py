"""Intervals for the mean of a few scores: of folds, splits, seeds, or independent ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fashion_exp.stats.checks import (
    Sizes,
    checked_count,
    checked_scores,
    missing_note,
    size_ratio,
)
from fashion_exp.stats.interval import (
    INDEPENDENT_SCORES,
    RECIPE,
    SHARE,
    Bounds,
    Interval,
    check_level,
    flat,
    instead,
    joined,
    spread,
    student,
    undefined,
)
from fashion_exp.stats.proportions import wilson

MIN_SCORES_SHOWN = 4  # t-intervals over fewer scores are computed, flagged, and not worth a table
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
    """Student's t-interval, mean +- t(J-1) s / sqrt(J), for scores that are independent.

    Covers the mean of the distribution that the J scores were drawn from independently. Scores
    of folds, splits or seeds share images, so over them it covers too little (see `t_naive`,
    `corrected_t_interval` and `crossed_t_interval`). `bounded` metrics lie in [0, 1]. `correct`
    and `n` are the counts behind each score, taken from disjoint test images; if all scores are
    equal, Wilson on the pooled counts becomes the fallback. One score gives an undefined
    interval; with `allow_missing`, nan scores are left out and the note says how many.

    Source: Student 1908, Biometrika 6:1-25.

    Raises:
        ValueError: no scores; scores missing (unless allowed), infinite or, if bounded, outside
            [0, 1]; counts given by halves, of another length or impossible; `level` outside
            (0, 1); a `unit` that is not one of `SCORE_UNITS`, epochs above all.
    """
    check_level(level)
    _check_unit(unit)
    bounds = SHARE if bounded else None
    every = checked_scores(values, bounds, missing=True)
    present = ~np.isnan(every)
    missing = missing_note(present, allowed=allow_missing)
    fallback = _pooled_wilson(correct, n, present, level)
    scores = every[present]
    images = fallback.n if fallback else None
    mean = float(scores.mean())
    blank = undefined(mean, level, "t", INDEPENDENT_SCORES, unit, images, scores.size)
    scale = spread(scores) / math.sqrt(scores.size)
    done = _over_scores(blank, scale, bounds, fallback)
    return replace(done, note=joined(missing, done.note))


def t_naive(
    values: ArrayLike, level: float = 0.95, *, bounded: bool = True, unit: str = "folds"
) -> Interval:
    """`t_interval` over scores that are *not* independent, to reproduce what others report.

    The note always says why it is not to be believed: measured, a nominal 95 % covers 94 % over
    5 folds of a stable learner, but 60 % over 5x2, 53 % over 30 splits, 45 % over 10x10 folds and
    72 % over 5 seeds on one split.

    Source: as `t_interval`; Bengio & Grandvalet 2004, JMLR 5:1089-1105, for why no estimate of
    the variance can be right.

    Raises:
        ValueError: as `t_interval`.
    """
    found = t_interval(values, level, bounded=bounded, unit=unit)
    warning = f"not to be believed: the {unit} share images, so they differ less than they err"
    return replace(found, method="t_naive", note=joined(warning, found.note))


def corrected_t_interval(
    values: ArrayLike,
    n_train: Sizes | None = None,
    n_test: Sizes | None = None,
    level: float = 0.95,
    *,
    bounded: bool = True,
    unit: str = "scores",
) -> Interval:
    """The t-interval for J scores whose training and test images were redrawn from one data set.

    Covers the expected score of the recipe at this training size. Scale s sqrt(1/J +
    n_test/n_train), J - 1 degrees of freedom; `n_train` and `n_test` are the images of each
    score, one number or J of them, and the ratio is that of their sums. One score gives an
    undefined interval, equal scores a degenerate one without fallback (test images may recur, so
    there are no pooled counts: use `wilson` at the mean with the distinct images).

    Source: Nadeau & Bengio 2003, Machine Learning 52:239-281, the corrected resampled t-test;
    for repeated k-fold Bouckaert & Frank 2004, PAKDD, 3-12.

    Raises:
        ValueError: no scores; scores missing, infinite or, if bounded, outside [0, 1]; sizes
            missing, not above 0 or not one or J of them; `level` outside (0, 1); a `unit` that is
            not one of `SCORE_UNITS`, epochs above all.
    """
    check_level(level)
    _check_unit(unit)
    bounds = SHARE if bounded else None
    scores = checked_scores(values, bounds)
    scale = corrected_scale(spread(scores), n_train, n_test, scores.size)
    mean = float(scores.mean())
    blank = undefined(mean, level, "corrected_t", RECIPE, unit, None, scores.size)
    return _over_scores(blank, scale, bounds, None)


def corrected_scale(sd: float, n_train: Sizes | None, n_test: Sizes | None, scores: int) -> float:
    """The standard error sd sqrt(1/J + n_test/n_train) of a mean of J `scores`.

    Source: Nadeau & Bengio 2003, as `corrected_t_interval`.

    Raises:
        ValueError: sizes missing, not above 0 or not one or J of them.
    """
    return sd * math.sqrt(1 / scores + size_ratio(n_train, n_test, scores))


@dataclass(frozen=True)
class EpochSpread:
    """How far the epochs of a run scatter. No interval: it has no level and covers nothing.

    `low` and `high` hold about `share` of epochs like these `epochs` ones.
    """

    mean: float
    low: float
    high: float
    share: float
    epochs: int
    note: str = (
        "a spread of epochs, not a confidence interval: epochs of one run are not independent "
        "measurements, and it does not narrow with more test images"
    )


def epoch_spread(values: ArrayLike, share: float = 0.95) -> EpochSpread:
    """Mean +- t(n-1) SD over the accuracies (n,) of single epochs, cut to [0, 1].

    Reproduces the "95 % ranges" of the paper, which are this and nothing more. The SD is that of
    the epochs themselves (divided by n): with it all eight limits round to the published ones.

    Source: measured on the digitised Figure 5 of the paper; mean +- t SD, without the division
    by sqrt(n) that would make it a t-interval.

    Raises:
        ValueError: fewer than 2 values, missing, infinite or outside [0, 1]; `share` outside
            (0, 1).
    """
    check_level(share)
    scores = checked_scores(values, SHARE)
    if scores.size < 2:
        raise ValueError("a spread needs at least 2 epochs")
    mean = float(scores.mean())
    half = float(stats.t.isf((1 - share) / 2, scores.size - 1)) * float(scores.std())
    return EpochSpread(mean, max(mean - half, 0.0), min(mean + half, 1.0), share, scores.size)


def _check_unit(unit: str) -> None:
    if unit.startswith("epoch"):
        raise ValueError(
            "epochs of one run are not independent measurements (lag-1 autocorrelation up to "
            ".85), so no t-interval holds over them; use wilson on the distinct test images, or "
            "one score per separately trained model"
        )
    if unit not in SCORE_UNITS:
        raise ValueError(f"unit {unit!r} is not one of {', '.join(SCORE_UNITS)}")


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
    used = [(k, m) for k, m, here in zip(correct, n, present, strict=True) if here]
    for k, m in used:
        checked_count(k, m, fractional=False)
    total = sum(k for k, _ in used), sum(m for _, m in used)
    return wilson(*total, level, models=len(used))


def _over_scores(
    blank: Interval, scale: float, bounds: Bounds, fallback: Interval | None
) -> Interval:
    named = "wilson on pooled counts"
    if blank.scores < 2:
        return instead(blank, "needs at least 2 scores", fallback, named)
    if scale == 0:
        remedy = "" if fallback else "for counts use wilson on the distinct test images"
        return flat(blank, joined("no variance among the scores", remedy), fallback, named)
    done = student(blank, scale, blank.scores - 1, bounds)
    if not done.note and blank.scores >= MIN_SCORES_SHOWN:
        return done
    advice = f"k={blank.scores} (df={blank.scores - 1}): use a per-image interval"
    return replace(done, note=joined(done.note, advice))
