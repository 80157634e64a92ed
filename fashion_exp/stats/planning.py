"""Whether a target is met, and how much more data or training would decide a question."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from fashion_exp.stats.crossed import Components
from fashion_exp.stats.interval import Floats, Integers, check_level
from fashion_exp.stats.proportions import clopper_pearson_lower, wilson

Bound = Literal["clopper_pearson", "wilson"]
Verdict = Literal["met", "not met", "undecided"]

MOST_IMAGES = 200_000  # exact search ends here; beyond, the normal approximation is as good
MOST_SEEDS = 1000


@dataclass(frozen=True)
class TargetVerdict:
    """Whether an accuracy reaches `target`, by one-sided bounds at `level` each.

    `met` if the lower bound reaches the target, `not met` if the upper one stays below. Either
    is wrong with probability 1 - level at most (Wilson: about).
    """

    verdict: Verdict
    target: float
    accuracy: float | None
    lower: float
    upper: float
    level: float
    method: Bound
    n: float


@dataclass(frozen=True)
class Plan:
    """How many images or seeds (`unit`) decide the question, or None with the reason."""

    needed: int | None
    unit: Literal["images", "seeds"]
    note: str


def target_verdict(
    correct: float,
    n: float,
    target: float,
    level: float = 0.95,
    *,
    method: Bound = "clopper_pearson",
) -> TargetVerdict:
    """Whether `correct` of `n` test images show that the model's accuracy reaches `target`.

    Clopper-Pearson takes whole counts and is guaranteed; Wilson also takes a mean over models or
    counts divided by a design effect. No images leave the verdict undecided.

    Source: as `clopper_pearson_lower` and `wilson`, one-sided.

    Raises:
        ValueError: impossible counts, or fractional ones for Clopper-Pearson; `target` outside
            (0, 1); `level` outside (0, 1), for Wilson (0.5, 1); an unknown method.
    """
    check_level(level)
    _check_share(target, "target")
    if method not in ("clopper_pearson", "wilson"):
        raise ValueError(f"method {method!r} is not clopper_pearson or wilson")
    lower, upper = _lower(correct, n, level, method), 1 - _lower(n - correct, n, level, method)
    verdict: Verdict = "met" if lower >= target else "not met" if upper < target else "undecided"
    accuracy = correct / n if n else None
    return TargetVerdict(verdict, target, accuracy, lower, upper, level, method, n)


def images_for_target(
    accuracy: float, target: float, level: float = 0.95, power: float = 0.8
) -> Plan:
    """The test images from which on `target_verdict` is decided with probability `power`.

    `accuracy` is what the model is assumed to have in truth: above the target the verdict is met,
    below it is not met. Exact for Clopper-Pearson (the power rises in a saw, so from the number
    given on it never falls below `power` again); beyond 200,000 images the normal approximation.

    Source: the exact binomial power; Fleiss, Levin & Paik 2003, Statistical Methods for Rates and
    Proportions, section 2.5, for the approximation.

    Raises:
        ValueError: `accuracy` outside [0, 1]; `target`, `level` or `power` outside (0, 1).
    """
    check_level(level)
    _check_share(target, "target")
    _check_share(power, "power")
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy must be in [0,1], not {accuracy}")
    if accuracy == target:
        return Plan(None, "images", "no number of images decides: the accuracy is the target")
    rough = _images_for_share(accuracy, target, level, power)
    note = f"at a true accuracy of {accuracy:.4g}"
    if 2 * rough > MOST_IMAGES:
        return Plan(math.ceil(rough), "images", f"{note}, approximately")
    sizes: Integers = np.arange(1, int(2 * rough) + 200, dtype=np.int64)
    short = np.flatnonzero(_power_at(sizes, accuracy, target, level) < power)
    return Plan(int(sizes[short[-1]]) + 1 if short.size else 1, "images", note)


def success_run_images(target: float, level: float = 0.95, errors: int = 0) -> int:
    """The smallest test set on which `errors` wrong answers still show the target accuracy.

    59 without an error for 0.95 at 95 %. By Clopper-Pearson's one-sided lower bound.

    Source: Wilks 1941, Ann. Math. Stat. 12:91-96; for errors above 0 the same bound solved for n.

    Raises:
        ValueError: `target` or `level` outside (0, 1); `errors` negative.
    """
    check_level(level)
    _check_share(target, "target")
    if errors < 0:
        raise ValueError(f"errors is {errors}, not at least 0")

    def shows(n: int) -> bool:  # at most so many errors are unlikely for a model at the target
        return bool(stats.binom.cdf(errors, n, 1 - target) <= 1 - level)

    low, high = errors, max(2 * errors, 1)
    while not shows(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def images_for_half_width(accuracy: float, half_width: float, level: float = 0.95) -> float:
    """The images, to be rounded up, whose interval has about this half-width: z^2 p(1-p) / h^2.

    Source: the Wald interval solved for n (Cochran 1977, Sampling Techniques, section 4.4), good
    for planning only.

    Raises:
        ValueError: `accuracy`, `half_width` or `level` outside (0, 1).
    """
    check_level(level)
    _check_share(accuracy, "accuracy")
    _check_share(half_width, "half_width")
    z = float(stats.norm.isf((1 - level) / 2))
    return z * z * accuracy * (1 - accuracy) / half_width**2


def images_to_separate(
    only_a: float, only_b: float, alpha: float = 0.05, power: float = 0.8
) -> Plan:
    """The shared test images with which McNemar's test tells two models apart.

    `only_a` and `only_b` are the shares of images that one model alone gets right, as observed.
    In a family of m comparisons let `alpha` be the overall one over m.

    Source: Connor 1987, Biometrics 43:207-211.

    Raises:
        ValueError: shares negative or adding to more than 1; `alpha` or `power` outside (0, 1).
    """
    _check_share(alpha, "alpha")
    _check_share(power, "power")
    apart, difference = only_a + only_b, abs(only_a - only_b)
    if not (min(only_a, only_b) >= 0 and apart <= 1 + 1e-9):
        raise ValueError(f"shares {only_a} and {only_b} must be 0 or more, 1 at most together")
    if difference == 0:
        return Plan(None, "images", "no number of images separates them: no difference is observed")
    reach = stats.norm.isf(alpha / 2) * math.sqrt(apart)
    reach += stats.norm.ppf(power) * math.sqrt(max(apart - difference**2, 0.0))
    needed = max(math.ceil((reach / difference) ** 2), 1)
    return Plan(needed, "images", f"at a difference of {difference:.3g}, {apart:.3g} discordant")


def seeds_to_separate(
    components: Components,
    difference: float,
    n: int,
    alpha: float = 0.05,
    power: float = 0.8,
) -> Plan:
    """The seeds per recipe with which `paired_crossed` tells two recipes apart on `n` images.

    `components` are those of the differences (`crossed_components`), `difference` the one to be
    found. More seeds do not help against too few images: then None, with that reason.

    Source: noncentral t with the variance and degrees of freedom of `crossed_t_interval`.

    Raises:
        ValueError: a component negative or not finite; `n` below 2; `alpha` or `power` outside
            (0, 1); `difference` not finite.
    """
    _check_share(alpha, "alpha")
    _check_share(power, "power")
    if not all(math.isfinite(part) and part >= 0 for part in components) or n < 2:
        raise ValueError(f"components {components} of {n} images: must be 0 or more, of 2 or more")
    if not math.isfinite(difference):
        raise ValueError(f"difference is {difference}")
    if difference == 0:
        return Plan(None, "seeds", "no number of seeds separates them: no difference")
    floor = math.sqrt(components.images / n)
    reach = float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))
    if floor * reach >= abs(difference):
        return Plan(
            None, "seeds", f"no number of seeds suffices with these {n} images: more images"
        )
    seeds: Integers = np.arange(2, MOST_SEEDS + 1, dtype=np.int64)
    enough = np.flatnonzero(_crossed_power(seeds, components, difference, n, alpha) >= power)
    if not enough.size:
        return Plan(None, "seeds", f"more than {MOST_SEEDS} seeds with these {n} images")
    return Plan(int(seeds[enough[0]]), "seeds", f"each, with {n} images")


def _crossed_power(
    seeds: Integers, components: Components, difference: float, n: int, alpha: float
) -> Floats:
    shared = components.residual / (seeds * n)
    models, images = components.models / seeds + shared, components.images / n + shared
    total = models + images
    if not total.any():
        return np.ones(seeds.shape)
    df = total**2 / (models**2 / (seeds - 1) + images**2 / (n - 1))
    shift = abs(difference) / np.sqrt(total)
    return np.asarray(stats.nct.sf(stats.t.isf(alpha / 2, df), df, shift))


def _power_at(sizes: Integers, accuracy: float, target: float, level: float) -> Floats:
    """The probability of a decided verdict for each test set size."""
    if accuracy > target:
        least = stats.binom.isf(1 - level, sizes, target) + 1
        return np.asarray(stats.binom.sf(least - 1, sizes, accuracy))
    most = stats.binom.isf(1 - level, sizes, 1 - target) + 1  # wrong answers
    return np.asarray(stats.binom.sf(most - 1, sizes, 1 - accuracy))


def _images_for_share(accuracy: float, target: float, level: float, power: float) -> float:
    reach = stats.norm.isf(1 - level) * math.sqrt(target * (1 - target))
    reach += stats.norm.ppf(power) * math.sqrt(accuracy * (1 - accuracy))
    gap = abs(accuracy - target)
    return float((reach / gap) ** 2 + 2 / gap)


def _lower(correct: float, n: float, level: float, method: Bound) -> float:
    if method == "clopper_pearson":
        bound = clopper_pearson_lower(correct, n, level)
    elif level > 0.5:
        bound = wilson(correct, n, 2 * level - 1, fractional=True)
    else:
        raise ValueError(f"level must be in (0.5,1) for a one-sided Wilson bound, not {level}")
    return 0.0 if bound.low is None else bound.low


def _check_share(value: float, name: str) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must be in (0,1), not {value}")
