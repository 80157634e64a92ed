"""Two models on the same images: McNemar's test and Tango's interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fashion_exp.stats.paired import (
    McNemarVariant,
    PairedCounts,
    mcnemar,
    paired_counts,
    tango,
)
from tests.stats.helpers import LEVELS, PROPERTY, limits, simulated_answers, width

CELL = st.integers(0, 300)
COUNTS = st.builds(PairedCounts, CELL, CELL, CELL, CELL).filter(any)
VARIANTS: list[McNemarVariant] = ["midp", "exact", "chi2", "chi2_cc"]


def swap(counts: PairedCounts) -> PairedCounts:
    return counts._replace(only_a=counts.only_b, only_b=counts.only_a)


def test_counts_of_two_answer_arrays() -> None:
    counts = paired_counts([1, 1, 1, 0, 0, 1], [1, 0, 0, 1, 0, 1])
    assert counts == PairedCounts(2, 2, 1, 1) and counts.n == 6


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((4, 9, 3, 16), (-0.02709, 0.38970)), ((53, 16, 8, 9), (-0.01966, 0.20691))],
)
def test_tango_reproduces_published_limits(
    counts: tuple[int, int, int, int], expected: tuple[float, float]
) -> None:
    assert limits(tango(*counts)) == pytest.approx(expected, abs=5e-6)


def test_mcnemar_reproduces_published_p_values() -> None:
    assert mcnemar(1, 1, 7, 12).p == pytest.approx(0.0390625)
    assert mcnemar(1, 1, 7, 12, variant="exact").p == pytest.approx(0.0703125)
    chi2 = mcnemar(101, 121, 59, 33, variant="chi2")
    assert chi2.statistic == pytest.approx(21.355556) and chi2.df == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_identical_predictions_have_p_1_and_an_interval(variant: McNemarVariant) -> None:
    same = mcnemar(560, 0, 0, 40, variant=variant)
    assert (same.p, same.difference, same.status) == (1.0, 0.0, "ok")
    assert same.note == "models agree on every image" and same.trusted_p == 1.0
    z2 = stats.norm.ppf(0.975) ** 2
    assert limits(same.interval) == pytest.approx((-z2 / (600 + z2), z2 / (600 + z2)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_tie_has_p_1(variant: McNemarVariant) -> None:
    assert mcnemar(10, 5, 5, 10, variant=variant).p == 1.0


def test_no_images_are_undefined() -> None:
    empty = mcnemar(0, 0, 0, 0)
    assert (empty.p, empty.difference, empty.status) == (None, None, "undefined")
    assert empty.note == "no images" and empty.trusted_p is None
    assert tango(0, 0, 0, 0).status == "undefined"


def test_largest_difference_has_limit_one() -> None:
    interval = tango(0, 10, 0, 0)
    assert interval.high == interval.estimate == 1.0 and 0.3 < limits(interval)[0] < 1
    assert tango(0, 0, 10, 0).low == -1.0


def test_estimand_is_the_tested_models() -> None:
    assert mcnemar(5, 3, 2, 1).interval.target == "the difference between the two tested models"
    pooled = mcnemar(5, 3, 2, 1, models=5).interval
    assert (pooled.target, pooled.scores) == ("the mean difference between the tested models", 5)


def test_difference_equals_difference_of_accuracies() -> None:
    a, b = simulated_answers(2, 500)
    test = mcnemar(*paired_counts(a, b))
    assert test.difference == pytest.approx(a.mean() - b.mean())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mcnemar(5, 2.5, 1, 0), "fractional"),
        (lambda: mcnemar(5, -1, 1, 0), "not negative"),
        (lambda: tango(5, math.nan, 1, 0), "finite"),
        (lambda: tango(5, 1, 1, 0, 95), "level"),
        (lambda: tango(5, 1, 1, 0, models=0), "models"),
        (lambda: mcnemar(5, 1, 1, 0, variant="wald"), "variant"),  # type: ignore[arg-type]
        (lambda: paired_counts([1, 0], [1]), "join the predictions by image id"),
        (lambda: paired_counts([1, 0], [1, 0.5]), "right"),
        (lambda: paired_counts([], []), "no scores"),
        (lambda: paired_counts([1, math.nan], [1, 0]), "missing"),
    ],
)
def test_rejects_invalid_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_result_cannot_hold_nan_or_lack_a_reason() -> None:
    with pytest.raises(AssertionError):
        replace(mcnemar(5, 3, 2, 1), p=math.nan)
    with pytest.raises(AssertionError):
        replace(mcnemar(0, 0, 0, 0), note="")


@PROPERTY
@given(COUNTS, LEVELS)
def test_swapping_models_negates_interval(counts: PairedCounts, level: float) -> None:
    low, high = limits(tango(*counts, level))
    assert limits(tango(*swap(counts), level)) == pytest.approx((-high, -low), abs=1e-9)


@PROPERTY
@given(COUNTS, LEVELS)
def test_interval_contains_difference_and_stays_in_bounds(
    counts: PairedCounts, level: float
) -> None:
    interval = tango(*counts, level)
    low, high = limits(interval)
    assert interval.estimate is not None
    assert -1 <= low <= interval.estimate + 1e-12
    assert interval.estimate - 1e-12 <= high <= 1


@PROPERTY
@given(COUNTS, st.sampled_from(VARIANTS))
def test_p_is_independent_of_model_order(counts: PairedCounts, variant: McNemarVariant) -> None:
    p = mcnemar(*counts, variant=variant).p
    assert p is not None and 0 <= p <= 1
    assert mcnemar(*swap(counts), variant=variant).p == p


@PROPERTY
@given(COUNTS)
def test_exact_p_is_at_least_mid_p(counts: PairedCounts) -> None:
    exact, midp = mcnemar(*counts, variant="exact").p, mcnemar(*counts).p
    assert exact is not None and midp is not None and exact >= midp


@PROPERTY
@given(COUNTS, st.floats(0.01, 0.3))
def test_interval_excludes_0_where_chi2_rejects(counts: PairedCounts, alpha: float) -> None:
    test = mcnemar(*counts, 1 - alpha, variant="chi2")
    low, high = limits(test.interval)
    assert test.p is not None
    if min(abs(low), abs(high)) > 1e-9 and abs(test.p - alpha) > 1e-9:
        assert (test.p < alpha) == (low > 0 or high < 0)


@PROPERTY
@given(COUNTS, LEVELS)
def test_tango_solves_the_score_equation(counts: PairedCounts, level: float) -> None:
    """The constrained maximum of the multinomial likelihood is found by grid search."""
    both_right, only_a, only_b, both_wrong = counts
    n, z = counts.n, stats.norm.ppf((1 + level) / 2)
    for delta in limits(tango(*counts, level)):
        share_b = np.linspace(max(0, -delta), min(1, (1 - delta) / 2 + 0.5), 200_001)
        share_b = share_b[2 * share_b + delta <= 1]
        shares = (share_b + delta, share_b, 1 - 2 * share_b - delta)
        cells = zip((only_a, only_b, both_right + both_wrong), shares, strict=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_likelihood = np.sum([k * np.log(share) for k, share in cells if k], axis=0)
        best = share_b[np.nanargmax(log_likelihood)]
        sd = math.sqrt(n * (2 * best + delta - delta**2))
        if abs(delta) < 1 and sd > 0.1:
            assert abs(only_a - only_b - n * delta) / sd == pytest.approx(z, rel=0.01)


@PROPERTY
@given(COUNTS, st.integers(2, 20))
def test_more_images_narrow_the_interval(counts: PairedCounts, factor: int) -> None:
    more = PairedCounts(*(factor * count for count in counts))
    assert width(tango(*more)) < width(tango(*counts))
