"""Intervals by resampling, for any metric of the images, and for the difference of two models."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from fashion_exp.stats.checks import checked_pair
from fashion_exp.stats.groups import few_groups_note, group_codes
from fashion_exp.stats.interval import (
    ONE_MODEL,
    TWO_MODELS,
    Floats,
    Integers,
    Interval,
    check_level,
    flat,
    instead,
    limited,
    undefined,
)
from fashion_exp.stats.paired import PairedTest, paired_counts, tango
from fashion_exp.stats.proportions import clopper_pearson

Rows = NDArray[Any]
Statistic = Callable[[Rows], float]
CELLS = 4_000_000  # of one block of resamples: bounds the memory to some 32 MB

NO_SPREAD = "the same in every resample"


def bootstrap(
    values: ArrayLike,
    statistic: Statistic,
    level: float = 0.95,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The BCa bootstrap interval of any metric of the model tested, for independent images.

    `values` has shape (n,) or (n, …), and `statistic` takes a resample of its rows; for a metric
    of several columns, such as macro-F1, let `values` be `np.arange(n)` and the statistic look
    the rows up. Equal in every resample is degenerate, with Clopper-Pearson as the fallback where
    the values are all right (1) or all wrong (0). One image, or a statistic that is nan in a
    resample, is undefined.

    Source: Efron 1987, JASA 82:171-185, as in scipy.stats.bootstrap.

    Raises:
        ValueError: no values; fewer than 100 resamples; `level` outside (0, 1).
    """
    rows = _checked_rows(values, level, resamples)
    estimate, n = float(statistic(rows)), len(rows)
    blank = undefined(_finite(estimate), level, "bootstrap_bca", ONE_MODEL, "images", n, 1)
    if n < 2:
        return instead(blank, "needs at least 2 images", None, "")
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (np.arange(n),),
            lambda picked: float(statistic(rows[picked])),
            n_resamples=resamples,
            confidence_level=level,
            method="BCa",
            vectorized=False,
            rng=np.random.default_rng(seed),
        )
    drawn: Floats = np.asarray(found.bootstrap_distribution, dtype=np.float64)
    done = _unless_flat(blank, drawn, _all_alike(rows, level))
    if done is not None:
        return done
    low, high = float(found.confidence_interval.low), float(found.confidence_interval.high)
    if not np.isfinite([low, high]).all():
        return instead(blank, "no BCa correction can be computed", None, "")
    return limited(blank, low, high)


def cluster_bootstrap(
    values: ArrayLike,
    groups: ArrayLike,
    statistic: Statistic,
    level: float = 0.95,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The percentile bootstrap interval of any metric, resampling whole groups of images.

    `values` and `statistic` as for `bootstrap`, `groups` (n,) the label of each row's group. One
    group is undefined; fewer than 20 are flagged, as it covers too little with few. Equal in
    every resample is degenerate, with Clopper-Pearson over the groups as the fallback where the
    values are all right or all wrong.

    Source: Davison & Hinkley 1997, Bootstrap Methods and their Application, section 3.8 (whole
    groups, drawn once); Efron & Tibshirani 1993, chapter 13 (percentiles).

    Raises:
        ValueError: as `bootstrap`; not one group per row.
    """
    rows = _checked_rows(values, level, resamples)
    codes = group_codes(groups, len(rows))
    count, n = int(codes.max()) + 1, len(rows)
    estimate = _finite(float(statistic(rows)))
    blank = undefined(estimate, level, "cluster_bootstrap", ONE_MODEL, "groups", n, 1)
    if count < 2:
        return instead(blank, "needs at least 2 groups", None, "")
    draw = _group_drawer(codes, np.random.default_rng(seed))
    drawn = np.array([statistic(rows[draw()]) for _ in range(resamples)], dtype=np.float64)
    one_each = rows[:count]  # where all rows are alike, as many of them as there are groups
    done = _unless_flat(blank, drawn, _all_alike(one_each, level))
    if done is not None:
        return done
    tails = (1 - level) / 2, (1 + level) / 2
    low, high = (float(limit) for limit in np.quantile(drawn, tails))
    return replace(limited(blank, low, high), note=few_groups_note(count))


def paired_bootstrap(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    level: float = 0.95,
    *,
    groups: ArrayLike | None = None,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """The paired bootstrap test of two models on the same images, with its percentile interval.

    `scores_a` and `scores_b` (n,) are any scores that are averaged over images; `groups` (n,)
    labels images that are resampled together. About the models tested. p is twice the share of
    resamples at 0 or on its other side, as the interval has it, and never below 2 / (resamples +
    1). No difference anywhere gives p = 1; the same difference everywhere, or one image or group,
    no p. The fallback of right-or-wrong scores without groups is Tango's interval.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 16.

    Raises:
        ValueError: scores missing, infinite or of unequal lengths; not one group per image; fewer
            than 100 resamples; `level` outside (0, 1).
    """
    _check(level, resamples)
    a, b = checked_pair(scores_a, scores_b)
    codes = group_codes(groups, a.size)
    sizes = np.bincount(codes)
    unit = "images" if groups is None else "groups"
    mean = float((a - b).mean())
    blank = undefined(mean, level, "paired_bootstrap", TWO_MODELS, unit, a.size, 1)
    fallback = _answers_tango(a, b, level) if groups is None else None
    if sizes.size < 2:
        return _untested(instead(blank, f"needs at least 2 {unit}", fallback, "tango"))
    drawn = _resampled_means(_sums(a - b, codes), sizes, resamples, seed)
    if np.ptp(drawn) <= 1e-12 * float(np.abs(a - b).max(initial=0.0)):
        return _untested(flat(blank, NO_SPREAD, fallback, "tango"))
    tails = (1 - level) / 2, (1 + level) / 2
    low, high = (float(limit) for limit in np.quantile(drawn, tails))
    few = few_groups_note(sizes.size) if groups is not None else ""
    interval = replace(limited(blank, low, high), note=few)
    return PairedTest(blank.method, _two_sided(drawn), None, None, interval, "ok", few)


def _untested(interval: Interval) -> PairedTest:
    same = interval.status == "degenerate" and interval.estimate == 0
    p = 1.0 if same else None
    return PairedTest(interval.method, p, None, None, interval, interval.status, interval.note)


def _two_sided(drawn: Floats) -> float:
    fewer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(2 * (fewer + 1) / (drawn.size + 1), 1.0)


def _answers_tango(a: Floats, b: Floats, level: float) -> Interval | None:
    if not (np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all()):
        return None
    return tango(*paired_counts(a, b), level)


def _resampled_means(sums: Floats, sizes: Integers, resamples: int, seed: int) -> Floats:
    """Means of resamples of groups given by their sums and sizes, shape (resamples,)."""
    rng = np.random.default_rng(seed)
    alike, how_often = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)
    means = []
    for block in _blocks(resamples, how_often.size):
        weights = rng.multinomial(sums.size, how_often / sums.size, size=block)
        means.append((weights @ alike[0]) / (weights @ alike[1]))
    drawn: Floats = np.concatenate(means)
    return drawn


def _sums(values: Floats, codes: Integers) -> Floats:
    return np.bincount(codes, weights=values).astype(np.float64)


def _blocks(resamples: int, units: int) -> list[int]:
    size = max(1, min(resamples, CELLS // units))
    whole, rest = divmod(resamples, size)
    return [size] * whole + ([rest] if rest else [])


def _group_drawer(codes: Integers, rng: np.random.Generator) -> Callable[[], Integers]:
    """A function that gives the rows of as many groups, drawn with replacement, as there are."""
    order: Integers = np.argsort(codes, kind="stable").astype(np.int64)
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes

    def draw() -> Integers:
        picked = rng.integers(sizes.size, size=sizes.size)
        lengths = sizes[picked]
        offsets = starts[picked] - (np.cumsum(lengths) - lengths)
        rows: Integers = order[np.repeat(offsets, lengths) + np.arange(lengths.sum())]
        return rows

    return draw


def _checked_rows(values: ArrayLike, level: float, resamples: int) -> Rows:
    _check(level, resamples)
    rows: Rows = np.asarray(values)
    if rows.ndim == 0 or len(rows) == 0:
        raise ValueError("no values")
    return rows


def _check(level: float, resamples: int) -> None:
    check_level(level)
    if resamples < 100:
        raise ValueError(f"resamples is {resamples}: fewer than 100 show no tails")


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _unless_flat(blank: Interval, drawn: Floats, fallback: Interval | None) -> Interval | None:
    """The answer where the resamples allow no limits; None where they do."""
    if blank.estimate is None or not np.isfinite(drawn).all():
        missing = int((~np.isfinite(drawn)).sum())
        return instead(blank, f"not finite in {missing} of {drawn.size} resamples", None, "")
    if np.ptp(drawn) > 1e-12 * float(np.abs(drawn).max()):
        return None
    return flat(blank, NO_SPREAD, fallback, "clopper_pearson")


def _all_alike(rows: Rows, level: float) -> Interval | None:
    """Clopper-Pearson for right-or-wrong answers that are all the same; None for others."""
    if rows.ndim != 1 or not ((rows == rows[0]).all() and rows[0] in (0, 1)):
        return None
    return clopper_pearson(float(rows.sum()), len(rows), level)
