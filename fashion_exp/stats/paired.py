"""Paired comparison of two models on the same images: `PairedTest`, McNemar, Tango.

All differences are a - b. The interval of a test has the requested level: 0.95 for a test of
difference at alpha = .05, 0.90 for a test of equivalence at the same alpha.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from numpy.typing import ArrayLike
from scipy import optimize, special

from fashion_exp.stats.checks import (
    DIFFERENCE_BOUNDS,
    Bounds,
    is_binary,
    validate_count,
    validate_minimum,
    validate_pair,
)
from fashion_exp.stats.interval import Estimand, Interval, Status, point_estimate

McNemarVariant = Literal["midp", "exact", "chi2", "chi2_cc"]
DegreesOfFreedom = float | tuple[float, float]

NO_DIFFERENCE = "no difference anywhere"
CONSTANT_DIFFERENCE = "the same difference everywhere: no variance to test it by"


@dataclass(frozen=True)
class PairedTest:
    """A two-sided test of a difference a - b, with an interval for the difference.

    `interval` gives the estimand (`target`), n, the number J of scores, the sampling unit and the
    level. `df` is a pair for an F test. `status` is `ok`, `degenerate` (no variance in the data:
    see `trusted_p`) or `undefined` (no test; `note` holds the reason).
    """

    method: str
    p: float | None
    statistic: float | None
    df: DegreesOfFreedom | None
    interval: Interval
    status: Status
    note: str = ""

    def __post_init__(self) -> None:
        assert self.p is None or 0 <= self.p <= 1, "p must be in [0,1]"
        assert (self.status != "undefined") or (self.p is None and self.note), (
            "undefined needs a reason and no p"
        )

    @property
    def difference(self) -> float | None:
        return self.interval.estimate

    @property
    def trusted_p(self) -> float | None:
        """The p-value for decisions. It is None if the data have no variance, where any difference
        would look certain; such a test still counts in the size of its family."""
        trusted = self.status == "ok" or self.difference == 0
        return self.p if trusted else None


class PairedCounts(NamedTuple):
    """Numbers of images by which of two models was correct."""

    both_right: float
    only_a: float
    only_b: float
    both_wrong: float

    @property
    def n(self) -> float:
        return sum(self)


def paired_counts(correct_a: ArrayLike, correct_b: ArrayLike) -> PairedCounts:
    """Counts from two arrays (n,) of right (1) and wrong (0) answers to the same images.

    Raises:
        ValueError: the lengths differ, there are no images, or a value is not 0 or 1.
    """
    a, b = validate_pair(correct_a, correct_b)
    if not (is_binary(a) and is_binary(b)):
        raise ValueError("answers must be right (1) or wrong (0)")
    both, right_a, right_b = int((a * b).sum()), int(a.sum()), int(b.sum())
    return PairedCounts(both, right_a - both, right_b - both, a.size - right_a - right_b + both)


def mcnemar(
    both_right: float,
    only_a: float,
    only_b: float,
    both_wrong: float,
    level: float = 0.95,
    *,
    variant: McNemarVariant = "midp",
    models: int = 1,
) -> PairedTest:
    """McNemar's test of two models on the same independent images, with Tango's interval.

    The claim is about the tested models, not their recipes: two seeds of one recipe may differ
    significantly. `models` > 1 if the out-of-fold predictions of that many pairs of models are
    pooled. Variants: mid-p (correct size, the default), exact (conservative), chi2 without and
    chi2_cc with continuity correction. Models that agree on every image give p = 1; no images give
    an undefined test. The interval inverts the chi2 variant, so in close cases it may disagree
    with the other variants about 0.

    Source: McNemar 1947, Psychometrika 12:153-157; mid-p Fagerland, Lydersen & Laake 2013, BMC
    Med. Res. Methodol. 13:91; the correction Edwards 1948, Psychometrika 13:185-187, limited to
    |b - c| as in Fagerland et al. and R.

    Raises:
        ValueError: a count is negative, not finite or fractional; `level` is outside (0, 1);
            `models` is below 1; `variant` is unknown.
    """
    counts = PairedCounts(both_right, only_a, only_b, both_wrong)
    _validate_counts(counts, fractional=False)
    interval = tango(*counts, level, models=models)
    name = f"mcnemar_{variant}"
    if not counts.n:
        return PairedTest(name, None, None, None, interval, "undefined", "no images")
    p, statistic = _mcnemar_p(int(only_a), int(only_b), variant)
    df = None if statistic is None else 1.0
    note = "" if only_a + only_b else "models agree on every image"
    return PairedTest(name, p, statistic, df, interval, "ok", note)


def tango(
    both_right: float,
    only_a: float,
    only_b: float,
    both_wrong: float,
    level: float = 0.95,
    *,
    models: int = 1,
) -> Interval:
    """Tango's score interval for the difference of two accuracies on the same images.

    It has a positive width even if the models agree on every image. Counts may be fractional
    (divided by a design effect). No images give an undefined interval.

    Source: Tango 1998, Stat. Med. 17:891-908: the differences that the score test does not
    reject, found numerically.

    Raises:
        ValueError: a count is negative or not finite; `level` is outside (0, 1); `models` is
            below 1.
    """
    counts = PairedCounts(both_right, only_a, only_b, both_wrong)
    point = _difference(counts, level, "tango", models)
    if not counts.n:
        return point
    z = -float(special.ndtri((1 - level) / 2))
    low = _tango_lower(only_a, only_b, counts.n, z)
    return point.with_limits(low, -_tango_lower(only_b, only_a, counts.n, z), DIFFERENCE_BOUNDS)


def t_test(
    point: Interval,
    se: float,
    df: float,
    bounds: Bounds,
    fallback: Interval | None,
    note: str = "",
) -> PairedTest:
    """Student's t-test of the estimate `point` against 0, with its t-interval.

    A standard error of 0 gives a degenerate test with `fallback`.
    """
    assert point.estimate is not None
    if se == 0:
        return degenerate_test(point, df, fallback)
    statistic = point.estimate / se
    p = 2 * float(special.stdtr(df, -abs(statistic)))  # ten times as fast as scipy.stats.t
    interval = point.with_t_limits(se, df, bounds).with_warning(note)
    return PairedTest(point.method, p, statistic, df, interval, "ok", note)


def undefined_test(point: Interval, reason: str, fallback: Interval | None = None) -> PairedTest:
    """A test that cannot be made, for `reason`."""
    interval = point.without_limits(reason, fallback)
    return PairedTest(point.method, None, None, None, interval, "undefined", reason)


def degenerate_test(
    point: Interval, df: DegreesOfFreedom, fallback: Interval | None = None
) -> PairedTest:
    """A test on data without variance: p is 1 for a difference of 0, else None."""
    is_zero = point.estimate == 0
    reason = NO_DIFFERENCE if is_zero else CONSTANT_DIFFERENCE
    p, statistic = (1.0, 0.0) if is_zero else (None, None)
    interval = point.degenerate(reason, fallback)
    return PairedTest(point.method, p, statistic, df, interval, "degenerate", reason)


def _validate_counts(counts: PairedCounts, *, fractional: bool) -> None:
    for count in counts:
        validate_count(count, count, fractional=fractional)


def _difference(counts: PairedCounts, level: float, method: str, models: int) -> Interval:
    _validate_counts(counts, fractional=True)
    validate_minimum(models, 1, "models")
    target = Estimand.MODEL_DIFFERENCE if models == 1 else Estimand.MEAN_MODEL_DIFFERENCE
    estimate = (counts.only_a - counts.only_b) / counts.n if counts.n else None
    return point_estimate(
        estimate, level, method, target, "images", scores=models, n=counts.n, reason="no images"
    )


def _mcnemar_p(only_a: int, only_b: int, variant: McNemarVariant) -> tuple[float, float | None]:
    """The p-value and, for the chi2 variants, the statistic."""
    from scipy import stats  # takes half a second

    discordant, fewer = only_a + only_b, min(only_a, only_b)
    if variant in ("midp", "exact"):
        p = 2 * float(stats.binom.cdf(fewer, discordant, 0.5))
        if variant == "midp":
            p -= float(stats.binom.pmf(fewer, discordant, 0.5))
        return min(p, 1.0), None
    if variant not in ("chi2", "chi2_cc"):
        raise ValueError(f"variant must be one of midp, exact, chi2, chi2_cc, not {variant!r}")
    excess = max(abs(only_a - only_b) - (variant == "chi2_cc"), 0)
    statistic = excess**2 / discordant if discordant else 0.0
    return float(stats.chi2.sf(statistic, 1)), statistic


def _tango_lower(only_a: float, only_b: float, n: float, z: float) -> float:
    """The difference below the estimate at which the score statistic equals z."""

    def excess(delta: float) -> float:
        variance = n * _tango_variance(delta, only_a, only_b, n)
        return only_a - only_b - n * delta - z * math.sqrt(max(variance, 0.0))

    if only_b >= n:
        return -1.0
    # The variance may be 0 at the estimate, which would make it a root: start just below.
    return float(optimize.brentq(excess, -1.0, (only_a - only_b) / n - 1e-12, xtol=1e-13))


def _tango_variance(delta: float, only_a: float, only_b: float, n: float) -> float:
    """Maximum-likelihood variance of the difference on one image, constrained to mean `delta`."""
    b = -only_a - only_b + (2 * n - only_a + only_b) * delta
    c = -only_b * delta * (1 - delta)
    share_b = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    return 2 * share_b + delta * (1 - delta)
