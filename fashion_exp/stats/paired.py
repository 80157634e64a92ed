"""Two models on the same images: which of them is right where the other is not.

Every test comes with the difference of a minus b and its interval at the level that is asked for:
0.95 for a difference at alpha = .05, 0.90 for an equivalence at the same alpha.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from numpy.typing import ArrayLike
from scipy import optimize, stats

from fashion_exp.stats.checks import checked_count, checked_pair
from fashion_exp.stats.interval import (
    DIFFERENCE,
    PAIRS_TESTED,
    TWO_MODELS,
    Interval,
    Status,
    check_level,
    limited,
    undefined,
)
from fashion_exp.stats.proportions import wilson

McNemar = Literal["midp", "exact", "chi2", "chi2_cc"]


@dataclass(frozen=True)
class PairedTest:
    """Whether a and b differ, and by how much.

    `interval` is of the difference a - b; it names what the claim is about (`target`), n, the
    scores J, the unit and the level. `p` is two-sided. `status` is `undefined` (no test, `note`
    has the reason), `degenerate` (no spread in the data: see `trusted_p`) or `ok`.
    """

    method: str
    p: float | None
    statistic: float | None
    df: float | tuple[float, float] | None
    interval: Interval
    status: Status
    note: str = ""

    def __post_init__(self) -> None:
        assert self.p is None or 0 <= self.p <= 1, "a p-value is none"
        assert (self.status != "undefined") or (self.p is None and self.note), "without a reason"

    @property
    def difference(self) -> float | None:
        return self.interval.estimate

    @property
    def trusted_p(self) -> float | None:
        """The p to judge by. None where no spread in the data makes any difference look certain:
        such a test stays in the family but decides nothing."""
        believable = self.status == "ok" or self.difference == 0
        return self.p if believable else None


class PairedCounts(NamedTuple):
    """How many images both, one or none of two models got right."""

    both_right: float
    only_a: float
    only_b: float
    both_wrong: float

    @property
    def n(self) -> float:
        return sum(self)


def paired_counts(correct_a: ArrayLike, correct_b: ArrayLike) -> PairedCounts:
    """The counts of two rows (n,) of right (1) and wrong (0) answers to the same images.

    Raises:
        ValueError: unequal lengths, no images, anything but 0 and 1.
    """
    a, b = checked_pair(correct_a, correct_b)
    if not (((a == 0) | (a == 1)) & ((b == 0) | (b == 1))).all():
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
    variant: McNemar = "midp",
    models: int = 1,
) -> PairedTest:
    """McNemar's test of two models on the same independent images, with Tango's interval.

    About the models tested, not their recipes: two seeds of one recipe may differ significantly.
    `models` > 1 where out-of-fold predictions of so many pairs of models are pooled. Variants:
    mid-p (right size, the default), exact (conservative), chi2 without and with continuity
    correction. Models that agree on every image give p = 1 and difference 0; no images an
    undefined test. The interval inverts the chi2 variant: beside the others it may differ on 0
    in close cases.

    Source: McNemar 1947, Psychometrika 12:153-157; mid-p Fagerland, Lydersen & Laake 2013, BMC
    Med. Res. Methodol. 13:91; the correction Edwards 1948, Psychometrika 13:185-187, here never
    above |b - c| (Fagerland et al., and R).

    Raises:
        ValueError: counts negative, not finite or fractional; `level` outside (0, 1); `models`
            below 1; an unknown variant.
    """
    counts = _checked_counts(PairedCounts(both_right, only_a, only_b, both_wrong), whole=True)
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

    Has a width also where the models agree on every image. Counts may be fractional (divided by a
    design effect). No images give an undefined interval.

    Source: Tango 1998, Stat. Med. 17:891-908: the differences that the score test does not
    reject, found by root finding.

    Raises:
        ValueError: counts negative or not finite; `level` outside (0, 1); `models` below 1.
    """
    counts = _checked_counts(PairedCounts(both_right, only_a, only_b, both_wrong))
    blank = _no_difference(counts, level, "tango", models)
    if not counts.n:
        return blank
    z = float(stats.norm.isf((1 - level) / 2))
    low = _tango_low(only_a, only_b, counts.n, z)
    return limited(blank, low, -_tango_low(only_b, only_a, counts.n, z), DIFFERENCE)


def newcombe10(
    both_right: float,
    only_a: float,
    only_b: float,
    both_wrong: float,
    level: float = 0.95,
    *,
    models: int = 1,
) -> Interval:
    """Newcombe's interval for the difference of two accuracies on the same images.

    In closed form from the two Wilson intervals and the correlation of the answers. No images
    give an undefined interval.

    Source: Newcombe 1998, Stat. Med. 17:2635-2650, method 10.

    Raises:
        ValueError: counts negative or not finite; `level` outside (0, 1); `models` below 1.
    """
    counts = _checked_counts(PairedCounts(both_right, only_a, only_b, both_wrong))
    blank = _no_difference(counts, level, "newcombe10", models)
    if blank.estimate is None:
        return blank
    below_a, above_a = _wilson_arms(both_right + only_a, counts.n, level)
    below_b, above_b = _wilson_arms(both_right + only_b, counts.n, level)
    phi = _correlation(counts)
    low = math.sqrt(max(below_a**2 - 2 * phi * below_a * above_b + above_b**2, 0.0))
    high = math.sqrt(max(above_a**2 - 2 * phi * above_a * below_b + below_b**2, 0.0))
    return limited(blank, blank.estimate - low, blank.estimate + high, DIFFERENCE)


def _checked_counts(counts: PairedCounts, whole: bool = False) -> PairedCounts:
    for count in counts:
        checked_count(count, count, fractional=not whole)
    return counts


def _no_difference(counts: PairedCounts, level: float, method: str, models: int) -> Interval:
    check_level(level)
    if models < 1:
        raise ValueError(f"models is {models}, not at least 1")
    target = TWO_MODELS if models == 1 else PAIRS_TESTED
    estimate = (counts.only_a - counts.only_b) / counts.n if counts.n else None
    return undefined(estimate, level, method, target, "images", counts.n, models, "no images")


def _mcnemar_p(only_a: int, only_b: int, variant: McNemar) -> tuple[float, float | None]:
    """The p-value and, for the chi2 variants, the statistic."""
    discordant, fewer = only_a + only_b, min(only_a, only_b)
    if variant in ("midp", "exact"):
        p = 2 * float(stats.binom.cdf(fewer, discordant, 0.5))
        if variant == "midp":
            p -= float(stats.binom.pmf(fewer, discordant, 0.5))
        return min(p, 1.0), None
    if variant not in ("chi2", "chi2_cc"):
        raise ValueError(f"variant {variant!r} is not one of midp, exact, chi2, chi2_cc")
    apart = max(abs(only_a - only_b) - (variant == "chi2_cc"), 0)
    statistic = apart**2 / discordant if discordant else 0.0
    return float(stats.chi2.sf(statistic, 1)), statistic


def _tango_low(only_a: float, only_b: float, n: float, z: float) -> float:
    """The difference below the estimate at which the score statistic is z."""

    def beyond(delta: float) -> float:
        variance = n * _tango_variance(delta, only_a, only_b, n)
        return only_a - only_b - n * delta - z * math.sqrt(max(variance, 0.0))

    if only_b >= n:
        return -1.0
    # At the estimate itself the variance may be 0, so that it would be a root: start just below.
    return float(optimize.brentq(beyond, -1.0, (only_a - only_b) / n - 1e-12, xtol=1e-13))


def _tango_variance(delta: float, only_a: float, only_b: float, n: float) -> float:
    """The variance of one image's difference, most likely given a mean of `delta`."""
    b = -only_a - only_b + (2 * n - only_a + only_b) * delta
    c = -only_b * delta * (1 - delta)
    share_b = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    return 2 * share_b + delta * (1 - delta)


def _wilson_arms(correct: float, n: float, level: float) -> tuple[float, float]:
    found = wilson(correct, n, level, fractional=True)
    assert found.estimate is not None and found.low is not None and found.high is not None
    return found.estimate - found.low, found.high - found.estimate


def _correlation(counts: PairedCounts) -> float:
    """Phi of the answers, corrected for continuity where positive."""
    e, f, g, h = counts
    product = (e + f) * (g + h) * (e + g) * (f + h)
    if product == 0:
        return 0.0
    agreement = e * h - f * g
    if agreement > 0:
        agreement = max(agreement - counts.n / 2, 0.0)
    return agreement / math.sqrt(product)
