"""Bootstrap intervals for any metric of the images, and the paired bootstrap of two models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashion_exp.stats.checks import (
    Floats,
    Integers,
    is_binary,
    validate_pair,
    validate_resampling,
)
from fashion_exp.stats.groups import few_groups_note, group_codes
from fashion_exp.stats.interval import Estimand, Interval, point_estimate
from fashion_exp.stats.paired import PairedTest, paired_counts, tango
from fashion_exp.stats.proportions import clopper_pearson

Rows = NDArray[Any]
Statistic = Callable[[Rows], float]

BLOCK_SIZE = 4_000_000  # elements of one block of resampling weights: about 32 MB
NO_VARIANCE = "the same in every resample"


def bootstrap(
    values: ArrayLike,
    statistic: Statistic,
    level: float = 0.95,
    *,
    groups: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The bootstrap interval of any metric of the tested model: BCa, or percentile with `groups`.

    `values` has shape (n,) or (n, …); `statistic` maps a resample of its rows to a number. For a
    metric of several arrays, such as macro-F1, pass `np.arange(n)` and index the arrays inside
    `statistic`. `groups` (n,) labels rows that are not independent: whole groups are resampled;
    fewer than 20 add a warning because the coverage is too low.

    One image or group, or a statistic that is nan in a resample, gives an undefined interval. No
    variance among the resamples gives a degenerate one; if all values are 0 or all are 1, its
    fallback is Clopper-Pearson over the images or groups.

    Source: BCa: Efron 1987, JASA 82:171-185, as in scipy.stats.bootstrap. Groups: Davison & Hinkley
    1997, Bootstrap Methods and their Application, section 3.8; percentiles: Efron & Tibshirani
    1993, An Introduction to the Bootstrap, chapter 13.

    Raises:
        ValueError: there are no values; invalid `groups` (`group_codes`), `resamples` or `level`
            (`validate_resampling`).
    """
    validate_resampling(level, resamples)
    rows: Rows = np.asarray(values)
    if rows.ndim == 0 or len(rows) == 0:
        raise ValueError("no values")
    unit, method = (
        ("images", "bootstrap_bca") if groups is None else ("groups", "cluster_bootstrap")
    )
    codes = group_codes(groups, len(rows))
    count = int(codes.max()) + 1
    value = float(statistic(rows))
    estimate = value if np.isfinite(value) else None
    point = point_estimate(estimate, level, method, Estimand.MODEL, unit, scores=1, n=len(rows))
    if count < 2:
        return point.without_limits(f"needs at least 2 {unit}")
    rng = np.random.default_rng(seed)
    if groups is None:
        low, high, resampled = _bca(rows, statistic, level, resamples, rng)
    else:
        draw = _group_sampler(codes, rng)
        resampled = np.array([statistic(rows[draw()]) for _ in range(resamples)], dtype=np.float64)
    finite = np.isfinite(resampled)
    if estimate is None or not finite.all():
        reason = f"not finite in {int((~finite).sum())} of {resampled.size} resamples"
        return point.without_limits(reason)
    if np.ptp(resampled) <= 1e-12 * float(np.abs(resampled).max()):
        return point.degenerate(NO_VARIANCE, _constant_fallback(rows, count, level))
    if groups is not None:
        return point.with_percentile_limits(resampled).with_warning(few_groups_note(codes))
    if not np.isfinite([low, high]).all():
        return point.without_limits("the BCa correction is not finite")
    return point.with_limits(low, high)


def expanded_tail(level: float, n: int) -> float:
    """The tail whose percentiles, of resampled means of `n` >= 2 values, are as far apart as the
    limits of a t-interval. Percentiles at (1 - level) / 2 are too close for small n.

    Source: the expanded percentile interval, Hesterberg 2015, Am. Stat. 69:371-386.
    """
    from scipy import stats  # takes half a second

    t = stats.t.isf((1 - level) / 2, n - 1)
    return float(stats.norm.sf(t * np.sqrt(n / (n - 1))))


def _bca(
    rows: Rows, statistic: Statistic, level: float, resamples: int, rng: np.random.Generator
) -> tuple[float, float, Floats]:
    """The BCa limits and the resampled statistics (resamples,)."""
    from scipy import stats  # takes half a second

    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            (np.arange(len(rows)),),
            lambda indices: float(statistic(rows[indices])),
            n_resamples=resamples,
            confidence_level=level,
            method="BCa",
            vectorized=False,
            rng=rng,
        )
    limits = result.confidence_interval
    return float(limits.low), float(limits.high), np.asarray(result.bootstrap_distribution)


def _constant_fallback(rows: Rows, units: int, level: float) -> Interval | None:
    """Clopper-Pearson over `units` units if all values are 1 or all are 0; None otherwise."""
    if rows.ndim != 1 or not (rows == rows[0]).all() or rows[0] not in (0, 1):
        return None
    return clopper_pearson(float(units * rows[0]), units, level)


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
    labels images that are resampled together. The claim is about the tested models. p is twice the
    fraction of resampled mean differences on the far side of 0 (including 0), so it agrees with
    the interval and is at least 2 / (resamples + 1). p is 1 if no image differs, and None if the
    difference is the same everywhere or there is only one image or group. Right-or-wrong scores
    without groups fall back on Tango's interval.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 16.

    Raises:
        ValueError: a score is missing or infinite, or the lengths differ; there is not one group
            label per image; `resamples` is below 100; `level` is outside (0, 1).
    """
    validate_resampling(level, resamples)
    a, b = validate_pair(scores_a, scores_b)
    codes = group_codes(groups, a.size)
    sizes = np.bincount(codes)
    unit = "images" if groups is None else "groups"
    mean = float((a - b).mean())
    target = Estimand.MODEL_DIFFERENCE
    point = point_estimate(mean, level, "paired_bootstrap", target, unit, scores=1, n=a.size)
    fallback = None
    if groups is None and is_binary(a) and is_binary(b):
        fallback = tango(*paired_counts(a, b), level)
    if sizes.size < 2:
        return _without_test(point.without_limits(f"needs at least 2 {unit}", fallback))
    sums = np.bincount(codes, weights=a - b).astype(np.float64)
    resampled = _resampled_means(sums, sizes, resamples, seed)
    if np.ptp(resampled) <= 1e-12 * float(np.abs(a - b).max(initial=0.0)):
        return _without_test(point.degenerate(NO_VARIANCE, fallback))
    note = few_groups_note(codes) if groups is not None else ""
    interval = point.with_percentile_limits(resampled).with_warning(note)
    return PairedTest(point.method, _two_sided_p(resampled), None, None, interval, "ok", note)


def _without_test(interval: Interval) -> PairedTest:
    p = 1.0 if interval.status == "degenerate" and interval.estimate == 0 else None
    return PairedTest(interval.method, p, None, None, interval, interval.status, interval.note)


def _two_sided_p(resampled: Floats) -> float:
    smaller_tail = min(int((resampled <= 0).sum()), int((resampled >= 0).sum()))
    return min(2 * (smaller_tail + 1) / (resampled.size + 1), 1.0)


def _resampled_means(sums: Floats, sizes: Integers, resamples: int, seed: int) -> Floats:
    """Means of resamples (resamples,) of groups, given the sum and the size of each group (G,).

    Groups of equal sum and size are drawn together by a multinomial, which is much faster than
    drawing indices: right-or-wrong scores have only three different sums.
    """
    rng = np.random.default_rng(seed)
    unique, multiplicity = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)
    means = []
    for size in block_sizes(resamples, multiplicity.size):
        weights = rng.multinomial(sums.size, multiplicity / sums.size, size=size)
        means.append((weights @ unique[0]) / (weights @ unique[1]))
    resampled: Floats = np.concatenate(means)
    return resampled


def block_sizes(resamples: int, units: int) -> Iterator[int]:
    """Numbers of resamples of at most `BLOCK_SIZE` weights, which bounds the memory."""
    size = max(1, BLOCK_SIZE // units)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def group_weights(codes: Integers, size: int, rng: np.random.Generator) -> Floats:
    """(size, n): how often each of n images is in each resample; groups are drawn whole."""
    count = int(codes.max()) + 1
    counts = rng.multinomial(count, np.full(count, 1 / count), size)
    weights: Floats = counts[:, codes].astype(np.float64)
    return weights


def _group_sampler(codes: Integers, rng: np.random.Generator) -> Callable[[], Integers]:
    """A function that draws G groups with replacement and returns the indices of their rows."""
    order: Integers = np.argsort(codes, kind="stable").astype(np.int64)
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes

    def draw() -> Integers:
        drawn = rng.integers(sizes.size, size=sizes.size)
        lengths = sizes[drawn]
        offsets = starts[drawn] - (np.cumsum(lengths) - lengths)
        rows: Integers = order[np.repeat(offsets, lengths) + np.arange(lengths.sum())]
        return rows

    return draw
