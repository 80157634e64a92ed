"""Tests of two runs by Student's t, where McNemar's does not hold: the design says which.

Images in groups: `paired_grouped`. Splits or folds that were redrawn: `paired_corrected_t` and,
as a posterior, `bayesian_correlated_t`. 5x2 cross-validation: `five_by_two`. Several seeds on one
split: `paired_crossed`. All take differences a - b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from fashion_exp.stats.checks import Sizes, checked_matrix, checked_scores
from fashion_exp.stats.groups import (
    clustered_mean,
    few_groups_note,
    group_codes,
    kish_effective_size,
)
from fashion_exp.stats.interval import (
    DIFFERENCE,
    PAIRS_TESTED,
    TWO_MODELS,
    TWO_RECIPES,
    Bounds,
    Floats,
    Interval,
    Status,
    check_level,
    flat,
    instead,
    joined,
    spread,
    student,
    undefined,
)
from fashion_exp.stats.paired import PairedTest, tango
from fashion_exp.stats.scores import MIN_SCORES_SHOWN, corrected_scale

NO_DIFFERENCE = "no difference anywhere"
CERTAIN = "the same difference everywhere: no variance to test it by"
ONE_DIFFERENCE = "needs at least 2 scores"


def paired_grouped(
    differences: ArrayLike,
    groups: ArrayLike,
    level: float = 0.95,
    *,
    bounded: bool = True,
    models: int = 1,
) -> PairedTest:
    """The cluster-robust t-test of two models on images that come in groups.

    `differences` (n,) a - b per image (in [-1, 1] if `bounded`) and the label of each image's
    group; `models` > 1 where out-of-fold predictions of so many pairs of models are pooled. About
    the models tested. G - 1 degrees of freedom; equal to the paired t-test where every image is
    its own group. One group is undefined; fewer than 20 are flagged. Where no image differs p is
    1 and the fallback is Tango's interval, groups counted as if their images were all alike.

    Source: Liang & Zeger 1986, Biometrika 73:13-22, with G / (G - 1); degrees of freedom as in
    Cameron & Miller 2015, J. Human Resources 50:317-372, section VI.

    Raises:
        ValueError: no differences, missing, infinite or, if bounded, outside [-1, 1]; not one
            group per image; `level` outside (0, 1).
    """
    check_level(level)
    bounds = DIFFERENCE if bounded else None
    scores = checked_scores(differences, bounds)
    codes = group_codes(groups, scores.size)
    mean, n = float(scores.mean()), scores.size
    target = TWO_MODELS if models == 1 else PAIRS_TESTED
    blank = undefined(mean, level, "paired_grouped_t", target, "groups", n, models)
    if codes.max() == 0:
        return untested(blank, "needs at least 2 groups", None)
    found = clustered_mean(scores, codes)
    fallback = None
    if bounded and not scores.any():
        alike = kish_effective_size(np.bincount(codes), 1.0)
        fallback = tango(alike, 0, 0, 0, level, models=models)
    note = few_groups_note(found.groups)
    return t_test(blank, found.se, found.groups - 1, bounds, fallback, note)


def paired_corrected_t(
    differences: ArrayLike,
    n_train: Sizes | None = None,
    n_test: Sizes | None = None,
    level: float = 0.95,
    *,
    bounded: bool = True,
    unit: str = "splits",
) -> PairedTest:
    """The corrected resampled t-test of two recipes on J splits or folds of one data set.

    `differences` (J,) a - b of the scores on the same test images. About the recipes at this
    training size. J - 1 degrees of freedom; one difference is undefined, fewer than 4 flagged.

    Source: Nadeau & Bengio 2003, Machine Learning 52:239-281; for repeated k-fold Bouckaert &
    Frank 2004, PAKDD, 3-12.

    Raises:
        ValueError: no differences, missing, infinite or, if bounded, outside [-1, 1]; sizes
            missing, not above 0 or not one or J of them; `level` outside (0, 1).
    """
    check_level(level)
    bounds = DIFFERENCE if bounded else None
    scores = checked_scores(differences, bounds)
    count = scores.size
    scale = corrected_scale(spread(scores), n_train, n_test, count)
    mean = float(scores.mean())
    blank = undefined(mean, level, "paired_corrected_t", TWO_RECIPES, unit, None, count)
    if count < 2:
        return untested(blank, ONE_DIFFERENCE, None)
    few = f"J={count} differences: their variance is barely known"
    return t_test(blank, scale, count - 1, bounds, None, few if count < MIN_SCORES_SHOWN else "")


@dataclass(frozen=True)
class RopePosterior:
    """The probabilities that a is worse than b, practically equal, and better, adding to 1.

    `rope` is the half-width of what counts as equal. None where `status` is `undefined`;
    `degenerate` where no variance puts all of the probability on one of the three.
    """

    worse: float | None
    equal: float | None
    better: float | None
    rope: float
    scores: int
    status: Status
    note: str = ""


def bayesian_correlated_t(
    differences: ArrayLike, n_train: Sizes, n_test: Sizes, rope: float = 0.01
) -> RopePosterior:
    """The posterior of the difference of two recipes, from J differences a - b of one data set.

    Student's t with J - 1 degrees of freedom around the mean, scaled as in
    `corrected_t_interval`; `rope` in the unit of the metric (0.01 is one point of accuracy).

    Source: Benavoli, Corani, Demsar & Zaffalon 2017, JMLR 18(77):1-36, section 4; correlation
    n_test / (n_train + n_test).

    Raises:
        ValueError: as `paired_corrected_t` unbounded; `rope` negative or not finite.
    """
    scores = checked_scores(differences, None)
    if not (rope >= 0 and math.isfinite(rope)):
        raise ValueError(f"rope must be 0 or more, not {rope}")
    scale = corrected_scale(spread(scores), n_train, n_test, scores.size)
    if scores.size < 2:
        return RopePosterior(None, None, None, rope, scores.size, "undefined", ONE_DIFFERENCE)
    mean = float(scores.mean())
    if scale == 0:
        shares = float(mean < -rope), float(abs(mean) <= rope), float(mean > rope)
        return RopePosterior(*shares, rope, scores.size, "degenerate", CERTAIN)
    posterior = stats.t(scores.size - 1, loc=mean, scale=scale)
    worse, better = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    return RopePosterior(worse, max(1 - worse - better, 0.0), better, rope, scores.size, "ok")


def five_by_two(
    differences: ArrayLike, level: float = 0.95, *, variant: Literal["F", "t"] = "F"
) -> PairedTest:
    """The 5x2cv test of two recipes: Alpaydin's F, or Dietterich's t.

    `differences` (5, 2) of a - b: replications by folds. The t rests on the very first
    difference, so the order of replications must be the one they were drawn in; the F does not.
    The interval of both is t(5) around the mean of all ten with Dietterich's scale (conservative:
    measured coverage .98-1.00). About the recipes at half of the images. No difference at all
    gives p = 1, no variance within any replication p = 0 and a warning; both are degenerate.

    Source: Alpaydin 1999, Neural Computation 11:1885-1892, F(10, 5); Dietterich 1998, Neural
    Computation 10:1895-1923, t(5).

    Raises:
        ValueError: not (5, 2); differences missing, infinite or outside [-1, 1]; `level` outside
            (0, 1); an unknown variant.
    """
    check_level(level)
    scores = checked_matrix(differences, DIFFERENCE)
    if scores.shape != (5, 2):
        raise ValueError(f"needs exactly 5 replications of 2 folds, not {scores.shape}")
    if variant not in ("F", "t"):
        raise ValueError(f"variant {variant!r} is not F or t")
    within = float((np.diff(scores, axis=1) ** 2).sum()) / 2
    name, mean = f"5x2cv_{variant}", float(scores.mean())
    blank = undefined(mean, level, "5x2cv_t_at_mean", TWO_RECIPES, "folds", None, 10)
    df = (10.0, 5.0) if variant == "F" else 5.0
    if within <= 1e-24 * float((scores**2).max()):
        return _five_by_two_flat(name, blank, scores, df, variant)
    top = float((scores**2).sum()) / 2 if variant == "F" else float(scores[0, 0]) * math.sqrt(5)
    statistic = top / (within if variant == "F" else math.sqrt(within))
    tail = stats.f.sf(statistic, 10, 5) if variant == "F" else 2 * stats.t.sf(abs(statistic), 5)
    interval = student(blank, math.sqrt(within / 5), 5, DIFFERENCE)
    return PairedTest(name, float(tail), statistic, df, interval, "ok")


def t_test(
    blank: Interval,
    scale: float,
    df: float,
    bounds: Bounds,
    fallback: Interval | None,
    note: str = "",
) -> PairedTest:
    """The test and the interval of estimate +- t(df) scale; degenerate where `scale` is 0."""
    assert blank.estimate is not None
    if scale == 0:
        return _without_spread(blank, df, fallback)
    statistic = blank.estimate / scale
    p = 2 * float(special.stdtr(df, -abs(statistic)))  # scipy.stats' own takes ten times as long
    interval = student(blank, scale, df, bounds)
    interval = replace(interval, note=joined(note, interval.note))
    return PairedTest(blank.method, p, statistic, df, interval, "ok", note)


def untested(blank: Interval, reason: str, fallback: Interval | None) -> PairedTest:
    """No test, for `reason`."""
    interval = instead(blank, reason, fallback, fallback.method if fallback else "")
    return PairedTest(blank.method, None, None, None, interval, "undefined", reason)


def _without_spread(blank: Interval, df: float, fallback: Interval | None) -> PairedTest:
    same = blank.estimate == 0
    reason = NO_DIFFERENCE if same else CERTAIN
    interval = flat(blank, reason, fallback, fallback.method if fallback else "")
    p, statistic = (1.0, 0.0) if same else (None, None)
    return PairedTest(blank.method, p, statistic, df, interval, "degenerate", reason)


def _five_by_two_flat(
    name: str,
    blank: Interval,
    scores: Floats,
    df: float | tuple[float, float],
    variant: Literal["F", "t"],
) -> PairedTest:
    tested = scores if variant == "F" else scores[:1, :1]
    if not tested.any():
        interval = flat(blank, NO_DIFFERENCE, None, "")
        return PairedTest(name, 1.0, 0.0, df, interval, "degenerate", NO_DIFFERENCE)
    warning = "zero within-replication variance; p not trustworthy"
    statistic = math.copysign(math.inf, 1.0 if variant == "F" else float(scores[0, 0]))
    interval = flat(blank, warning, None, "")
    return PairedTest(name, 0.0, statistic, df, interval, "degenerate", warning)
