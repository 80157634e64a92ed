"""Multiple comparisons: adjusted p-values, intervals that agree with them, an omnibus test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from numpy.typing import ArrayLike
from scipy import stats

from fashion_exp.stats.checks import PROPORTION_BOUNDS, is_binary, validate_matrix
from fashion_exp.stats.interval import Interval, Status


def holm(pvalues: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the given order; the family is the whole sequence.

    None marks a failed test. It stays None and counts in the size of the family, like p = 1: a run
    that crashed must not make the other comparisons more significant.

    Source: Holm 1979, Scand. J. Stat. 6:65-70, adjusted p-values as in R's p.adjust.

    Raises:
        ValueError: a p-value is nan or outside [0, 1].
    """
    return _step_down(pvalues, range(len(pvalues), 0, -1))


def _step_down(pvalues: Sequence[float | None], factors: Sequence[float]) -> list[float | None]:
    """Each p-value times the factor of its rank, and at least as large as those before it."""
    for p in pvalues:
        if p is not None and not 0 <= p <= 1:
            raise ValueError(f"a p-value must be in [0,1], not {p}; use None for a failed test")
    ranked = sorted((p, index) for index, p in enumerate(pvalues) if p is not None)
    adjusted: list[float | None] = [None] * len(pvalues)
    largest = 0.0
    for factor, (p, index) in zip(factors, ranked, strict=False):
        largest = max(largest, min(1.0, factor * p))
        adjusted[index] = largest
    return adjusted


def holm_selected(pvalues: Sequence[float | None], candidates: int) -> list[float | None]:
    """Adjusted p-values of one run against others, if the data compared chose that run.

    The run is one of `candidates`, chosen in any way that may depend on the data, such as the best
    of them; None marks a failed test, as in `holm`. The smallest p-value counts as one of all
    k (k - 1) / 2 pairs, since the chosen run may be any, the second one of (k - 1) (k - 2) / 2, the
    s-th of k (k - s) / 2. Holm's method over the k - 1 tested pairs would err in .09 to .21 of the
    cases at .05 (6 to 24 equal runs, measured).

    Family-wise error rate: say the chosen run is one of p runs with equal means. The first wrong
    rejection comes after at most k - p right ones, so its p-value is at most
    2 alpha / (k (p - 1)), which some of their p (p - 1) / 2 pairs reaches with probability
    alpha p / k at most (alpha if p = k - 1: no other group of equal runs is left). These sum to
    alpha over all groups of equal runs.

    Source: the levels alpha p / k of Ryan 1960, Psychol. Bull. 57:318-328, and Welsch 1977, JASA
    72:566-575, with Bonferroni's inequality within a group.

    Raises:
        ValueError: as `holm`; there are more p-values than other candidates.
    """
    if len(pvalues) >= candidates:
        raise ValueError(f"{len(pvalues)} comparisons of one of {candidates} candidates")
    factors = [candidates * (candidates - step) / 2 for step in range(1, candidates)]
    if candidates > 2:
        factors[1] = (candidates - 1) * (candidates - 2) / 2
    return _step_down(pvalues, factors)


def may_be_best(pvalues: Sequence[float | None], candidates: int, alpha: float) -> list[bool]:
    """Which runs may be the best, by two-sided p-values against the run that looks best.

    A run is ruled out if it is worse than that run at one-sided level alpha / (k - 1). The true
    best of all `candidates` is ruled out with probability alpha at most, whichever run looks best:
    it would have to lose one of its own k - 1 comparisons. Give None for a run that looks better.

    This claims less than `holm_selected`: a run that is ruled out may be as good as the best.

    Source: Hsu 1981, Ann. Stat. 9:1026-1034 (multiple comparisons with the best), with Bonferroni's
    inequality for the critical value.
    """
    limit = 2 * alpha / max(candidates - 1, 1)
    return [p is None or p >= limit for p in pvalues]


def bonferroni_level(alpha: float, family: int) -> float:
    """The level at which `family` intervals cover together with probability 1 - alpha."""
    return 1 - alpha / max(family, 1)


def agree_with_decision(interval: Interval, is_decided: bool) -> Interval:
    """A simultaneous interval of a difference that excludes 0 if and only if Holm's method decides.

    `interval` has `bonferroni_level`. Holm's method decides every pair whose interval excludes 0,
    and may decide more: such an interval ends next to 0 on the side of the estimate. An interval
    that excludes 0 where the test does not decide (it inverts another test) is extended to 0.

    The unchanged intervals cover together with probability 1 - alpha, and Holm's decisions are all
    right with that probability, so both hold with 1 - 2 alpha at least. Measured: .95 at alpha .05
    without differences, .91 if all pairs but one of ten differ by far. No procedure gives two-sided
    limits with the full guarantee for both: confidence bounds that correspond exactly to Holm's
    method tell of a rejected hypothesis only the side, unless all hypotheses are rejected.

    Source: Dunn 1961, JASA 56:52-64, for the intervals; Strassburger & Bretz 2008, Stat. Med.
    27:4914-4927, and Guilbaud 2008, Biom. J. 50:678-692, for 0 as the bound of what Holm rejects.
    """
    if interval.low is None or interval.high is None:
        return interval
    low, high = interval.low, interval.high
    if not is_decided:
        low, high = min(low, 0.0), max(high, 0.0)
    elif (interval.estimate or 0) > 0:
        low = max(low, math.ulp(0.0))
    else:
        high = min(high, -math.ulp(0.0))
    return replace(interval, low=low, high=high)


@dataclass(frozen=True)
class OmnibusTest:
    """A test of whether any of several models differs; `df` = models - 1, `n` images."""

    method: str
    p: float | None
    statistic: float | None
    df: int
    n: int
    models: int
    status: Status
    note: str = ""


def cochrans_q(correct: ArrayLike) -> OmnibusTest:
    """Cochran's Q test that k models have the same accuracy on the same n independent images.

    `correct` (k, n) is right (1) or wrong (0). It tests all models together; as a gate before
    Holm's method it would only lose power. Models that agree on every image give p = 1; one model
    gives an undefined test.

    Source: Cochran 1950, Biometrika 37:256-266; chi2 with k - 1 degrees of freedom.

    Raises:
        ValueError: the values are not a matrix, or are empty, missing, or not 0 or 1.
    """
    right = validate_matrix(correct, PROPORTION_BOUNDS)
    if not is_binary(right):
        raise ValueError("answers must be right (1) or wrong (0)")
    models, images = right.shape

    def result(p: float | None, q: float | None, status: Status, note: str = "") -> OmnibusTest:
        return OmnibusTest("cochrans_q", p, q, models - 1, images, models, status, note)

    if models < 2:
        return result(None, None, "undefined", "needs at least 2 models")
    by_model, by_image = right.sum(axis=1), right.sum(axis=0)
    disagreement = float((by_image * (models - by_image)).sum())
    if disagreement == 0:
        return result(1.0, 0.0, "ok", "models agree on every image")
    scatter = float(((by_model - by_model.mean()) ** 2).sum())
    q = models * (models - 1) * scatter / disagreement
    return result(float(stats.chi2.sf(q, models - 1)), q, "ok")
