"""A comparison that is tested after every repeat, up to a number that is fixed beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy import special

from fashion_exp.stats.checks import Floats, validate_fraction

SPENDING_POWER = 2
"""After the share t of the repeats, alpha t^2 of the error rate is spent."""
GRID = 401
"""Points of the density between the bounds: levels change by less than .1 % with twice as many."""


@cache
def look_levels(first: int, last: int, alpha: float = 0.05) -> tuple[float, ...]:
    """The two-sided level of the test at each look, from `first` to `last` repeats.

    The chance that any look rejects a true hypothesis is `alpha`: after k repeats alpha (k/last)^2
    of it is spent. The levels are those of the z-tests of a mean of independent repeats. They hold
    for any design whose repeats have a part of the error in common, such as the images: its looks
    are more alike, so that fewer reject. The p-values of t-tests are compared with the same levels.
    Simulated at .05 for 4 to 30 repeats: .053 for independent differences, .037 with images and
    trainings crossed, .034 with redrawn splits. O'Brien and Fleming's spending was as valid and
    stopped later; spending in proportion to the repeats, and Pocock's, lost power; spending by the
    information of redrawn splits had .067.

    Source: Lan & DeMets 1983, Biometrika 70:659-663; the power family Kim & DeMets 1987, Biometrika
    74:149-154; levels instead of bounds for t-tests Jennison & Turnbull 2000, Group Sequential
    Methods, section 4.4; the recursion Armitage, McPherson & Rowe 1969, JRSS A 132:235-244.

    Raises:
        ValueError: `alpha` is outside (0, 1), or not 1 <= first <= last.
    """
    validate_fraction(alpha, "alpha")
    if not 1 <= first <= last:
        raise ValueError(f"needs 1 <= first <= last, not {first} and {last}")
    levels, spent, points, density = [], 0.0, np.zeros(1), np.ones(1)
    time = 0.0
    for repeats in range(first, last + 1):
        step, time = repeats / last - time, repeats / last
        target = alpha * time**SPENDING_POWER
        bound = _bound(points, density, step, (target - spent) / 2)
        grid = np.linspace(-bound, bound, GRID)
        kernel = np.exp(-((grid[:, None] - points) ** 2) / (2 * step)) / math.sqrt(
            2 * math.pi * step
        )
        density = (kernel @ density) * _weights(grid)
        points, spent = grid, target
        levels.append(2 * float(special.ndtr(-bound / math.sqrt(time))))
    return tuple(levels)


def _weights(grid: Floats) -> Floats:
    """Of the trapezoidal rule."""
    weights = np.full(len(grid), grid[1] - grid[0])
    weights[[0, -1]] /= 2
    return weights


def _bound(points: Floats, density: Floats, step: float, tail: float) -> float:
    """The value that the sum exceeds after this step with probability `tail`."""
    low, high = 0.0, 12.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        above = float(density @ special.ndtr((points - middle) / math.sqrt(step)))
        low, high = (middle, high) if above > tail else (low, middle)
    return high


class Estimate(NamedTuple):
    """A difference with its standard error and degrees of freedom, and those that the last look
    will have."""

    difference: float
    se: float
    df: float
    last_se: float
    last_df: float


def chance_of_decision(estimate: Estimate, decided: Sequence[tuple[float, float]]) -> float:
    """The predictive probability that the difference at the last look is in one of the intervals
    `decided`, which do not overlap, for a flat prior.

    The difference at the last look is around that of now with variance se^2 - last_se^2; t with the
    degrees of freedom of now.

    Source: Spiegelhalter, Freedman & Blackburn 1986, Controlled Clinical Trials 7:8-17.
    """
    variance = max(estimate.se**2 - estimate.last_se**2, 0.0)
    if not variance:
        return float(any(low < estimate.difference < high for low, high in decided))
    scale = math.sqrt(variance)

    def below(value: float) -> float:
        return float(special.stdtr(estimate.df, (value - estimate.difference) / scale))

    return min(sum(below(high) - below(low) for low, high in decided), 1.0)
