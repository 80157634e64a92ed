"""The posterior of a difference of two runs, as a check beside a test."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from fashion_exp.stats.checks import Floats
from fashion_exp.stats.crossed import VarianceTerm
from fashion_exp.stats.interval import Status
from fashion_exp.stats.paired_t import RopePosterior

DRAWS = 20_000


def hierarchical_posterior(
    difference: float,
    means: list[VarianceTerm],
    interactions: list[VarianceTerm],
    rope: float = 0.01,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> RopePosterior:
    """The posterior of a difference with random effects of trainings and images.

    `means` are the terms of the trainings (one for each run, or one for their pairs) and of the
    images, each of which contains an interaction; `interactions` are those of the trainings, in the
    same order, and empty if the design has none. The model has normal effects and the usual flat
    priors of the difference and of the logarithms of the expected mean squares, so each of these is
    a scaled inverse chi-square and the difference is normal given them. Draws with a negative
    component of variance are left out; if nearly all have one, that component is 0.

    Source: Box & Tiao 1973, Bayesian Inference in Statistical Analysis, sections 5.2 and 6.3;
    region of practical equivalence as in Benavoli, Corani, Demsar & Zaffalon 2017, JMLR 18(77).

    Raises:
        ValueError: `rope` is negative or not finite.
    """
    if not (rope >= 0 and math.isfinite(rope)):
        raise ValueError(f"rope must be 0 or more, not {rope}")
    rng = np.random.default_rng(seed)

    def expected(terms: list[VarianceTerm]) -> Floats:
        scales = [term.variance * term.df / rng.chisquare(term.df, draws) for term in terms]
        return np.array(scales).reshape(len(terms), draws)

    from_means, both = expected(means), expected(interactions)
    count = len(interactions)
    is_valid = (from_means[:count] >= both).all(axis=0) & (from_means[-1] >= both.sum(axis=0))
    if count and is_valid.mean() >= 0.01:
        from_means, both = from_means[:, is_valid], both[:, is_valid]
    elif count:
        from_means[:count] = np.maximum(from_means[:count], both)
        from_means[-1] = np.maximum(from_means[-1], both.sum(axis=0))
    variance = from_means.sum(axis=0) - both.sum(axis=0)
    values = difference + np.sqrt(variance) * rng.normal(size=variance.size)
    worse, better = float((values < -rope).mean()), float((values > rope).mean())
    status: Status = "ok" if variance.any() else "degenerate"
    scores = int(means[0].df) + 1
    return RopePosterior(worse, 1 - worse - better, better, rope, scores, status)


def t_posterior(difference: float, se: float, df: float, rope: float = 0.01) -> RopePosterior:
    """The posterior of a mean difference of images or groups: Student's t around it.

    Source: as `hierarchical_posterior`, with images alone; Box & Tiao 1973, section 2.4.
    """
    scores = int(df) + 1
    if se == 0:
        shares = (difference < -rope, abs(difference) <= rope, difference > rope)
        worse, equal, better = (float(share) for share in shares)
        return RopePosterior(worse, equal, better, rope, scores, "degenerate")
    posterior = stats.t(df, loc=difference, scale=se)
    worse, better = float(posterior.cdf(-rope)), float(posterior.sf(rope))
    return RopePosterior(worse, max(1 - worse - better, 0.0), better, rope, scores, "ok")
