"""Intervals for the share that is right: published limits, edges, laws, images in groups."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fashion_exp.stats.groups import clustered_mean, group_codes, kish_effective_size
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.proportions import (
    clopper_pearson,
    clopper_pearson_lower,
    design_effect,
    wilson,
    wilson_grouped,
)
from tests.stats.given import LAW, LEVELS, limits, width


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
def test_published_limits_of_counts(interval: Interval, expected: tuple[float, float]) -> None:
    assert limits(interval) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize("method", [wilson, clopper_pearson])
def test_none_and_all_right_touch_the_ends_exactly(method: Callable[..., Interval]) -> None:
    for n in (1, 7, 20, 600):
        assert method(0, n).low == 0.0 and method(n, n).high == 1.0
        assert 0 < limits(method(0, n))[1] < 1 and 0 < limits(method(n, n))[0] < 1


def test_the_one_sided_bound_without_errors_is_the_root_of_alpha() -> None:
    bound = clopper_pearson_lower(59, 59)
    assert limits(bound) == pytest.approx((0.05 ** (1 / 59), 1.0)) and bound.high == 1.0
    assert limits(clopper_pearson_lower(58, 58))[0] < 0.95 < limits(bound)[0]


@pytest.mark.parametrize("method", [wilson, clopper_pearson, clopper_pearson_lower])
def test_no_images_is_undefined_and_not_nan(method: Callable[..., Interval]) -> None:
    nothing = method(0, 0)
    assert nothing.status == "undefined" and nothing.note == "no images"
    assert (nothing.estimate, nothing.low, nothing.high) == (None, None, None)


@pytest.mark.parametrize("method", [wilson, clopper_pearson, clopper_pearson_lower])
@pytest.mark.parametrize(
    ("correct", "n"), [(5, 3), (1, 0), (-1, 3), (0, -1), (math.nan, 3), (1, math.inf), (4.5, 10)]
)
def test_impossible_counts_are_refused(
    method: Callable[..., Interval], correct: float, n: float
) -> None:
    with pytest.raises(ValueError, match=r"count|more correct"):
        method(correct, n)


def test_a_mean_over_models_says_so_and_may_be_fractional() -> None:
    one, mean = wilson(560, 600), wilson(560.4, 600, fractional=True, models=5)
    assert (one.target, one.scores, one.unit) == ("the model tested", 1, "images")
    assert (mean.target, mean.scores, mean.n) == ("the mean of the models tested", 5, 600)
    with pytest.raises(ValueError, match="models"):
        wilson(560, 600, models=0)


def test_a_mean_of_perfect_models_survives_rounding() -> None:
    perfect = wilson(3 * (1 + 1e-12), 3, fractional=True)
    assert (perfect.estimate, perfect.high) == (1.0, 1.0)


def test_a_design_effect_widens_wilson() -> None:
    assert width(wilson(540 / 2.5, 240, fractional=True)) > 1.5 * width(wilson(540, 600))


COUNTS = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@LAW
@given(COUNTS, LEVELS)
def test_wilson_holds_its_estimate_inside_zero_and_one(
    counts: tuple[int, int], level: float
) -> None:
    found = wilson(*counts, level)
    low, high = limits(found)
    assert found.estimate is not None
    assert 0 <= low <= found.estimate + 1e-15 and found.estimate - 1e-15 <= high <= 1


@LAW
@given(COUNTS, st.tuples(LEVELS, LEVELS).filter(lambda pair: pair[0] < pair[1] - 1e-6))
def test_more_confidence_never_narrows(counts: tuple[int, int], pair: tuple[float, float]) -> None:
    for method in (wilson, clopper_pearson):
        narrow, wide = limits(method(*counts, pair[0])), limits(method(*counts, pair[1]))
        assert wide[0] <= narrow[0] and narrow[1] <= wide[1]


@LAW
@given(COUNTS, LEVELS)
def test_errors_mirror_hits(counts: tuple[int, int], level: float) -> None:
    correct, n = counts
    for method in (wilson, clopper_pearson):
        low, high = limits(method(correct, n, level))
        assert limits(method(n - correct, n, level)) == pytest.approx(
            (1 - high, 1 - low), abs=1e-12
        )


@LAW
@given(COUNTS, LEVELS)
def test_wilson_solves_the_score_equation(counts: tuple[int, int], level: float) -> None:
    correct, n = counts
    z = stats.norm.ppf((1 + level) / 2)
    for p in limits(wilson(correct, n, level)):
        if 0 < p < 1:
            assert (correct / n - p) ** 2 == pytest.approx(z * z * p * (1 - p) / n, rel=1e-6)


# --- images in groups ------------------------------------------------------------------------

TWENTY = [1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1]
SOURCES = [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4, 4, 4, 4, 4]
GROUPED = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=5, max_size=80).filter(
    lambda rows: len({group for _, group in rows}) > 1
)


def test_the_design_effect_of_a_known_case() -> None:
    found = clustered_mean(np.array(TWENTY, float), group_codes(SOURCES, 20))
    assert (found.mean, found.se, found.groups) == pytest.approx((0.7, 0.12119200, 5))
    assert design_effect(TWENTY, SOURCES) == pytest.approx(1.39880952)


def test_groups_shrink_the_images_that_wilson_counts() -> None:
    found = wilson_grouped(TWENTY, SOURCES)
    assert found.n == pytest.approx(20 / 1.39880952) and found.estimate == pytest.approx(0.7)
    assert found.note == "design effect 1.40 of 5 groups; G=5 groups: their spread is barely known"
    assert width(found) > width(wilson(14, 20)) and found.method == "wilson_grouped"


def test_groups_whose_images_differ_more_than_chance_gain_nothing() -> None:
    opposed = wilson_grouped([1, 0] * 50, np.repeat(np.arange(50), 2))
    assert limits(opposed) == limits(wilson(50, 100)) and "effect 0.00" in opposed.note


def test_images_that_copy_each_other_count_once() -> None:
    one = np.random.default_rng(0).integers(0, 2, 400)
    copied = wilson_grouped(np.repeat(one, 5), np.repeat(np.arange(400), 5))
    assert copied.n == pytest.approx(400, rel=0.01)


def test_no_errors_count_groups_as_if_all_alike() -> None:
    perfect = wilson_grouped(np.ones(50), np.repeat(np.arange(25), 2))
    assert limits(perfect) == pytest.approx(limits(wilson(25, 25)))
    assert perfect.status == "ok" and "counted as 25.0 images" in perfect.note
    assert design_effect(np.ones(50), np.repeat(np.arange(25), 2)) is None


def test_one_group_has_no_interval() -> None:
    one = wilson_grouped([1, 0, 1], ["a"] * 3)
    assert (one.status, one.note, one.low) == ("undefined", "needs at least 2 groups", None)
    assert one.estimate == pytest.approx(2 / 3) and design_effect([1, 0, 1], ["a"] * 3) is None


@LAW
@given(GROUPED)
def test_grouped_wilson_is_never_narrower_and_ignores_order_and_names(
    rows: list[tuple[int, int]],
) -> None:
    correct, groups = (list(column) for column in zip(*rows, strict=True))
    found = wilson_grouped(correct, groups)
    turned = wilson_grouped(correct[::-1], [f"source {g}" for g in groups[::-1]])
    assert limits(found) == pytest.approx(limits(turned))
    assert width(found) >= width(wilson(sum(correct), len(correct))) - 1e-12


@LAW
@given(st.lists(st.floats(0, 1), min_size=2, max_size=50).filter(lambda v: np.ptp(v) > 1e-3))
def test_images_that_are_their_own_groups_have_the_plain_standard_error(
    values: list[float],
) -> None:
    found = clustered_mean(np.array(values), group_codes(None, len(values)))
    assert found.se == pytest.approx(float(stats.sem(values)))


def test_kishs_effective_size() -> None:
    assert kish_effective_size([5] * 100, 0.5) == pytest.approx(500 / 3)
    assert kish_effective_size([5] * 100, 0) == 500 and kish_effective_size([5] * 100, 1) == 100
    assert kish_effective_size([98, 1, 1], 1) == pytest.approx(100**2 / (98**2 + 2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: wilson_grouped([], []), "no scores"),
        (lambda: wilson_grouped([1, 0], ["a"]), "one group each"),
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
def test_a_mistaken_call_for_groups_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
