"""Two models on the same images: McNemar, Tango and Newcombe, and their laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fashion_exp.stats.interval import Interval
from fashion_exp.stats.paired import (
    McNemar,
    PairedCounts,
    mcnemar,
    newcombe10,
    paired_counts,
    tango,
)
from tests.stats.given import LAW, LEVELS, answers, limits, width

COUNTS = st.tuples(*[st.integers(0, 300)] * 4).filter(any)
VARIANTS: list[McNemar] = ["midp", "exact", "chi2", "chi2_cc"]


def swapped(counts: tuple[int, ...]) -> tuple[int, ...]:
    both, only_a, only_b, neither = counts
    return both, only_b, only_a, neither


def test_counts_of_two_rows_of_answers() -> None:
    counts = paired_counts([1, 1, 1, 0, 0, 1], [1, 0, 0, 1, 0, 1])
    assert counts == PairedCounts(2, 2, 1, 1) and counts.n == 6


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (tango(4, 9, 3, 16), (-0.02709, 0.38970)),
        (tango(53, 16, 8, 9), (-0.01966, 0.20691)),
        (newcombe10(20, 12, 2, 16), (0.05616, 0.32921)),
        (newcombe10(1, 1, 7, 12), (-0.50692, -0.02556)),
    ],
)
def test_published_limits_of_a_difference(found: Interval, expected: tuple[float, float]) -> None:
    assert limits(found) == pytest.approx(expected, abs=5e-6)


def test_published_p_values() -> None:
    assert mcnemar(1, 1, 7, 12).p == pytest.approx(0.0390625)
    assert mcnemar(1, 1, 7, 12, variant="exact").p == pytest.approx(0.0703125)
    wikipedia = mcnemar(101, 121, 59, 33, variant="chi2")
    assert wikipedia.statistic == pytest.approx(21.355556) and wikipedia.df == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_identical_predictions_differ_by_nothing(variant: McNemar) -> None:
    same = mcnemar(560, 0, 0, 40, variant=variant)
    assert (same.p, same.difference, same.status) == (1.0, 0.0, "ok")
    assert same.note == "models agree on every image" and same.trusted_p == 1.0
    z2 = stats.norm.ppf(0.975) ** 2
    assert limits(same.interval) == pytest.approx((-z2 / (600 + z2), z2 / (600 + z2)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_tie_is_no_difference(variant: McNemar) -> None:
    assert mcnemar(10, 5, 5, 10, variant=variant).p == 1.0


def test_no_images_are_undefined() -> None:
    nothing = mcnemar(0, 0, 0, 0)
    assert (nothing.p, nothing.difference, nothing.status) == (None, None, "undefined")
    assert nothing.note == "no images" and nothing.trusted_p is None
    assert newcombe10(0, 0, 0, 0).status == tango(0, 0, 0, 0).status == "undefined"


def test_a_difference_of_all_images_ends_at_one_exactly() -> None:
    for found in (tango(0, 10, 0, 0), newcombe10(0, 10, 0, 0)):
        assert found.high == 1.0 and 0.3 < limits(found)[0] < 1
        assert found.estimate == 1.0
    assert tango(0, 0, 10, 0).low == -1.0


def test_the_claim_is_about_the_models_tested() -> None:
    assert mcnemar(5, 3, 2, 1).interval.target == "the difference of the two models tested"
    pooled = mcnemar(5, 3, 2, 1, models=5).interval
    assert (pooled.target, pooled.scores) == ("the mean difference of the models tested", 5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mcnemar(5, 2.5, 1, 0), "fractional"),
        (lambda: mcnemar(5, -1, 1, 0), "not negative"),
        (lambda: tango(5, math.nan, 1, 0), "finite"),
        (lambda: tango(5, 1, 1, 0, 95), "level"),
        (lambda: newcombe10(5, 1, 1, 0, models=0), "models"),
        (lambda: mcnemar(5, 1, 1, 0, variant="wald"), "variant"),  # type: ignore[arg-type]
        (lambda: paired_counts([1, 0], [1]), "join the predictions by image id"),
        (lambda: paired_counts([1, 0], [1, 0.5]), "right"),
        (lambda: paired_counts([], []), "no scores"),
        (lambda: paired_counts([1, math.nan], [1, 0]), "missing"),
    ],
)
def test_a_mistaken_paired_call_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_a_test_cannot_hold_a_silent_nan() -> None:
    with pytest.raises(AssertionError):
        replace(mcnemar(5, 3, 2, 1), p=math.nan)
    with pytest.raises(AssertionError):
        replace(mcnemar(0, 0, 0, 0), note="")


@LAW
@given(COUNTS, LEVELS, st.sampled_from([tango, newcombe10]))
def test_swapping_a_and_b_flips_the_interval(
    counts: tuple[int, ...], level: float, method: Callable[..., Interval]
) -> None:
    low, high = limits(method(*counts, level))
    assert limits(method(*swapped(counts), level)) == pytest.approx((-high, -low), abs=1e-9)


@LAW
@given(COUNTS, LEVELS, st.sampled_from([tango, newcombe10]))
def test_the_interval_holds_the_difference_inside_one(
    counts: tuple[int, ...], level: float, method: Callable[..., Interval]
) -> None:
    found = method(*counts, level)
    low, high = limits(found)
    assert found.estimate is not None
    assert -1 <= low <= found.estimate + 1e-12 and found.estimate - 1e-12 <= high <= 1


@LAW
@given(COUNTS, st.sampled_from(VARIANTS))
def test_p_is_one_and_the_same_for_either_order(counts: tuple[int, ...], variant: McNemar) -> None:
    p = mcnemar(*counts, variant=variant).p
    assert p is not None and 0 <= p <= 1
    assert mcnemar(*swapped(counts), variant=variant).p == p


@LAW
@given(COUNTS)
def test_the_exact_p_is_never_below_the_mid_p(counts: tuple[int, ...]) -> None:
    exact, midp = mcnemar(*counts, variant="exact").p, mcnemar(*counts).p
    assert exact is not None and midp is not None and exact >= midp


@LAW
@given(COUNTS, st.floats(0.01, 0.3))
def test_tangos_interval_leaves_out_0_where_the_chi2_rejects(
    counts: tuple[int, ...], alpha: float
) -> None:
    found = mcnemar(*counts, 1 - alpha, variant="chi2")
    low, high = limits(found.interval)
    assert found.p is not None
    if min(abs(low), abs(high)) > 1e-9 and abs(found.p - alpha) > 1e-9:
        assert (found.p < alpha) == (low > 0 or high < 0)


@LAW
@given(COUNTS, LEVELS)
def test_tango_solves_the_score_equation(counts: tuple[int, ...], level: float) -> None:
    """Against the multinomial likelihood maximised by brute force along the constraint."""
    both, only_a, only_b, neither = counts
    n, z = sum(counts), stats.norm.ppf((1 + level) / 2)
    for delta in limits(tango(*counts, level)):
        grid = np.linspace(max(0, -delta), min(1, (1 - delta) / 2 + 0.5), 200_001)
        grid = grid[(grid + grid + delta <= 1)]
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = [only_a * np.log(grid + delta), only_b * np.log(grid),
                     (both + neither) * np.log(1 - 2 * grid - delta)]  # fmt: skip
        weights = (only_a, only_b, both + neither)
        likelihood = sum(
            np.nan_to_num(term, nan=-np.inf) for term, k in zip(terms, weights, strict=True) if k
        )
        share = grid[np.argmax(likelihood)]
        spread = math.sqrt(n * (2 * share + delta - delta**2))
        if abs(delta) < 1 and spread > 0.1:
            assert abs(only_a - only_b - n * delta) / spread == pytest.approx(z, rel=0.01)


@LAW
@given(COUNTS, st.integers(2, 20))
def test_more_images_of_the_same_kind_narrow(counts: tuple[int, ...], times: int) -> None:
    more = tuple(times * count for count in counts)
    assert width(tango(*more)) < width(tango(*counts))


def test_counts_of_real_answers_agree_with_their_difference() -> None:
    a, b = answers(2, 500)
    found = mcnemar(*paired_counts(a, b))
    assert found.difference == pytest.approx(a.mean() - b.mean())
