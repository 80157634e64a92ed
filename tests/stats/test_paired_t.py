"""Paired tests by Student's t: groups, splits, 5x2, and seeds crossed with images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.crossed import crossed_t_interval
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.paired import PairedTest, tango
from fashion_exp.stats.paired_crossed import paired_crossed, unpaired_crossed
from fashion_exp.stats.paired_t import (
    bayesian_correlated_t,
    five_by_two,
    paired_corrected_t,
    paired_grouped,
)
from fashion_exp.stats.scores import corrected_t_interval
from tests.stats.given import LAW, LEVELS, answers, limits, raw_limits, width

DIFFERENCES = st.lists(st.floats(-0.5, 0.5), min_size=10, max_size=10).filter(
    lambda d: np.ptp(d) > 1e-3
)


def table(values: list[float]) -> np.ndarray:
    return np.array(values).reshape(5, 2)


TESTS: dict[str, Callable[[list[float], float], PairedTest]] = {
    "grouped": lambda d, level: paired_grouped(d, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], level),
    "corrected": lambda d, level: paired_corrected_t(d, 80, 20, level),
    "five_by_two": lambda d, level: five_by_two(table(d), level),
    "crossed": lambda d, level: paired_crossed(table(d), level),
}
OF_THE_INTERVAL = ["grouped", "corrected", "crossed"]
"""Where the interval is the test turned around."""


@LAW
@given(DIFFERENCES, LEVELS, st.sampled_from(sorted(TESTS)))
def test_swapping_a_and_b_flips_the_sign_and_keeps_p(
    differences: list[float], level: float, name: str
) -> None:
    found = TESTS[name](differences, level)
    turned = TESTS[name]([-d for d in differences], level)
    assert found.difference is not None and turned.p == found.p
    assert found.p is None or 0 <= found.p <= 1
    assert turned.difference == pytest.approx(-found.difference, abs=1e-12)
    low, high = limits(found.interval)
    assert limits(turned.interval) == pytest.approx((-high, -low))
    assert low <= found.difference + 1e-12 and found.difference <= high + 1e-12


@LAW
@given(DIFFERENCES, st.floats(0.01, 0.4), st.sampled_from(OF_THE_INTERVAL))
def test_the_interval_leaves_out_0_where_the_test_rejects(
    differences: list[float], alpha: float, name: str
) -> None:
    found = TESTS[name](differences, 1 - alpha)
    if found.status == "ok" and found.p is not None and abs(found.p - alpha) > 1e-9:
        low, high = raw_limits(found.interval)
        assert (found.p < alpha) == (low > 0 or high < 0)


@pytest.mark.parametrize("name", TESTS)
def test_identical_runs_differ_by_nothing(name: str) -> None:
    same = TESTS[name]([0.0] * 10, 0.95)
    assert (same.p, same.difference, same.status) == (1.0, 0.0, "degenerate")
    assert same.note == "no difference anywhere" and same.trusted_p == 1.0
    assert limits(same.interval) == (0.0, 0.0) and same.interval.status == "degenerate"


@pytest.mark.parametrize("name", TESTS)
def test_the_same_difference_everywhere_decides_nothing(name: str) -> None:
    flat = TESTS[name]([0.1] * 10, 0.95)
    assert flat.status == "degenerate" and flat.trusted_p is None and flat.note
    assert flat.difference == pytest.approx(0.1)


# --- images in groups ------------------------------------------------------------------------


def test_single_images_make_the_paired_t_test_of_students_sleep() -> None:
    a = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    b = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = paired_grouped(np.subtract(a, b), range(10), bounded=False)
    assert (found.statistic, found.p, found.df) == pytest.approx((-4.062128, 0.00283289, 9))
    assert limits(found.interval) == pytest.approx((-2.4598858, -0.7001142))


def test_copies_of_an_image_add_nothing() -> None:
    a, b = answers(2, 100)
    plain = paired_grouped(a - b, np.arange(100))
    copied = paired_grouped(np.repeat(a - b, 7), np.repeat(np.arange(100), 7))
    assert copied.p == pytest.approx(plain.p)
    assert limits(copied.interval) == pytest.approx(limits(plain.interval))


def test_groups_that_agree_everywhere_fall_back_on_tango_over_groups() -> None:
    same = paired_grouped(np.zeros(100), np.repeat(np.arange(25), 4))
    assert same.interval.fallback == tango(25, 0, 0, 0)
    assert paired_grouped(np.zeros(9), range(9), bounded=False).interval.fallback is None


def test_one_group_is_no_sample() -> None:
    one = paired_grouped([1, 0, -1, 1], ["a"] * 4)
    assert (one.status, one.p, one.note) == ("undefined", None, "needs at least 2 groups")
    assert "G=3 groups" in paired_grouped([1, 0, -1], range(3)).note


# --- splits ----------------------------------------------------------------------------------


def test_the_corrected_test_turns_its_interval_around() -> None:
    gains = [0.01, 0.03, 0.02, 0.00, 0.04]
    found = paired_corrected_t(gains, 80, 20)
    own = corrected_t_interval(gains, 80, 20, bounded=False)
    assert limits(found.interval) == pytest.approx(limits(own))
    assert found.interval.target == "the difference of the recipes at this training size"
    assert found.df == 4 and found.interval.scores == 5


def test_one_split_has_no_test_and_few_are_flagged() -> None:
    one = paired_corrected_t([0.1], 80, 20)
    assert (one.status, one.p, one.difference) == ("undefined", None, 0.1)
    assert "J=3" in paired_corrected_t([0.1, 0.2, 0.15], 80, 20).note


def test_the_posterior_of_scikit_learns_example() -> None:
    raw = np.linspace(-1, 1, 100)
    gains = 0.01 + 0.03829708431025352 * raw / raw.std(ddof=1)
    found = bayesian_correlated_t(gains, 90, 10, rope=0.01)
    shares = (found.worse, found.equal, found.better)
    assert shares == pytest.approx((0.0683, 0.4317, 0.5), abs=5e-5)


@LAW
@given(DIFFERENCES, st.floats(0, 0.2))
def test_the_three_probabilities_add_to_one_and_swap(differences: list[float], rope: float) -> None:
    found = bayesian_correlated_t(differences, 80, 20, rope)
    turned = bayesian_correlated_t([-d for d in differences], 80, 20, rope)
    assert found.worse is not None and found.equal is not None and found.better is not None
    assert found.worse + found.equal + found.better == pytest.approx(1)
    assert turned.better == pytest.approx(found.worse)


def test_a_posterior_without_variance_says_so() -> None:
    sure = bayesian_correlated_t([0.02] * 5, 80, 20)
    assert (sure.worse, sure.equal, sure.better) == (0, 0, 1) and sure.status == "degenerate"
    assert bayesian_correlated_t([0.0] * 5, 80, 20, rope=0).equal == 1
    none = bayesian_correlated_t([0.02], 80, 20)
    assert (none.equal, none.status) == (None, "undefined")


# --- 5x2 -------------------------------------------------------------------------------------


def test_the_t_rests_on_the_first_difference_and_the_f_on_none() -> None:
    gains = table([0.0, 0.01, 0.04, -0.03, 0.01, 0.03, 0.01, 0.02, 0.02, 0.07])
    turned = gains[::-1, ::-1]
    assert five_by_two(gains).p == pytest.approx(five_by_two(turned).p)
    assert five_by_two(gains, variant="t").p == 1.0 != five_by_two(turned, variant="t").p


@pytest.mark.parametrize("variant", ["F", "t"])
def test_no_variance_within_replications_is_no_evidence(variant: Literal["F", "t"]) -> None:
    flat = five_by_two([[0.02, 0.02]] * 5, variant=variant)
    assert (flat.p, flat.statistic, flat.status) == (0.0, math.inf, "degenerate")
    assert flat.note == "zero within-replication variance; p not trustworthy"
    assert flat.trusted_p is None
    assert five_by_two([[0.0, 0.0]] * 5, variant=variant).trusted_p == 1.0


# --- seeds crossed with images ---------------------------------------------------------------


def test_crossed_on_differences_is_the_crossed_interval() -> None:
    a, b = answers(4, 80, 1), answers(4, 80, 2)
    found = paired_crossed(a - b)
    assert raw_limits(found.interval) == pytest.approx(
        raw_limits(crossed_t_interval(a - b, bounded=False))
    )
    assert found.interval.target == "the difference of the recipes on these training images"


def test_one_seed_is_a_claim_about_two_models() -> None:
    a, b = answers(2, 300)
    for one in (paired_crossed((a - b)[None]), unpaired_crossed(a[None], b[None])):
        assert (one.status, one.p) == ("undefined", None) and "use mcnemar" in one.note
        fallback = one.interval.fallback
        assert fallback is not None and fallback.target.endswith("the two models tested")
        only_a, only_b = int((a > b).sum()), int((a < b).sum())
        assert limits(fallback) == pytest.approx(
            limits(tango(300 - only_a - only_b, only_a, only_b, 0))
        )
    assert unpaired_crossed(answers(3, 300), b[None]).status == "undefined"


def test_unpaired_seeds_may_differ_in_number_and_order() -> None:
    a, b = answers(5, 200, 1), answers(3, 200, 2)
    found = unpaired_crossed(a, b)
    assert unpaired_crossed(a[::-1], b[[2, 0, 1]]).p == pytest.approx(found.p)
    assert found.difference == pytest.approx(a.mean() - b.mean()) and found.interval.scores == 3
    assert "S=3" in found.note and unpaired_crossed(a, a).p == 1.0


def test_unpaired_against_models_that_are_alike_is_paired() -> None:
    a, b = answers(4, 200, 1), np.repeat(answers(1, 200, 2), 4, axis=0)
    assert limits(unpaired_crossed(a, b).interval)[0] < limits(paired_crossed(a - b).interval)[1]
    steady = paired_crossed(a - b)
    assert unpaired_crossed(a, b).p == pytest.approx(steady.p)


def test_identical_seeds_fall_back_on_tango_of_the_models() -> None:
    same = paired_crossed(np.zeros((3, 600)))
    fallback = same.interval.fallback
    assert fallback is not None and limits(fallback) == limits(tango(600, 0, 0, 0))
    assert fallback.target == "the mean difference of the models tested"
    assert paired_crossed(np.zeros((3, 600)), bounded=False).interval.fallback is None
    grouped = paired_crossed(np.zeros((3, 600)), groups=np.arange(600) // 6).interval.fallback
    assert grouped is not None and width(grouped) > 4 * width(fallback)


def test_groups_widen_the_difference_too() -> None:
    a, b = (np.repeat(answers(4, 100, seed), 5, axis=1) for seed in (1, 2))
    wide = paired_crossed(a - b, groups=np.repeat(np.arange(100), 5))
    assert width(wide.interval) > width(paired_crossed(a - b).interval)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: paired_grouped([2, 0], [0, 1]), "outside"),
        (lambda: paired_grouped([1, 0], [0]), "one group each"),
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
def test_a_mistaken_call_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_every_test_names_its_unit_and_its_truth() -> None:
    gains = [0.0, 0.1, 0.2, -0.1, 0.3, 0.1, 0.0, 0.05, 0.1, 0.2]
    found: dict[str, Interval] = {name: t(gains, 0.9).interval for name, t in TESTS.items()}
    assert {name: one.unit for name, one in found.items()} == {
        "grouped": "groups", "corrected": "splits", "five_by_two": "folds",
        "crossed": "models x images",
    }  # fmt: skip
    assert {one.level for one in found.values()} == {0.9}
