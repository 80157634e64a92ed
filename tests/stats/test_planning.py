"""Target decisions, and the numbers of images and seeds that a plan asks for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fashion_exp.stats.crossed import VarianceComponents
from fashion_exp.stats.planning import (
    BoundMethod,
    assess_clustered_target,
    assess_selected_target,
    assess_target,
    images_for_half_width,
    images_for_target,
    images_to_separate,
    seeds_to_separate,
)
from fashion_exp.stats.proportions import clustered_bounds
from fashion_exp.stats.selection import bbc_cv
from tests.stats.helpers import PROPERTY

METHODS: list[BoundMethod] = ["clopper_pearson", "wilson"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("correct", "verdict"), [(540, "not met"), (570, "undecided"), (590, "met")]
)
def test_target_is_met_not_met_or_undecided(
    correct: int, verdict: str, method: BoundMethod
) -> None:
    assert assess_target(correct, 600, 0.95, method=method).verdict == verdict


def test_95_percent_target_needs_59_correct_images() -> None:
    assert assess_target(59, 59, 0.95).verdict == "met"
    assert assess_target(58, 58, 0.95).verdict == "undecided"


def test_bounds_are_beta_quantiles() -> None:
    outcome = assess_target(580, 600, 0.95)
    assert outcome.lower == pytest.approx(stats.beta.ppf(0.05, 580, 21))
    assert outcome.upper == pytest.approx(stats.beta.ppf(0.95, 581, 20))
    assert (outcome.level, outcome.method, outcome.n) == (0.95, "clopper_pearson", 600)


def test_mean_over_models_needs_wilson() -> None:
    assert assess_target(290.5, 300.5, 0.95, method="wilson").verdict == "undecided"
    with pytest.raises(ValueError, match="fractional"):
        assess_target(290.5, 300.5, 0.95)


def test_copies_in_groups_do_not_meet_a_target() -> None:
    correct = np.arange(59 * 4) >= 4  # one wrong image and its copies
    assert assess_target(int(correct.sum()), correct.size, 0.95).verdict == "met"
    copies = np.arange(correct.size) // 4
    outcome = assess_clustered_target(correct, copies, 0.95)
    assert outcome.verdict == "undecided" and outcome.n < correct.size
    assert outcome.method == "korn_graubard"


def test_groups_count_as_copies_in_clustered_bounds_with_few_errors() -> None:
    right, groups = np.ones(200), np.repeat(np.arange(40), 5)
    right[[0, 50, 100, 150]] = 0  # too few to see that the images of a group differ
    assert clustered_bounds(right, groups, 0.95).n < 40
    right[::5] = 0
    assert clustered_bounds(right, groups, 0.95).n > 100


def test_clustered_bounds_of_single_images_are_clopper_pearsons() -> None:
    correct = np.arange(200) >= 10
    outcome, exact = assess_clustered_target(correct, None, 0.9), assess_target(190, 200, 0.9)
    assert (outcome.lower, outcome.upper) == pytest.approx((exact.lower, exact.upper))
    assert outcome.n == 200 and outcome.verdict == exact.verdict
    one_group = assess_clustered_target(correct, np.zeros(200), 0.9)
    assert (one_group.verdict, one_group.lower, one_group.upper) == ("undecided", 0, 1)


@pytest.mark.slow
def test_winner_of_equal_configs_does_not_meet_a_target_above_their_accuracy() -> None:
    correct = np.random.default_rng(0).random((30, 300)) < 0.8
    best = int(correct.sum(axis=1).max())
    target = 0.81
    assert assess_target(best, 300, target, 0.9).verdict == "met"
    selection = bbc_cv(correct, np.ones_like(correct), level=0.8)
    outcome = assess_selected_target(selection, target, 0.9)
    assert (outcome.verdict, outcome.method) == ("undecided", "bbc_cv")
    with pytest.raises(ValueError, match=r"level 0\.9"):
        assess_selected_target(selection, target, 0.95)


@pytest.mark.parametrize("method", METHODS)
def test_no_images_are_undecided(method: BoundMethod) -> None:
    outcome = assess_target(0, 0, 0.95, method=method)
    assert (outcome.verdict, outcome.accuracy) == ("undecided", None)
    assert (outcome.lower, outcome.upper) == (0.0, 1.0)


@PROPERTY
@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_errors_mirror_correct_answers(counts: tuple[int, int]) -> None:
    correct, n = counts
    outcome, mirrored = assess_target(correct, n, 0.7), assess_target(n - correct, n, 0.3)
    assert outcome.lower == pytest.approx(1 - mirrored.upper, abs=1e-12)
    assert outcome.lower <= correct / n <= outcome.upper


def test_perfect_model_needs_a_success_run() -> None:
    assert images_for_target(1.0, 0.95).needed == 59


@pytest.mark.parametrize("accuracy", [0.97, 0.98, 0.92, 0.9])
def test_planned_images_are_the_fewest_with_the_requested_power(accuracy: float) -> None:
    needed = images_for_target(accuracy, 0.95).needed
    assert needed is not None

    def power(n: int) -> float:
        verdict = "met" if accuracy > 0.95 else "not met"
        probability = stats.binom.pmf(np.arange(n + 1), n, accuracy)
        likely = np.flatnonzero(probability > 1e-7)
        outcomes = {int(k): assess_target(int(k), n, 0.95).verdict for k in likely}
        return float(sum(probability[k] for k, outcome in outcomes.items() if outcome == verdict))

    assert power(needed) >= 0.8 - 1e-5 and power(needed + 7) >= 0.8 - 1e-5
    assert power(needed - 1) < 0.8


def test_accuracy_at_the_target_is_never_decided() -> None:
    plan = images_for_target(0.95, 0.95)
    assert plan.needed is None and "no number of images" in plan.note
    close = images_for_target(0.9501, 0.95).needed
    assert close is not None and close > 10_000_000


def test_images_for_half_width_of_wald_interval() -> None:
    assert images_for_half_width(0.9, 0.02) == pytest.approx(864.33, abs=0.01)
    assert images_for_half_width(0.95, 0.01) == pytest.approx(1824.69, abs=0.01)


def test_images_to_separate_two_models() -> None:
    assert images_to_separate(0.05, 0.03).needed == 1568
    assert images_to_separate(0.03, 0.05) == images_to_separate(0.05, 0.03)
    corrected = images_to_separate(0.05, 0.03, alpha=0.05 / 45).needed
    assert corrected is not None and corrected > 2 * 1568
    assert images_to_separate(0.04, 0.04).needed is None
    assert images_to_separate(1.0, 0.0).needed == 5  # 4 discordant images never reject


def test_seeds_to_separate_two_recipes() -> None:
    components = VarianceComponents(models=4e-4, images=0.02, residual=0.05)
    few, many = (seeds_to_separate(components, gap, 2000).needed for gap in (0.03, 0.02))
    assert few is not None and many is not None and 2 <= few < many
    assert seeds_to_separate(components, 0, 2000).needed is None
    assert seeds_to_separate(VarianceComponents(0, 0, 0), 0.01, 100).needed == 2


def test_no_seeds_suffice_with_too_few_images() -> None:
    components = VarianceComponents(models=4e-4, images=0.02, residual=0.05)
    plan = seeds_to_separate(components, 0.005, 2000)
    assert plan.needed is None and "no number of seeds suffices with these 2000" in plan.note
    plan = seeds_to_separate(VarianceComponents(0.5, 0.0, 0.0), 0.01, 2000)
    assert plan.needed is None and "more than 1000" in plan.note


@PROPERTY
@given(st.floats(0.01, 0.2), st.integers(100, 5000), st.floats(0, 1e-3))
def test_larger_difference_never_needs_more_seeds(gap: float, n: int, models: float) -> None:
    components = VarianceComponents(models, 0.05, 0.05)
    small, large = (seeds_to_separate(components, size, n).needed for size in (gap, 1.5 * gap))
    assert small is None or (large is not None and large <= small)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: assess_target(5, 3, 0.95), "more correct"),
        (lambda: assess_target(5, 10, 95), "target"),
        (lambda: assess_target(5, 10, 0.95, 95), "level"),
        (lambda: assess_target(5, 10, 0.9, 0.4, method="wilson"), "one-sided"),
        (lambda: assess_target(5, 10, 0.9, method="wald"), "method"),  # type: ignore[arg-type]
        (lambda: images_for_target(1.2, 0.95), "accuracy"),
        (lambda: images_for_target(0.9, 0.95, power=1), "power"),
        (lambda: images_for_half_width(0.9, 0), "half_width"),
        (lambda: images_to_separate(0.7, 0.6), "proportions"),
        (lambda: images_to_separate(-0.1, 0.6), "proportions"),
        (lambda: seeds_to_separate(VarianceComponents(-1, 0, 0), 0.1, 100), "components"),
        (lambda: seeds_to_separate(VarianceComponents(0, 0, 0), math.nan, 100), "difference"),
        (lambda: seeds_to_separate(VarianceComponents(0, 0, 0), 0.1, 1), "n must be at least 2"),
    ],
)
def test_rejects_invalid_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
