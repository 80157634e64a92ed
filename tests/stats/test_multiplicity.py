"""Holm's adjustment of a family with failed tests, and Cochran's Q."""

from __future__ import annotations

import math
from functools import lru_cache
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fashion_exp.stats.interval import Estimand, Interval, point_estimate
from fashion_exp.stats.multiplicity import (
    agree_with_decision,
    bonferroni_level,
    cochrans_q,
    holm,
    holm_selected,
    may_be_best,
)
from fashion_exp.stats.paired import mcnemar, paired_counts
from tests.stats.helpers import PROPERTY, simulated_answers

FAMILIES = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=20)


def test_failed_test_stays_in_the_family() -> None:
    assert holm([0.01, None, 0.04]) == [pytest.approx(0.03), None, pytest.approx(0.08)]
    assert holm([0.01, 1.0, 0.04])[::2] == holm([0.01, None, 0.04])[::2]
    assert holm([]) == [] and holm([0.03]) == [0.03] and holm([None, None]) == [None, None]


@pytest.mark.parametrize("p", [math.nan, -0.1, 1.1])
def test_rejects_invalid_p_value(p: float) -> None:
    with pytest.raises(ValueError, match="p-value must be in"):
        holm([0.5, p])


def test_selected_run_is_compared_as_one_of_all_pairs() -> None:
    adjusted = holm_selected([0.01, 0.001, None, 0.02], 5)
    assert adjusted == [pytest.approx(0.06), pytest.approx(0.01), None, pytest.approx(0.1)]
    assert holm_selected([0.03], 2) == [0.03]
    assert holm_selected([0.01, 0.03], 3) == [pytest.approx(0.03)] * 2  # the second is one pair
    with pytest.raises(ValueError, match="3 comparisons of one of 3 candidates"):
        holm_selected([0.1] * 3, 3)


@PROPERTY
@given(FAMILIES)
def test_selection_never_lowers_an_adjusted_p(family: list[float | None]) -> None:
    given_beforehand, selected = holm(family), holm_selected(family, len(family) + 1)
    for p, q in zip(given_beforehand, selected, strict=True):
        assert (p is None) == (q is None) and (p or 0) <= (q or 0) + 1e-12


def test_best_may_be_any_run_that_no_test_rules_out() -> None:
    assert may_be_best([0.03, 0.02, None, 0.5], 5, 0.05) == [True, False, True, True]
    assert may_be_best([0.09], 2, 0.05) == [False]  # one-sided


@PROPERTY
@given(FAMILIES)
def test_adjustment_keeps_order_and_never_lowers_p(family: list[float | None]) -> None:
    pairs = [(p, q) for p, q in zip(family, holm(family), strict=True) if p is not None]
    assert [q is None for q in holm(family)] == [p is None for p in family]
    for p, q in pairs:
        assert q is not None and p <= q <= min(1, len(family) * p)
    ordered = [q for _, q in sorted((p, q or 0) for p, q in pairs)]
    assert ordered == sorted(ordered)


@PROPERTY
@given(FAMILIES, st.randoms())
def test_order_of_the_family_is_irrelevant(family: list[float | None], random: Random) -> None:
    order = list(range(len(family)))
    random.shuffle(order)
    adjusted = holm(family)
    assert holm([family[index] for index in order]) == [adjusted[index] for index in order]


@PROPERTY
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.integers(0, 5))
def test_failed_tests_only_raise_p(family: list[float], failures: int) -> None:
    with_failures = holm([*family, *[None] * failures])[: len(family)]
    for p, q in zip(holm(family), with_failures, strict=True):
        assert p is not None and q is not None and q >= p


@lru_cache
def half_width_of(level: float) -> float:
    return float(stats.norm.isf((1 - level) / 2))


def normal_interval(z: float, level: float) -> Interval:
    """Of an estimate with a standard error of 1."""
    point = point_estimate(z, level, "z", Estimand.MODEL_DIFFERENCE, "images", scores=1)
    half_width = half_width_of(level)
    return point.with_limits(z - half_width, z + half_width)


@PROPERTY
@given(st.lists(st.floats(-6, 6), min_size=1, max_size=12), st.integers(0, 5))
def test_joint_interval_excludes_0_if_and_only_if_holm_decides(
    estimates: list[float], omitted: int
) -> None:
    alpha, family = 0.05, len(estimates) + omitted
    p_values = [2 * float(stats.norm.sf(abs(z))) for z in estimates]
    for z, p in zip(estimates, holm([*p_values, *[None] * omitted]), strict=False):
        assert p is not None
        plain = normal_interval(z, bonferroni_level(alpha, family))
        joint = agree_with_decision(plain, p < alpha)
        assert None not in (plain.low, plain.high, joint.low, joint.high)
        assert (joint.low > 0 or joint.high < 0) == (p < alpha)  # type: ignore[operator]
        assert joint.low <= z <= joint.high  # type: ignore[operator]
        if plain.low > 0 or plain.high < 0:  # type: ignore[operator]
            assert joint == plain
        assert joint.negated.negated == joint


@pytest.mark.parametrize(
    ("differences", "least"), [([0.0] * 10, 0.93), ([0.0] + [9.0] * 9, 0.885), ([2.0] * 10, 0.93)]
)
def test_joint_intervals_cover_all_differences_at_once(
    differences: list[float], least: float
) -> None:
    """At alpha .05, in 1,000 simulations; the bound is 1 - 2 alpha less three standard errors."""
    truth, level = np.array(differences), bonferroni_level(0.05, len(differences))
    covered = 0
    for noise in np.random.default_rng(0).normal(size=(1000, len(truth))):
        estimates = truth + noise
        p_values = holm([2 * float(p) for p in stats.norm.sf(np.abs(estimates))])
        joint = [
            agree_with_decision(normal_interval(float(z), level), p is not None and p < 0.05)
            for z, p in zip(estimates, p_values, strict=True)
        ]
        covered += all(
            (interval.low or 0) <= true <= (interval.high or 0)
            for interval, true in zip(joint, truth, strict=True)
        )
    assert covered / 1000 > least


def test_interval_of_a_test_that_does_not_decide_is_extended_to_0() -> None:
    joint = agree_with_decision(normal_interval(3, 0.95), is_decided=False)
    assert joint.low == 0 and joint.high == normal_interval(3, 0.95).high
    nothing = point_estimate(None, 0.95, "z", Estimand.MODEL_DIFFERENCE, "images", scores=1)
    assert agree_with_decision(nothing, is_decided=False) == nothing


def test_q_of_two_models_equals_mcnemar_chi2() -> None:
    a, b = simulated_answers(2, 300)
    chi2 = mcnemar(*paired_counts(a, b), variant="chi2")
    omnibus = cochrans_q([a, b])
    assert (omnibus.statistic, omnibus.p) == pytest.approx((chi2.statistic, chi2.p))
    assert (omnibus.df, omnibus.n, omnibus.models) == (1, 300, 2)


def test_q_ignores_images_on_which_all_models_agree() -> None:
    right = simulated_answers(4, 100)
    extended = np.hstack([right, np.ones((4, 50)), np.zeros((4, 20))])
    assert cochrans_q(extended).p == pytest.approx(cochrans_q(right).p)


def test_q_of_equal_models_has_p_1() -> None:
    same = cochrans_q(np.tile(simulated_answers(1, 50), (3, 1)))
    assert (same.p, same.statistic, same.note) == (1.0, 0.0, "models agree on every image")


def test_q_of_one_model_is_undefined() -> None:
    single = cochrans_q([[1, 0, 1]])
    assert (single.status, single.p, single.note) == ("undefined", None, "needs at least 2 models")


def test_q_rejects_invalid_answers() -> None:
    with pytest.raises(ValueError, match="right"):
        cochrans_q([[1.0, 0.5], [0.0, 1.0]])
    with pytest.raises(ValueError, match="incomplete"):
        cochrans_q([[1.0, math.nan], [0.0, 1.0]])
