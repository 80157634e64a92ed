"""The inverse power law that the error of a model follows as its training set grows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.bootstrap import expanded_tail
from fashion_exp.stats.checks import Floats, validate_resampling

EXPONENTS = np.linspace(0.1, 2, 96)
"""Those that are tried. Measured ones lie between 0.07 and 1 (Hestness et al. 2017,
arXiv:1712.00409)."""


class PowerLaw(NamedTuple):
    """error(n) = floor + scale · n^(-exponent); arrays (fits,) for several fits."""

    floor: Floats
    scale: Floats
    exponent: Floats

    def error(self, n: float | Floats) -> Floats:
        """(fits,) at a size, (fits, sizes) at several."""
        sizes = np.asarray(n, np.float64)
        if not sizes.ndim:
            return self.floor + self.scale * sizes**-self.exponent
        return self.floor[:, None] + self.scale[:, None] * sizes ** -self.exponent[:, None]


def fit_power_law(sizes: ArrayLike, errors: ArrayLike) -> PowerLaw:
    """Least squares fits of errors (fits, k) at sizes (k,), k >= 4, with floor and scale >= 0.

    For each exponent the best floor and scale have a closed form, so the result is the best of all
    `EXPONENTS` and never stuck in a local minimum.

    Source: Figueroa et al. 2012, BMC Med. Inform. Decis. Mak. 12:8 (a, b, c of their equation 1);
    Viering & Loog 2023, IEEE TPAMI 45:7799-7819, on where it fits.

    Raises:
        ValueError: fewer than 4 sizes: three numbers are fitted.
    """
    n, e = np.asarray(sizes, np.float64), np.atleast_2d(np.asarray(errors, np.float64))
    if len(n) < 4:
        raise ValueError(f"{len(n)} sizes: three numbers are fitted; give 4 or more")
    best = np.full(len(e), np.inf)
    law = np.zeros((3, len(e)))
    mean = e.mean(1)
    for exponent in EXPONENTS:
        x = n**-exponent
        deviation = x - x.mean()
        scale = np.maximum((e - mean[:, None]) @ deviation / (deviation @ deviation), 0)
        floor = mean - scale * x.mean()
        through_zero = np.maximum(e @ x / (x @ x), 0)
        scale, floor = np.where(floor < 0, through_zero, scale), np.maximum(floor, 0)
        residual = ((e - floor[:, None] - scale[:, None] * x) ** 2).sum(1)
        better = residual < best
        best = np.where(better, residual, best)
        law = np.where(better, np.stack([floor, scale, np.full(len(e), exponent)]), law)
    return PowerLaw(*law)


class Extrapolation(NamedTuple):
    """A fitted law with those of resampled repeats."""

    law: PowerLaw
    """Of one fit."""
    resampled: PowerLaw
    repeats: int

    def band(self, n: Floats, level: float) -> tuple[Floats, Floats, Floats]:
        """Accuracy (k,) at sizes (k,) with the percentiles of the resamples."""
        low, high = _percentiles(1 - self.resampled.error(n), level, self.repeats)
        return 1 - self.law.error(n)[0], low, high

    def gain(self, now: float, then: float, level: float) -> tuple[float, float, float]:
        """Accuracy gained from one size to another, with percentiles of the resamples."""
        gains = self.resampled.error(now) - self.resampled.error(then)
        low, high = _percentiles(gains, level, self.repeats)
        return float(self.law.error(now)[0] - self.law.error(then)[0]), float(low), float(high)


class ExtrapolationCheck(NamedTuple):
    """An extrapolation from smaller sizes beside what was measured at the largest."""

    fitted_up_to: float
    predicted: float
    """Accuracy at the largest size."""
    measured: float
    low: float
    high: float
    """Limits of predicted - measured."""

    @property
    def missed(self) -> bool:
        return not self.low <= 0 <= self.high


def extrapolate(
    sizes: ArrayLike, errors: ArrayLike, resamples: int = 1000, seed: int = 0
) -> Extrapolation:
    """The law of the mean errors over repeats (repeats, k), and those of bootstrapped repeats.

    Raises:
        ValueError: as `fit_power_law`.
    """
    e = np.asarray(errors, np.float64)
    return Extrapolation(
        fit_power_law(sizes, e.mean(0)),
        fit_power_law(sizes, _resampled_means(e, resamples, seed)),
        len(e),
    )


def check_extrapolation(
    sizes: ArrayLike, errors: ArrayLike, fitted: int, level: float = 0.95, resamples: int = 1000,
    seed: int = 0,
) -> ExtrapolationCheck:  # fmt: skip
    """Extrapolates from the first `fitted` sizes to the last one, and compares with its errors.

    The bootstrap draws the repeats of both at once, so their common noise cancels.

    Raises:
        ValueError: as `fit_power_law`; invalid `level` or `resamples`.
    """
    validate_resampling(level, resamples)
    n, e = np.asarray(sizes, np.float64), np.asarray(errors, np.float64)
    law = fit_power_law(n[:fitted], e.mean(0)[:fitted])
    means = _resampled_means(e, resamples, seed)
    resampled = fit_power_law(n[:fitted], means[:, :fitted])
    low, high = _percentiles(means[:, -1] - resampled.error(n[-1]), level, len(e))
    predicted = 1 - float(law.error(n[-1])[0])
    return ExtrapolationCheck(
        float(n[fitted - 1]), predicted, 1 - float(e.mean(0)[-1]), float(low), float(high)
    )


def _resampled_means(errors: Floats, resamples: int, seed: int) -> Floats:
    """(resamples, k)"""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(errors), size=(resamples, len(errors)))
    return np.asarray(errors[drawn].mean(1))


def _percentiles(values: Floats, level: float, repeats: int) -> tuple[Floats, Floats]:
    tail = expanded_tail(level, repeats)
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high
