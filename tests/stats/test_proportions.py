"""Intervals for an accuracy: published limits, edge cases, invariants, clustered images."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fashion_exp.stats.groups import (
    clustered_mean,
    group_codes,
    intraclass_correlation,
    kish_effective_size,
)
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.proportions import (
    clopper_pearson,
    clopper_pearson_lower,
    independent_difference,
    wilson,
    wilson_grouped,
    wilson_limits,
)
from tests.stats.helpers import LEVELS, PROPERTY, limits, width

COUNTS = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (wilson(81, 263), (0.25529, 0.36621)),
        (wilson(1, 29), (0.00611, 0.17176)),
        (wilson(570, 600), (0.92952, 0.96475)),
        (wilson(4.5, 10, fractional=True), (0.20142, 0.72633)),
        (clopper_pearson(15, 148), (0.05784, 0.16165)),
        (clopper_pearson(682, 925), (0.70767, 0.76541)),
    ],
)
def test_reproduces_published_limits(interval: Interval, expected: tuple[float, float]) -> None:
    assert limits(interval) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize("method", [wilson, clopper_pearson])
def test_limit_is_exact_if_none_or_all_are_correct(method: Callable[..., Interval]) -> None:
    for n in (1, 7, 20, 600):
        assert method(0, n).low == 0.0 and method(n, n).high == 1.0
        assert 0 < limits(method(0, n))[1] < 1 and 0 < limits(method(n, n))[0] < 1


def test_one_sided_bound_without_errors_is_root_of_alpha() -> None:
    bound = clopper_pearson_lower(59, 59)
    assert limits(bound) == pytest.approx((0.05 ** (1 / 59), 1.0)) and bound.high == 1.0
    assert limits(clopper_pearson_lower(58, 58))[0] < 0.95 < limits(bound)[0]


@pytest.mark.parametrize("method", [wilson, clopper_pearson, clopper_pearson_lower])
def test_no_images_are_undefined(method: Callable[..., Interval]) -> None:
    empty = method(0, 0)
    assert empty.status == "undefined" and empty.note == "no images"
    assert (empty.estimate, empty.low, empty.high) == (None, None, None)


@pytest.mark.parametrize("method", [wilson, clopper_pearson, clopper_pearson_lower])
@pytest.mark.parametrize(
    ("correct", "n"), [(5, 3), (1, 0), (-1, 3), (0, -1), (math.nan, 3), (1, math.inf), (4.5, 10)]
)
def test_rejects_impossible_counts(
    method: Callable[..., Interval], correct: float, n: float
) -> None:
    with pytest.raises(ValueError, match=r"count|more correct"):
        method(correct, n)


def test_mean_over_models_has_its_own_estimand() -> None:
    single, mean = wilson(560, 600), wilson(560.4, 600, fractional=True, models=5)
    assert (single.target, single.scores, single.unit) == ("the tested model", 1, "images")
    assert (mean.target, mean.scores, mean.n) == ("the mean of the tested models", 5, 600)
    with pytest.raises(ValueError, match="models"):
        wilson(560, 600, models=0)


def test_count_above_n_by_rounding_is_clipped() -> None:
    perfect = wilson(3 * (1 + 1e-12), 3, fractional=True)
    assert (perfect.estimate, perfect.high) == (1.0, 1.0)


@PROPERTY
@given(COUNTS, LEVELS)
def test_wilson_contains_estimate_and_stays_in_bounds(
    counts: tuple[int, int], level: float
) -> None:
    interval = wilson(*counts, level)
    low, high = limits(interval)
    assert interval.estimate is not None
    assert 0 <= low <= interval.estimate + 1e-15 and interval.estimate - 1e-15 <= high <= 1


@PROPERTY
@given(COUNTS, st.tuples(LEVELS, LEVELS).filter(lambda pair: pair[0] < pair[1] - 1e-6))
def test_higher_level_never_narrows(counts: tuple[int, int], pair: tuple[float, float]) -> None:
    for method in (wilson, clopper_pearson):
        narrow, wide = limits(method(*counts, pair[0])), limits(method(*counts, pair[1]))
        assert wide[0] <= narrow[0] and narrow[1] <= wide[1]


@PROPERTY
@given(COUNTS, LEVELS)
def test_errors_mirror_correct_answers(counts: tuple[int, int], level: float) -> None:
    correct, n = counts
    for method in (wilson, clopper_pearson):
        low, high = limits(method(correct, n, level))
        mirrored = limits(method(n - correct, n, level))
        assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


@PROPERTY
@given(COUNTS, LEVELS)
def test_wilson_solves_the_score_equation(counts: tuple[int, int], level: float) -> None:
    correct, n = counts
    z = stats.norm.ppf((1 + level) / 2)
    for p in limits(wilson(correct, n, level)):
        if 0 < p < 1:
            assert (correct / n - p) ** 2 == pytest.approx(z * z * p * (1 - p) / n, rel=1e-6)


# --- images in groups ------------------------------------------------------------------------

CORRECT = [1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1]
GROUPS = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4, 4, 4, 4, 4]
GROUPED = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=5, max_size=80).filter(
    lambda rows: len({group for _, group in rows}) > 1
)


def test_cluster_robust_error_of_known_case() -> None:
    result = clustered_mean(np.array(CORRECT, float), group_codes(GROUPS, 20))
    shares = np.array([3, 4, 5, 2, 6]) / 20
    sums = np.array([0.9, -0.8, -1.5, 0.6, 0.8])  # 3 - 2.1, 2 - 2.8, ...
    se = np.sqrt((sums**2 / (1 - shares)).sum()) / 20
    assert (result.mean, result.se) == pytest.approx((0.7, se)) and 3 < result.df < 4


def test_intraclass_correlation_equals_its_formula() -> None:
    values, codes = np.array([1.0, 1, 0, 0, 0, 1]), np.array([0, 0, 1, 1, 1, 2])
    between = (2 * 0.5**2 + 3 * 0.5**2 + 1 * 0.5**2) / 2
    typical_size = (6 - (4 + 9 + 1) / 6) / 2
    expected = between / (between + (typical_size - 1) * 0)  # all groups agree in themselves
    assert intraclass_correlation(values, codes) == pytest.approx(expected) == 1
    mixed = np.array([1.0, 0, 0, 0, 1, 1])
    means = np.array([0.5, 1 / 3, 1])
    between = float((np.array([2, 3, 1]) * (means - 0.5) ** 2).sum()) / 2
    within = (0.5 + 2 / 3) / 3
    expected = (between - within) / (between + (typical_size - 1) * within)
    assert intraclass_correlation(mixed, codes) == pytest.approx(max(expected, 0))


def test_intraclass_correlation_needs_variance_and_two_groups() -> None:
    codes = np.array([0, 0, 1, 1])
    assert intraclass_correlation(np.ones(4), codes) is None
    assert intraclass_correlation(np.array([1.0, 0, 1, 0]), np.zeros(4, int)) is None
    assert intraclass_correlation(np.array([1.0, 0, 1, 0]), np.arange(4)) == 0
    assert intraclass_correlation(np.array([1.0, 0, 1, 0]), codes) == 0  # negative estimate


def test_intraclass_correlation_recovers_the_simulated_one() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(2000), rng.integers(1, 9, 2000))
    values = 0.6 * rng.normal(size=2000)[codes] + 0.8 * rng.normal(size=codes.size)
    assert intraclass_correlation(values, codes) == pytest.approx(0.36, abs=0.03)


def test_grouped_wilson_counts_the_effective_number_with_t() -> None:
    interval = wilson_grouped(CORRECT, GROUPS)
    correlation = intraclass_correlation(np.array(CORRECT, float), group_codes(GROUPS, 20))
    assert correlation is not None
    size = kish_effective_size([3, 4, 5, 2, 6], correlation)
    assert interval.n == pytest.approx(size) and interval.method == "wilson_grouped"
    assert interval.note.startswith(f"design effect {20 / size:.2f} of 5 groups; G=5 groups: ")
    assert limits(interval) == pytest.approx(wilson_limits(0.7, size, stats.t.ppf(0.975, 4)))


def test_negative_correlation_in_groups_is_ignored() -> None:
    interval = wilson_grouped([1, 0] * 50, np.repeat(np.arange(50), 2))
    assert interval.n == 100 and "effect 1.00" in interval.note
    assert limits(interval) == pytest.approx(wilson_limits(0.5, 100, stats.t.ppf(0.975, 49)))


def test_groups_of_very_unequal_size_warn() -> None:
    giants = np.concatenate([np.repeat(np.arange(3), 60), np.arange(3, 60)])
    correct = np.arange(giants.size) % 3 > 0
    assert (
        "G=60 groups of unequal size, as 5 of equal size: " in wilson_grouped(correct, giants).note
    )
    assert "groups:" not in wilson_grouped(np.arange(60) % 3 > 0, np.arange(60)).note


def test_copies_of_an_image_in_one_group_count_once() -> None:
    answers = np.random.default_rng(0).integers(0, 2, 400)
    copied = wilson_grouped(np.repeat(answers, 5), np.repeat(np.arange(400), 5))
    assert copied.n == pytest.approx(400, rel=0.01)


def test_equal_answers_count_groups() -> None:
    groups = np.repeat(np.arange(25), 2)
    perfect = wilson_grouped(np.ones(50), groups)
    assert limits(perfect) == pytest.approx(wilson_limits(1, 25, stats.t.ppf(0.975, 24)))
    assert perfect.status == "ok" and "counted as 25.0 images" in perfect.note


def test_one_group_is_undefined() -> None:
    single = wilson_grouped([1, 0, 1], ["a"] * 3)
    assert (single.status, single.note) == ("undefined", "needs at least 2 groups")
    assert single.estimate == pytest.approx(2 / 3)


@PROPERTY
@given(GROUPED)
def test_grouped_wilson_never_narrows_and_ignores_order_and_labels(
    rows: list[tuple[int, int]],
) -> None:
    correct, groups = (list(column) for column in zip(*rows, strict=True))
    interval = wilson_grouped(correct, groups)
    relabeled = wilson_grouped(correct[::-1], [f"group {g}" for g in groups[::-1]])
    assert limits(interval) == pytest.approx(limits(relabeled))
    assert width(interval) >= width(wilson(sum(correct), len(correct))) - 1e-12


@PROPERTY
@given(st.lists(st.floats(0, 1), min_size=2, max_size=50).filter(lambda v: np.ptp(v) > 1e-3))
def test_single_images_have_the_plain_standard_error(values: list[float]) -> None:
    result = clustered_mean(np.array(values), group_codes(None, len(values)))
    assert result.se == pytest.approx(float(stats.sem(values)))


def test_kish_effective_size() -> None:
    assert kish_effective_size([5] * 100, 0.5) == pytest.approx(500 / 3)
    assert kish_effective_size([5] * 100, 0) == 500 and kish_effective_size([5] * 100, 1) == 100
    assert kish_effective_size([98, 1, 1], 1) == pytest.approx(100**2 / (98**2 + 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson_grouped([], []), "no scores"),
        (lambda: wilson_grouped([1, 0], ["a"]), "one group label each"),
        (lambda: wilson_grouped([1, 0], [1.0, math.nan]), "nan"),
        (lambda: wilson_grouped([1, math.nan], [0, 1]), "1 of 2 scores missing"),
        (lambda: wilson_grouped([1, 2], [0, 1]), "outside"),
        (lambda: wilson_grouped([1, 0], [0, 1], 95), "level"),
        (lambda: wilson_grouped([1, 0], [0, 1], models=0), "models"),
        (lambda: kish_effective_size([], 0.5), "sizes"),
        (lambda: kish_effective_size([3, 0], 0.5), "sizes"),
        (lambda: kish_effective_size([3], 2), "correlation"),
    ],
)
def test_rejects_invalid_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_difference_of_independent_samples_reproduces_published_limits() -> None:
    """Newcombe 1998, table II: 56/70 minus 48/80, and 10/10 minus 0/10, method 10."""
    interval = independent_difference(wilson(56, 70), wilson(48, 80))
    assert limits(interval) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    extreme = independent_difference(wilson(10, 10), wilson(0, 10))
    assert limits(extreme) == pytest.approx((0.6075, 1.0), abs=5e-5)
    assert independent_difference(wilson(0, 0), wilson(1, 2)).status == "undefined"
    with pytest.raises(ValueError, match="different levels"):
        independent_difference(wilson(1, 2), wilson(1, 2, 0.9))
