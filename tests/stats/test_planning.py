"""Whether a target is met, and how many images or seeds would tell."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fashion_exp.stats.crossed import Components
from fashion_exp.stats.planning import (
    images_for_half_width,
    images_for_target,
    images_to_separate,
    seeds_to_separate,
    success_run_images,
    target_verdict,
)
from tests.stats.given import LAW


@pytest.mark.parametrize("method", ["clopper_pearson", "wilson"])
def test_a_target_is_met_missed_or_undecided(method: str) -> None:
    verdicts = {
        right: target_verdict(right, 600, 0.95, method=method).verdict  # type: ignore[arg-type]
        for right in (540, 570, 590)
    }
    assert verdicts == {540: "not met", 570: "undecided", 590: "met"}


def test_95_percent_with_95_percent_confidence() -> None:
    assert target_verdict(59, 59, 0.95).verdict == "met"
    assert target_verdict(58, 58, 0.95).verdict == "undecided"
    bound = target_verdict(580, 600, 0.95)
    assert bound.lower == pytest.approx(stats.beta.ppf(0.05, 580, 21))
    assert bound.upper == pytest.approx(stats.beta.ppf(0.95, 581, 20))
    assert (bound.level, bound.method, bound.n) == (0.95, "clopper_pearson", 600)


def test_a_mean_over_models_takes_wilson() -> None:
    assert target_verdict(290.5, 300.5, 0.95, method="wilson").verdict == "undecided"
    with pytest.raises(ValueError, match="fractional"):
        target_verdict(290.5, 300.5, 0.95)


def test_no_images_decide_nothing() -> None:
    for method in ("clopper_pearson", "wilson"):
        nothing = target_verdict(0, 0, 0.95, method=method)  # type: ignore[arg-type]
        assert (nothing.verdict, nothing.accuracy) == ("undecided", None)
        assert (nothing.lower, nothing.upper) == (0.0, 1.0)


@LAW
@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_right_and_wrong_mirror(counts: tuple[int, int]) -> None:
    correct, n = counts
    found, turned = target_verdict(correct, n, 0.7), target_verdict(n - correct, n, 0.3)
    assert found.lower == pytest.approx(1 - turned.upper, abs=1e-12)
    assert found.lower <= correct / n <= found.upper


def test_a_perfect_model_needs_a_success_run() -> None:
    assert images_for_target(1.0, 0.95).needed == success_run_images(0.95) == 59
    found = [success_run_images(0.95, errors=errors) for errors in range(5)]
    assert found == [59, 93, 124, 153, 181]
    assert success_run_images(0.999999, 0.5) == 693147


@pytest.mark.parametrize("accuracy", [0.97, 0.98, 0.92, 0.9])
def test_the_planned_images_decide_as_often_as_planned_and_fewer_do_not(accuracy: float) -> None:
    needed = images_for_target(accuracy, 0.95).needed
    assert needed is not None

    def decided(n: int) -> float:
        wanted = "met" if accuracy > 0.95 else "not met"
        share = stats.binom.pmf(np.arange(n + 1), n, accuracy)
        likely = np.flatnonzero(share > 1e-7)
        return sum(share[k] for k in likely if target_verdict(k, n, 0.95).verdict == wanted)

    assert decided(needed) >= 0.8 - 1e-5 and decided(needed + 7) >= 0.8 - 1e-5
    assert decided(needed - 1) < 0.8


def test_a_target_that_is_the_accuracy_is_never_decided() -> None:
    never = images_for_target(0.95, 0.95)
    assert never.needed is None and "no number of images" in never.note
    close = images_for_target(0.9501, 0.95).needed
    assert close is not None and close > 10_000_000


def test_the_half_width_of_wald() -> None:
    assert images_for_half_width(0.9, 0.02) == pytest.approx(864.33, abs=0.01)
    assert images_for_half_width(0.95, 0.01) == pytest.approx(1824.69, abs=0.01)


def test_images_to_separate_two_models() -> None:
    assert images_to_separate(0.05, 0.03).needed == 1568
    assert images_to_separate(0.03, 0.05) == images_to_separate(0.05, 0.03)
    corrected, plain = images_to_separate(0.05, 0.03, alpha=0.05 / 45).needed, 1568
    assert corrected is not None and corrected > 2 * plain
    assert images_to_separate(0.04, 0.04).needed is None
    assert images_to_separate(1.0, 0.0).needed == 4  # z², as nothing is left to chance


def test_seeds_to_separate_two_recipes() -> None:
    parts = Components(models=4e-4, images=0.02, residual=0.05)
    few, many = (seeds_to_separate(parts, gap, 2000).needed for gap in (0.03, 0.02))
    assert few is not None and many is not None and 2 <= few < many
    hopeless = seeds_to_separate(parts, 0.005, 2000)
    assert (
        hopeless.needed is None and "no number of seeds suffices with these 2000" in hopeless.note
    )
    assert seeds_to_separate(parts, 0, 2000).needed is None
    barely = seeds_to_separate(Components(0.5, 0.0, 0.0), 0.01, 2000)
    assert barely.needed is None and "more than 1000" in barely.note
    assert seeds_to_separate(Components(0, 0, 0), 0.01, 100).needed == 2


@LAW
@given(st.floats(0.01, 0.2), st.integers(100, 5000), st.floats(0, 1e-3))
def test_a_larger_difference_never_needs_more_seeds(gap: float, n: int, models: float) -> None:
    parts = Components(models, 0.05, 0.05)
    here, there = (seeds_to_separate(parts, times * gap, n) for times in (1, 1.5))
    if here.needed is not None:
        assert there.needed is not None and there.needed <= here.needed


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: target_verdict(5, 3, 0.95), "more correct"),
        (lambda: target_verdict(5, 10, 95), "target"),
        (lambda: target_verdict(5, 10, 0.95, 95), "level"),
        (lambda: target_verdict(5, 10, 0.9, 0.4, method="wilson"), "one-sided"),
        (lambda: target_verdict(5, 10, 0.9, method="wald"), "method"),  # type: ignore[arg-type]
        (lambda: images_for_target(1.2, 0.95), "accuracy"),
        (lambda: images_for_target(0.9, 0.95, power=1), "power"),
        (lambda: success_run_images(1.0), "target"),
        (lambda: success_run_images(0.9, errors=-1), "errors"),
        (lambda: images_for_half_width(0.9, 0), "half_width"),
        (lambda: images_to_separate(0.7, 0.6), "shares"),
        (lambda: images_to_separate(-0.1, 0.6), "shares"),
        (lambda: seeds_to_separate(Components(-1, 0, 0), 0.1, 100), "components"),
        (lambda: seeds_to_separate(Components(0, 0, 0), math.nan, 100), "difference"),
        (lambda: seeds_to_separate(Components(0, 0, 0), 0.1, 1), "components"),
    ],
)
def test_a_mistaken_call_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
