"""Target decisions and sample-size planning: is a target reached, and how much data is needed?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fashion_exp.stats.checks import Floats, Integers, validate_fraction, validate_minimum
from fashion_exp.stats.crossed import VarianceComponents, crossed_components
from fashion_exp.stats.interval import MIN_RELIABLE_SCORES
from fashion_exp.stats.proportions import clopper_pearson_lower, clustered_bounds, wilson
from fashion_exp.stats.selection import Selection

BoundMethod = Literal["clopper_pearson", "wilson"]
OutcomeMethod = Literal["clopper_pearson", "wilson", "korn_graubard", "bbc_cv"]
TargetVerdict = Literal["met", "not met", "undecided"]

MAX_EXACT_IMAGES = 200_000  # beyond it the normal approximation is used
MAX_SEEDS = 1000
PLANNING_CONFIDENCE = 0.7
"""Of the upper limit that stands for a variance estimated from a few trainings or splits."""


@dataclass(frozen=True)
class TargetOutcome:
    """Whether an accuracy reaches `target`, by two one-sided bounds at `level` each.

    `met` if the lower bound is at or above the target, `not met` if the upper bound is below it.
    Either is wrong with probability at most 1 - level (approximately, except for Clopper-Pearson).
    """

    verdict: TargetVerdict
    target: float
    accuracy: float | None
    lower: float
    upper: float
    level: float
    method: OutcomeMethod
    n: float
    """Number of images; fractional if groups make them count less."""


@dataclass(frozen=True)
class Plan:
    """The number of images or seeds (`unit`) needed; None if no number suffices, see `note`."""

    needed: int | None
    unit: Literal["images", "seeds"]
    note: str


def assess_target(
    correct: float,
    n: float,
    target: float,
    level: float = 0.95,
    *,
    method: BoundMethod = "clopper_pearson",
) -> TargetOutcome:
    """Whether `correct` of `n` test images show that the accuracy of the model reaches `target`.

    Clopper-Pearson needs whole counts and guarantees its error rate. Wilson also accepts a mean
    over models or counts divided by a design effect. No images give `undecided`.

    Source: `clopper_pearson_lower` and `wilson`, one-sided.

    Raises:
        ValueError: a count is impossible, or fractional for Clopper-Pearson; `target` is outside
            (0, 1); `level` is outside (0, 1), for Wilson outside (0.5, 1); `method` is unknown.
    """
    validate_fraction(level, "level")
    validate_fraction(target, "target")
    if method not in ("clopper_pearson", "wilson"):
        raise ValueError(f"method must be clopper_pearson or wilson, not {method!r}")
    lower = _lower_bound(correct, n, level, method)
    upper = 1 - _lower_bound(n - correct, n, level, method)
    accuracy = correct / n if n else None
    verdict = _target_verdict(target, lower, upper)
    return TargetOutcome(verdict, target, accuracy, lower, upper, level, method, n)


def assess_clustered_target(
    correct: ArrayLike, groups: ArrayLike | None, target: float, level: float = 0.95
) -> TargetOutcome:
    """`assess_target` for images in groups, and for means over several models.

    `correct` (n,) and `groups` (n,) are those of `clustered_bounds`, whose bounds are used.

    Raises:
        ValueError: as `clustered_bounds`; `target` or `level` is outside (0, 1).
    """
    validate_fraction(level, "level")
    validate_fraction(target, "target")
    lower, upper, n = clustered_bounds(correct, groups, level)
    accuracy = float(np.asarray(correct, dtype=np.float64).mean())
    verdict = _target_verdict(target, lower, upper)
    return TargetOutcome(verdict, target, accuracy, lower, upper, level, "korn_graubard", n)


def assess_selected_target(selection: Selection, target: float, level: float) -> TargetOutcome:
    """Whether the config selected from several reaches a target on the images that selected it.

    The bounds are the ends of the selection's interval, which must have the level 2 level - 1. A
    bound from the winner's own score would call a target met with probability .4 to .7 at the
    target itself (24 configs). An interval without limits gives `undecided`.

    Source: the percentiles of BBC-CV (`bbc_cv`), one-sided.

    Raises:
        ValueError: `target` is outside (0, 1); the level of the interval is another one.
    """
    validate_fraction(target, "target")
    interval = selection.interval.or_fallback
    if not math.isclose(interval.level, 2 * level - 1):
        raise ValueError(f"the interval must have level {2 * level - 1:g}, not {interval.level:g}")
    lower, upper = (0.0, 1.0)
    if interval.low is not None and interval.high is not None:
        lower, upper = interval.low, interval.high
    verdict, n = _target_verdict(target, lower, upper), interval.n or 0
    return TargetOutcome(verdict, target, interval.estimate, lower, upper, level, "bbc_cv", n)


def _target_verdict(target: float, lower: float, upper: float) -> TargetVerdict:
    if lower >= target:
        return "met"
    return "not met" if upper < target else "undecided"


def images_for_target(
    accuracy: float, target: float, level: float = 0.95, power: float = 0.8
) -> Plan:
    """The number of test images from which `assess_target` decides with probability `power`.

    `accuracy` is the assumed true accuracy: above the target the decision is `met`, below it
    `not met`. Exact for Clopper-Pearson: its power is not monotone in n, and from the returned
    number on it never falls below `power`. Beyond 200,000 images the normal approximation is used.

    Source: the exact binomial power; the approximation is that of Fleiss, Levin & Paik 2003,
    Statistical Methods for Rates and Proportions, section 2.5.

    Raises:
        ValueError: `accuracy` is outside [0, 1]; `target`, `level` or `power` is outside (0, 1).
    """
    for value, name in ((level, "level"), (target, "target"), (power, "power")):
        validate_fraction(value, name)
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy must be in [0,1], not {accuracy}")
    if accuracy == target:
        return Plan(None, "images", "no number of images decides: the accuracy equals the target")
    approximate = _approximate_images(accuracy, target, level, power)
    note = f"at a true accuracy of {accuracy:.4g}"
    if 2 * approximate > MAX_EXACT_IMAGES:
        return Plan(math.ceil(approximate), "images", f"{note}, approximately")
    sizes: Integers = np.arange(1, int(2 * approximate) + 200, dtype=np.int64)
    too_small = np.flatnonzero(_decision_power(sizes, accuracy, target, level) < power)
    return Plan(int(sizes[too_small[-1]]) + 1 if too_small.size else 1, "images", note)


def images_for_half_width(accuracy: float, half_width: float, level: float = 0.95) -> float:
    """The number of images (not rounded) whose interval has about this half-width.

    z^2 p (1 - p) / h^2, the Wald interval solved for n; for planning only.

    Source: Cochran 1977, Sampling Techniques, section 4.4.

    Raises:
        ValueError: `accuracy`, `half_width` or `level` is outside (0, 1).
    """
    for value, name in ((level, "level"), (accuracy, "accuracy"), (half_width, "half_width")):
        validate_fraction(value, name)
    z = float(stats.norm.isf((1 - level) / 2))
    return z * z * accuracy * (1 - accuracy) / half_width**2


def images_to_separate(
    only_a: float, only_b: float, alpha: float = 0.05, power: float = 0.8
) -> Plan:
    """The number of shared test images for which McNemar's test separates two models.

    `only_a` and `only_b` are the observed proportions of images that only one model classifies
    correctly. For a family of m comparisons set `alpha` to the overall alpha divided by m.

    Source: Connor 1987, Biometrics 43:207-211.

    Raises:
        ValueError: a proportion is negative or their sum exceeds 1; `alpha` or `power` is outside
            (0, 1).
    """
    validate_fraction(alpha, "alpha")
    validate_fraction(power, "power")
    discordant, difference = only_a + only_b, abs(only_a - only_b)
    if not (min(only_a, only_b) >= 0 and discordant <= 1 + 1e-9):
        raise ValueError(
            f"only_a and only_b must be proportions with a sum of at most 1, not {only_a}, {only_b}"
        )
    if difference == 0:
        return Plan(None, "images", "no number of images separates them: no difference is observed")
    numerator = stats.norm.isf(alpha / 2) * math.sqrt(discordant)
    numerator += stats.norm.ppf(power) * math.sqrt(max(discordant - difference**2, 0.0))
    one_sided = math.floor(math.log2(1 / alpha)) + 1  # fewer discordant images never reject
    needed = max(math.ceil((numerator / difference) ** 2), math.ceil(one_sided / discordant))
    note = f"at a difference of {difference:.3g}, {discordant:.3g} discordant"
    return Plan(needed, "images", note)


def images_factor(
    se: float, df: float, difference: float, alpha: float = 0.05, power: float = 0.8
) -> float:
    """How many times as many images a t-test needs to detect `difference` with this power.

    `se` is the standard error with the present images and `df` its degrees of freedom, which stay:
    the variance is inversely proportional to the number of images, or of groups of images. The
    upper 70 % confidence limit of the variance is used, since a plan by the estimate itself would
    keep its power in half of the cases only (Browne 1995, Stat. Med. 14:1933-1940).

    Raises:
        ValueError: `alpha` or `power` is outside (0, 1); `se` is not above 0; `difference` is 0.
    """
    validate_fraction(alpha, "alpha")
    validate_fraction(power, "power")
    if not (se > 0 and difference):
        raise ValueError(f"se must be above 0 and difference not 0, not {se}, {difference}")
    quantiles = float(stats.t.isf(alpha / 2, df) + stats.t.ppf(power, df))
    return quantiles**2 * se**2 * _upper_limit(df) / difference**2


def _upper_limit(df: float) -> float:
    """The upper limit of a variance as a multiple of its estimate."""
    return float(df / stats.chi2.ppf(1 - PLANNING_CONFIDENCE, df))


def cautious_components(scores: ArrayLike, images: float) -> VarianceComponents:
    """`crossed_components` for planning from few models (S, n).

    The variance between models is at its upper 70 % confidence limit; `images` multiplies the
    variance between images, such as the design effect of groups.

    Source: Browne 1995, Stat. Med. 14:1933-1940.

    Raises:
        ValueError: as `crossed_components`.
    """
    models, between, residual = crossed_components(scores)
    count, n = np.shape(scores)
    total = (models + residual / n) * _upper_limit(count - 1)
    return VarianceComponents(max(total - residual / n, 0.0), between * images, residual)


def seeds_to_separate(
    components: VarianceComponents,
    difference: float,
    n: int,
    alpha: float = 0.05,
    power: float = 0.8,
) -> Plan:
    """The number of seeds per recipe for which `paired_crossed` separates them on `n` images.

    `components` are those of the differences (`crossed_components`); `difference` is the true
    difference to detect. If the images alone limit the power, no number of seeds suffices.

    Source: power of the noncentral t with the variance and degrees of freedom of
    `crossed_se`.

    Raises:
        ValueError: a component is negative or not finite; `n` is below 2; `alpha` or `power` is
            outside (0, 1); `difference` is not finite.
    """
    validate_fraction(alpha, "alpha")
    validate_fraction(power, "power")
    validate_minimum(n, 2, "n")
    if not all(math.isfinite(component) and component >= 0 for component in components):
        raise ValueError(f"variance components must be 0 or more, not {components}")
    if not math.isfinite(difference):
        raise ValueError(f"difference must be finite, not {difference}")
    if difference == 0:
        return Plan(None, "seeds", "no number of seeds separates them: no difference")
    image_se = math.sqrt(components.images / n)
    if image_se * float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power)) >= abs(difference):
        note = f"no number of seeds suffices with these {n} images: use more images"
        return Plan(None, "seeds", note)
    seeds: Integers = np.arange(2, MAX_SEEDS + 1, dtype=np.int64)
    enough = np.flatnonzero(_crossed_power(seeds, components, difference, n, alpha) >= power)
    if not enough.size:
        return Plan(None, "seeds", f"more than {MAX_SEEDS} seeds with these {n} images")
    return Plan(int(seeds[enough[0]]), "seeds", f"each, with {n} images")


def _crossed_power(
    seeds: Integers, components: VarianceComponents, difference: float, n: int, alpha: float
) -> Floats:
    residual = components.residual / (seeds * n)
    models, images = components.models / seeds + residual, components.images / n + residual
    interaction = np.where(seeds < MIN_RELIABLE_SCORES, 0.0, residual)
    total = models + images - interaction
    if not total.any():
        return np.ones(seeds.shape)
    df = models**2 / (seeds - 1) + images**2 / (n - 1) + interaction**2 / ((seeds - 1) * (n - 1))
    df = total**2 / df
    noncentrality = abs(difference) / np.sqrt(total)
    return np.asarray(stats.nct.sf(stats.t.isf(alpha / 2, df), df, noncentrality))


def _decision_power(sizes: Integers, accuracy: float, target: float, level: float) -> Floats:
    """The probability that `assess_target` decides, for each test set size."""
    if accuracy < target:  # the mirror image: count wrong answers
        accuracy, target = 1 - accuracy, 1 - target
    critical = stats.binom.isf(1 - level, sizes, target) + 1
    return np.asarray(stats.binom.sf(critical - 1, sizes, accuracy))


def _approximate_images(accuracy: float, target: float, level: float, power: float) -> float:
    numerator = stats.norm.isf(1 - level) * math.sqrt(target * (1 - target))
    numerator += stats.norm.ppf(power) * math.sqrt(accuracy * (1 - accuracy))
    gap = abs(accuracy - target)
    return float((numerator / gap) ** 2 + 2 / gap)


def _lower_bound(correct: float, n: float, level: float, method: BoundMethod) -> float:
    if method == "clopper_pearson":
        bound = clopper_pearson_lower(correct, n, level)
    elif level > 0.5:
        bound = wilson(correct, n, 2 * level - 1, fractional=True)
    else:
        raise ValueError(f"level must be in (0.5,1) for a one-sided Wilson bound, not {level}")
    return 0.0 if bound.low is None else bound.low
