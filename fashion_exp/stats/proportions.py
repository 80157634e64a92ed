"""Intervals for the share of images that are right."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fashion_exp.stats.checks import checked_count, checked_scores
from fashion_exp.stats.groups import (
    clustered_mean,
    few_groups_note,
    group_codes,
    kish_effective_size,
)
from fashion_exp.stats.interval import (
    MODELS_TESTED,
    ONE_MODEL,
    SHARE,
    Interval,
    check_level,
    joined,
    limited,
    undefined,
)


def wilson(
    correct: float, n: float, level: float = 0.95, *, fractional: bool = False, models: int = 1
) -> Interval:
    """Wilson's score interval for an accuracy over `n` distinct test images.

    Covers the true accuracy of the model tested; with `models` > 1, where `correct` is the mean
    accuracy times `n` or the right answers pooled over folds, the mean true accuracy of those
    models. `fractional=True` admits counts that are no whole numbers: a mean over models, or
    counts divided by a design effect. `n` = 0 gives an undefined interval.

    Source: Wilson 1927, JASA 22:209-212, in the form of Newcombe 1998, Stat. Med. 17:857-872,
    method 3: (2np + z^2 -+ z sqrt(z^2 + 4npq)) / (2(n + z^2)), rearranged without cancellation
    so that the limits are exactly 0 and 1 where none and all are right.

    Raises:
        ValueError: counts negative, not finite, above `n`, or fractional unless allowed; `level`
            outside (0, 1); `models` below 1.
    """
    check_level(level)
    correct = checked_count(correct, n, fractional=fractional)
    blank = _no_count(correct, n, level, "wilson", models)
    if n == 0:
        return blank
    z = float(stats.norm.isf((1 - level) / 2))
    return limited(
        blank, _wilson_lower(correct, n - correct, z), 1 - _wilson_lower(n - correct, correct, z)
    )


def wilson_grouped(
    correct: ArrayLike, groups: ArrayLike, level: float = 0.95, *, models: int = 1
) -> Interval:
    """Wilson's interval for images that come in groups, with n / max(1, design effect) images.

    `correct` and `groups` have shape (n,): per image right (1) or wrong (0), or the share of the
    models that were right, and the label of its group. Covers what `wilson` does; the note names
    the design effect. Where no image differs from the others the design effect cannot be
    estimated, and groups count as if their images were all alike (conservative). One group gives
    an undefined interval; fewer than 20 are flagged.

    Source: `wilson` and `design_effect`; the use of an effective size as in Korn & Graubard 1998,
    Survey Methodology 24:193-201.

    Raises:
        ValueError: as `design_effect`; `level` outside (0, 1); `models` below 1.
    """
    check_level(level)
    scores = checked_scores(correct, SHARE)
    codes = group_codes(groups, scores.size)
    sizes = np.bincount(codes)
    mean = float(scores.mean())
    blank = _no_count(mean * scores.size, scores.size, level, "wilson_grouped", models)
    if sizes.size < 2:
        return replace(blank, note="needs at least 2 groups")
    effect = design_effect(scores, groups)
    if effect is None:
        size = kish_effective_size(sizes, 1.0)
        note = f"no spread to estimate a design effect from: counted as {size:.1f} images"
    else:
        size = scores.size / max(1.0, effect)
        note = f"design effect {effect:.2f} of {sizes.size} groups"
    found = wilson(mean * size, size, level, fractional=True, models=models)
    return replace(found, method=blank.method, note=joined(note, few_groups_note(sizes.size)))


def design_effect(correct: ArrayLike, groups: ArrayLike) -> float | None:
    """How many times larger the variance of the accuracy is than for independent images.

    `correct` (n,) in [0, 1] and `groups` (n,) as for `wilson_grouped`. The cluster-robust (CR1)
    variance of the mean over the binomial one, p (1 - p) / n; None where that is 0 or there is
    one group only.

    Source: Liang & Zeger 1986, Biometrika 73:13-22; the ratio is Kish's (Survey Sampling, 1965).

    Raises:
        ValueError: no images; scores missing or outside [0, 1]; not one group per image.
    """
    scores = checked_scores(correct, SHARE)
    codes = group_codes(groups, scores.size)
    p = float(scores.mean())
    if p in (0, 1) or codes.max() == 0:
        return None
    return clustered_mean(scores, codes).se ** 2 / (p * (1 - p) / scores.size)


def clopper_pearson(correct: float, n: float, level: float = 0.95) -> Interval:
    """Clopper-Pearson's interval for the true accuracy of the model tested.

    Guaranteed to cover at least `level`, hence wider than Wilson's. `n` = 0 gives an undefined
    interval.

    Source: Clopper & Pearson 1934, Biometrika 26:404-413, as beta quantiles.

    Raises:
        ValueError: counts negative, not finite, above `n`, or no whole numbers (the guarantee
            does not hold for means); `level` outside (0, 1).
    """
    check_level(level)
    correct = checked_count(correct, n, fractional=False)
    blank = _no_count(correct, n, level, "clopper_pearson", 1)
    if n == 0:
        return blank
    tail = (1 - level) / 2
    return limited(blank, _beta_lower(correct, n, tail), 1 - _beta_lower(n - correct, n, tail))


def clopper_pearson_lower(correct: float, n: float, level: float = 0.95) -> Interval:
    """The one-sided Clopper-Pearson bound, for "at least 95 % with 95 % confidence".

    Returns an interval from the bound to exactly 1: the true accuracy of the model tested lies
    above `low` with at least `level` confidence. With no error it is (1 - level)^(1/n). `n` = 0
    gives an undefined interval.

    Source: Clopper & Pearson 1934, Biometrika 26:404-413; without errors the success-run bound
    of Wilks 1941, Ann. Math. Stat. 12:91-96.

    Raises:
        ValueError: as `clopper_pearson`.
    """
    check_level(level)
    correct = checked_count(correct, n, fractional=False)
    blank = _no_count(correct, n, level, "clopper_pearson_lower", 1)
    return blank if n == 0 else limited(blank, _beta_lower(correct, n, 1 - level), 1.0)


def _no_count(correct: float, n: float, level: float, method: str, models: int) -> Interval:
    if models < 1:
        raise ValueError(f"models is {models}, not at least 1")
    target = ONE_MODEL if models == 1 else MODELS_TESTED
    estimate = correct / n if n else None
    return undefined(estimate, level, method, target, "images", n, models, "no images")


def _wilson_lower(hits: float, misses: float, z: float) -> float:
    n = hits + misses
    return 2 * hits * (hits / n) / (2 * hits + z * z + z * math.sqrt(z * z + 4 * hits * misses / n))


def _beta_lower(hits: float, n: float, tail: float) -> float:
    return float(stats.beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
