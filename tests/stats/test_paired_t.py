"""Paired t-tests: groups, splits, 5x2 cross-validation, and seeds crossed with images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from fashion_exp.stats.checks import Floats
from fashion_exp.stats.crossed import crossed_t_interval
from fashion_exp.stats.interval import Estimand
from fashion_exp.stats.paired import PairedTest, tango
from fashion_exp.stats.paired_crossed import paired_crossed, unpaired_crossed
from fashion_exp.stats.paired_t import (
    bayesian_correlated_t,
    five_by_two,
    paired_corrected_t,
    paired_grouped,
)
from fashion_exp.stats.t_intervals import corrected_t_interval
from tests.stats.helpers import LEVELS, PROPERTY, limits, raw_limits, simulated_answers, width

DIFFERENCES = st.lists(st.floats(-0.5, 0.5), min_size=10, max_size=10).filter(
    lambda values: np.ptp(values) > 1e-3
)


def table(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64).reshape(5, 2)


TESTS: dict[str, Callable[[ArrayLike, float], PairedTest]] = {
    "grouped": lambda d, level: paired_grouped(d, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], level),
    "corrected": lambda d, level: paired_corrected_t(d, 80, 20, level),
    "five_by_two": lambda d, level: five_by_two(table(d), level),
    "crossed": lambda d, level: paired_crossed(table(d), level),
}
INVERTIBLE = ["grouped", "corrected", "crossed"]
"""Tests whose interval is the inverted test."""
UNITS = {
    "grouped": "groups",
    "corrected": "splits",
    "five_by_two": "folds",
    "crossed": "models x images",
}


@PROPERTY
@given(DIFFERENCES, LEVELS, st.sampled_from(sorted(TESTS)))
def test_swapping_runs_negates_interval_and_keeps_p(
    differences: list[float], level: float, name: str
) -> None:
    test = TESTS[name](differences, level)
    swapped = TESTS[name]([-d for d in differences], level)
    assert test.difference is not None and swapped.p == test.p
    assert test.p is None or 0 <= test.p <= 1
    assert swapped.difference == pytest.approx(-test.difference, abs=1e-12)
    low, high = limits(test.interval)
    assert limits(swapped.interval) == pytest.approx((-high, -low))
    assert low <= test.difference + 1e-12 and test.difference <= high + 1e-12


@PROPERTY
@given(DIFFERENCES, st.floats(0.01, 0.4), st.sampled_from(INVERTIBLE))
def test_interval_excludes_0_where_test_rejects(
    differences: list[float], alpha: float, name: str
) -> None:
    test = TESTS[name](differences, 1 - alpha)
    if test.status == "ok" and test.p is not None and abs(test.p - alpha) > 1e-9:
        low, high = raw_limits(test.interval)
        assert (test.p < alpha) == (low > 0 or high < 0)


@pytest.mark.parametrize("name", TESTS)
def test_identical_runs_have_p_1(name: str) -> None:
    same = TESTS[name]([0.0] * 10, 0.95)
    assert (same.p, same.difference, same.status) == (1.0, 0.0, "degenerate")
    assert same.note == "no difference anywhere" and same.trusted_p == 1.0
    assert limits(same.interval) == (0.0, 0.0) and same.interval.status == "degenerate"


@pytest.mark.parametrize("name", TESTS)
def test_constant_difference_has_no_trusted_p(name: str) -> None:
    constant = TESTS[name]([0.1] * 10, 0.95)
    assert constant.status == "degenerate" and constant.trusted_p is None and constant.note
    assert constant.difference == pytest.approx(0.1)


@pytest.mark.parametrize("name", TESTS)
def test_interval_has_level_and_unit(name: str) -> None:
    interval = TESTS[name]([0.0, 0.1, 0.2, -0.1, 0.3, 0.1, 0.0, 0.05, 0.1, 0.2], 0.9).interval
    assert (interval.level, interval.unit) == (0.9, UNITS[name])


# --- images in groups ------------------------------------------------------------------------


def test_single_images_reproduce_paired_t_of_sleep_data() -> None:
    a = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    b = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    test = paired_grouped(np.subtract(a, b), range(10), bounded=False)
    assert (test.statistic, test.p, test.df) == pytest.approx((-4.062128, 0.00283289, 9))
    assert limits(test.interval) == pytest.approx((-2.4598858, -0.7001142))


def test_copies_of_an_image_in_one_group_add_no_information() -> None:
    a, b = simulated_answers(2, 100)
    plain = paired_grouped(a - b, np.arange(100))
    copied = paired_grouped(np.repeat(a - b, 7), np.repeat(np.arange(100), 7))
    assert copied.p == pytest.approx(plain.p)
    assert limits(copied.interval) == pytest.approx(limits(plain.interval))


def test_equal_answers_fall_back_on_tango_over_groups() -> None:
    same = paired_grouped(np.zeros(100), np.repeat(np.arange(25), 4))
    assert same.interval.fallback == tango(25, 0, 0, 0)
    assert paired_grouped(np.zeros(9), range(9), bounded=False).interval.fallback is None


def test_one_group_is_undefined_and_few_warn() -> None:
    single = paired_grouped([1, 0, -1, 1], ["a"] * 4)
    assert (single.status, single.p, single.note) == ("undefined", None, "needs at least 2 groups")
    assert "G=3 groups" in paired_grouped([1, 0, -1], range(3)).note


# --- splits ----------------------------------------------------------------------------------


def test_corrected_test_has_the_corrected_interval() -> None:
    differences = [0.01, 0.03, 0.02, 0.00, 0.04]
    test = paired_corrected_t(differences, 80, 20)
    interval = corrected_t_interval(differences, 80, 20, bounded=False)
    assert limits(test.interval) == pytest.approx(limits(interval))
    assert test.interval.target == Estimand.RECIPE_DIFFERENCE
    assert test.df == 4 and test.interval.scores == 5


def test_one_split_is_undefined_and_few_warn() -> None:
    single = paired_corrected_t([0.1], 80, 20)
    assert (single.status, single.p, single.difference) == ("undefined", None, 0.1)
    assert "J=3" in paired_corrected_t([0.1, 0.2, 0.15], 80, 20).note


def test_posterior_reproduces_example_of_scikit_learn() -> None:
    raw = np.linspace(-1, 1, 100)
    differences = 0.01 + 0.03829708431025352 * raw / raw.std(ddof=1)
    posterior = bayesian_correlated_t(differences, 90, 10, rope=0.01)
    probabilities = (posterior.worse, posterior.equal, posterior.better)
    assert probabilities == pytest.approx((0.0683, 0.4317, 0.5), abs=5e-5)


@PROPERTY
@given(DIFFERENCES, st.floats(0, 0.2))
def test_posterior_sums_to_1_and_swaps_with_runs(differences: list[float], rope: float) -> None:
    posterior = bayesian_correlated_t(differences, 80, 20, rope)
    swapped = bayesian_correlated_t([-d for d in differences], 80, 20, rope)
    assert posterior.worse is not None and posterior.equal is not None
    assert posterior.better is not None
    assert posterior.worse + posterior.equal + posterior.better == pytest.approx(1)
    assert swapped.better == pytest.approx(posterior.worse)


def test_posterior_without_variance_is_degenerate() -> None:
    certain = bayesian_correlated_t([0.02] * 5, 80, 20)
    assert (certain.worse, certain.equal, certain.better) == (0, 0, 1)
    assert certain.status == "degenerate"
    assert bayesian_correlated_t([0.0] * 5, 80, 20, rope=0).equal == 1
    single = bayesian_correlated_t([0.02], 80, 20)
    assert (single.equal, single.status) == (None, "undefined")


# --- 5x2 -------------------------------------------------------------------------------------


def test_5x2_t_depends_on_order_and_f_does_not() -> None:
    differences = table([0.0, 0.01, 0.04, -0.03, 0.01, 0.03, 0.01, 0.02, 0.02, 0.07])
    reordered = differences[::-1, ::-1]
    assert five_by_two(differences).p == pytest.approx(five_by_two(reordered).p)
    assert five_by_two(differences, variant="t").p == 1.0
    assert five_by_two(reordered, variant="t").p != 1.0


@pytest.mark.parametrize("variant", ["F", "t"])
def test_5x2_without_variance_has_no_trusted_p(variant: Literal["F", "t"]) -> None:
    constant = five_by_two([[0.02, 0.02]] * 5, variant=variant)
    assert (constant.p, constant.statistic, constant.status) == (0.0, math.inf, "degenerate")
    assert constant.note == "zero within-replication variance; p not trustworthy"
    assert constant.trusted_p is None
    assert five_by_two([[0.0, 0.0]] * 5, variant=variant).trusted_p == 1.0


# --- seeds crossed with images ---------------------------------------------------------------


def test_paired_crossed_estimates_new_trainings_on_these_photos() -> None:
    a, b = simulated_answers(4, 80, 1), simulated_answers(4, 80, 2)
    interval = paired_crossed(a - b).interval
    assert interval.estimate == pytest.approx((a - b).mean())
    assert interval.target == Estimand.RECIPE_DIFFERENCE_ON_DATA
    conservative = crossed_t_interval(a - b, bounded=False)  # counts the interaction twice
    assert width(interval) < width(conservative)


def test_one_seed_is_undefined_and_falls_back_on_tango() -> None:
    a, b = simulated_answers(2, 300)
    only_a, only_b = int((a > b).sum()), int((a < b).sum())
    reference = tango(300 - only_a - only_b, only_a, only_b, 0)
    for test in (paired_crossed((a - b)[None]), unpaired_crossed(a[None], b[None])):
        assert (test.status, test.p) == ("undefined", None) and "use mcnemar" in test.note
        fallback = test.interval.fallback
        assert fallback is not None and fallback.target.endswith("the two tested models")
        assert limits(fallback) == pytest.approx(limits(reference))
    assert unpaired_crossed(simulated_answers(3, 300), b[None]).status == "undefined"


def test_unpaired_seeds_may_differ_in_number_and_order() -> None:
    a, b = simulated_answers(5, 200, 1), simulated_answers(3, 200, 2)
    test = unpaired_crossed(a, b)
    assert unpaired_crossed(a[::-1], b[[2, 0, 1]]).p == pytest.approx(test.p)
    assert test.difference == pytest.approx(a.mean() - b.mean()) and test.interval.scores == 3
    assert "S=3" in test.note and unpaired_crossed(a, a).p == 1.0


def test_unpaired_equals_paired_if_models_of_one_recipe_are_equal() -> None:
    a, b = simulated_answers(4, 200, 1), np.repeat(simulated_answers(1, 200, 2), 4, axis=0)
    assert unpaired_crossed(a, b).p == pytest.approx(paired_crossed(a - b).p)


def test_identical_seeds_fall_back_on_tango_of_the_models() -> None:
    fallback = paired_crossed(np.zeros((3, 600))).interval.fallback
    assert fallback is not None and limits(fallback) == limits(tango(600, 0, 0, 0))
    assert fallback.target == "the mean difference between the tested models"
    assert paired_crossed(np.zeros((3, 600)), bounded=False).interval.fallback is None
    grouped = paired_crossed(np.zeros((3, 600)), groups=np.arange(600) // 6).interval.fallback
    assert grouped is not None and width(grouped) > 4 * width(fallback)


def test_groups_widen_crossed_difference() -> None:
    a, b = (np.repeat(simulated_answers(4, 100, seed), 5, axis=1) for seed in (1, 2))
    grouped = paired_crossed(a - b, groups=np.repeat(np.arange(100), 5))
    assert width(grouped.interval) > width(paired_crossed(a - b).interval)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_grouped([2, 0], [0, 1]), "outside"),
        (lambda: paired_grouped([1, 0], [0]), "one group label each"),
        (lambda: paired_corrected_t([0.1, math.nan], 80, 20), "1 of 2 scores missing"),
        (lambda: paired_corrected_t([0.1, 0.2]), "n_train and n_test are required"),
        (lambda: paired_corrected_t([], 80, 20), "no scores"),
        (lambda: paired_corrected_t([0.1, 0.2], 80, 20, 95), "level"),
        (lambda: bayesian_correlated_t([0.1, 0.2], 80, 20, -1), "rope"),
        (lambda: five_by_two(np.zeros((4, 2))), "needs exactly 5 replications of 2 folds"),
        (lambda: five_by_two([[0.1, math.nan]] * 5), "incomplete"),
        (lambda: five_by_two(np.eye(5, 2), variant="z"), "variant"),  # type: ignore[arg-type]
        (lambda: paired_crossed([1, 0, 1]), "models, images"),
        (lambda: paired_crossed([[1, math.inf]]), "infinite"),
        (lambda: unpaired_crossed(np.ones((2, 3)), np.ones((2, 4))), "image id"),
    ],
)
def test_rejects_invalid_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
