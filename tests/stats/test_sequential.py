"""Levels of the looks of a race."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fashion_exp.stats.sequential import Estimate, chance_of_decision, look_levels


def test_one_look_has_the_whole_level() -> None:
    assert look_levels(7, 7, 0.05) == pytest.approx((0.05,), abs=1e-9)


def test_first_look_spends_its_share_of_alpha() -> None:
    assert look_levels(4, 30)[0] == pytest.approx(0.05 * (4 / 30) ** 2, rel=1e-6)


def test_any_look_rejects_a_true_hypothesis_with_probability_alpha() -> None:
    rng = np.random.default_rng(0)
    sums = np.cumsum(rng.normal(size=(40_000, 12)), axis=1)[:, 3:]
    z = np.abs(sums) / np.sqrt(np.arange(4, 13))
    rejected = (2 * stats.norm.sf(z) < look_levels(4, 12, 0.1)).any(axis=1)
    assert abs(rejected.mean() - 0.1) < 3 * math.sqrt(0.09 / 40_000)


def test_two_looks_equal_the_bivariate_normal() -> None:
    first, second = look_levels(1, 2, 0.05)
    bounds = stats.norm.isf(first / 2), stats.norm.isf(second / 2)
    normal = stats.multivariate_normal(cov=[[1, math.sqrt(0.5)], [math.sqrt(0.5), 1]])
    inside = normal.cdf(bounds, lower_limit=[-bound for bound in bounds])
    assert 1 - inside == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("first", "last", "alpha"), [(0, 3, 0.05), (4, 3, 0.05), (1, 3, 1.0)])
def test_impossible_looks_are_refused(first: int, last: int, alpha: float) -> None:
    with pytest.raises(ValueError):
        look_levels(first, last, alpha)


def test_chance_of_decision_is_that_of_a_mean_that_is_still_to_be_drawn() -> None:
    certain = Estimate(0.05, se=0.02, df=20, last_se=0.02, last_df=20)
    assert chance_of_decision(certain, [(0.04, 1.0)]) == 1.0
    assert chance_of_decision(certain, [(0.06, 1.0)]) == 0.0
    open_ = Estimate(0.05, se=0.05, df=1e9, last_se=0.03, last_df=1e9)
    expected = stats.norm.sf(0.09, loc=0.05, scale=0.04)
    assert chance_of_decision(open_, [(0.09, math.inf)]) == pytest.approx(expected, abs=1e-6)
