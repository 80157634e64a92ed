"""Moderation of the variances of pairs, and the t-test that uses it."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.stats.moderation import VariancePrior, fit_variance_prior
from fashion_exp.stats.paired_t import paired_corrected_t


def test_recovers_scale_and_half_of_the_degrees_of_freedom() -> None:
    """Sources as in limma: s2 ~ s0^2 F(4, 6), which independent pairs would give as df 6."""
    rng = np.random.default_rng(0)
    variances = 3 * (rng.chisquare(4, 20_000) / 4) / (rng.chisquare(6, 20_000) / 6)
    prior = fit_variance_prior(variances, 4, 20_000)
    assert prior is not None
    assert prior.variance == pytest.approx(3, rel=0.05) and prior.df == pytest.approx(3, rel=0.1)


def test_equal_variances_are_pooled_up_to_what_the_other_runs_add() -> None:
    variances = np.random.default_rng(1).chisquare(4, 66) / 4
    prior = fit_variance_prior(variances, 4, 12)
    assert prior is not None and prior.df == 20  # half of (12 - 2) * 4


@pytest.mark.parametrize(("variances", "runs"), [([1.0] * 3, 3), ([1.0, 2.0, 0.0], 4)])
def test_few_runs_or_variances_have_no_prior(variances: list[float], runs: int) -> None:
    assert fit_variance_prior(variances, 4, runs) is None


def test_moderated_test_weights_variances_by_their_degrees_of_freedom() -> None:
    scores, prior = np.array([0.1, 0.2, 0.1, 0.0, 0.2]), VariancePrior(0.01, 12)
    plain, test = (paired_corrected_t(scores, 80, 20, prior=p) for p in (None, prior))
    variance = (12 * 0.01 + 4 * scores.var(ddof=1)) / 16
    assert (test.df, test.method) == (16, "paired_moderated_t")
    assert test.statistic == pytest.approx(scores.mean() / np.sqrt(variance * (1 / 5 + 1 / 4)))
    assert (plain.df, test.difference) == (4, plain.difference)


def test_moderation_tests_a_constant_difference_but_not_equality() -> None:
    prior = VariancePrior(0.01, 12)
    constant = paired_corrected_t([0.2] * 5, 80, 20, prior=prior)
    assert constant.status == "ok" and constant.trusted_p is not None
    assert paired_corrected_t([0.0] * 5, 80, 20, prior=prior).trusted_p == 1
