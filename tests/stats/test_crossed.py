"""Models that share their images: the crossed interval and its variance components."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fashion_exp.stats.crossed import crossed_components, crossed_t_interval
from fashion_exp.stats.proportions import wilson, wilson_grouped
from fashion_exp.stats.scores import t_interval
from tests.stats.given import LAW, answers, limits, raw_limits, width


def test_crossed_equals_its_formula() -> None:
    correct = answers(4, 60)
    a, b = correct.mean(1).var(ddof=1) / 4, correct.mean(0).var(ddof=1) / 60
    df = (a + b) ** 2 / (a**2 / 3 + b**2 / 59)
    half = stats.t.ppf(0.975, df) * math.sqrt(a + b)
    found = crossed_t_interval(correct)
    assert raw_limits(found) == pytest.approx((correct.mean() - half, correct.mean() + half))
    assert (found.unit, found.n, found.scores) == ("models x images", 60, 4)


def test_models_that_answer_alike_reduce_crossed_to_a_t_over_images() -> None:
    one = answers(1, 80)[0]
    crossed = crossed_t_interval([one] * 5)
    assert limits(crossed) == pytest.approx(limits(t_interval(one)))


def test_images_that_are_alike_reduce_crossed_to_a_t_over_models() -> None:
    models = np.array([0.7, 0.8, 0.75, 0.9])
    crossed = crossed_t_interval(np.repeat(models[:, None], 50, axis=1))
    assert limits(crossed) == pytest.approx(limits(t_interval(models)))


@LAW
@given(st.integers(2, 6), st.integers(5, 60), st.integers(0, 1000))
def test_crossed_ignores_the_order_of_models_and_images(
    models: int, images: int, seed: int
) -> None:
    correct = answers(models, images, seed)
    turned = crossed_t_interval(correct[::-1, ::-1])
    found = crossed_t_interval(correct)
    assert turned.status == found.status
    assert (turned.low, turned.high) == pytest.approx((found.low, found.high))


def test_with_endless_images_only_the_models_own_spread_is_left() -> None:
    correct = answers(5, 100)
    endless = crossed_t_interval(np.tile(correct, (1, 10_000)))
    assert width(endless) == pytest.approx(width(t_interval(correct.mean(1))), rel=0.01)


@LAW
@given(st.integers(2, 6), st.integers(5, 60), st.integers(0, 1000))
def test_crossed_is_wider_than_normal_limits_of_either_source(
    models: int, images: int, seed: int
) -> None:
    correct = answers(models, images, seed)
    of_models = correct.mean(1).std(ddof=1) / math.sqrt(models)
    of_images = correct.mean(0).std(ddof=1) / math.sqrt(images)
    found = crossed_t_interval(correct)
    if found.status == "ok":
        assert width(found) > 2 * 1.95996 * max(of_models, of_images)


def test_crossed_takes_losses() -> None:
    losses = np.random.default_rng(0).exponential(2, (5, 100))
    found = crossed_t_interval(losses, bounded=False)
    assert found.status == "ok" and limits(found) == raw_limits(found) and limits(found)[1] > 1


def test_one_model_has_no_crossed_interval_but_wilson() -> None:
    found = crossed_t_interval([[1, 1, 0, 1]])
    assert found.status == "undefined" and found.fallback == wilson(3, 4)
    assert found.note == "needs at least 2 models; fallback: wilson at the mean accuracy"
    assert crossed_t_interval([[0.3, 2.5]], bounded=False).fallback is None
    assert "2 images" in crossed_t_interval([[1], [0]]).note


@pytest.mark.parametrize("answer", [0, 1])
def test_models_that_are_all_right_or_all_wrong_are_degenerate(answer: int) -> None:
    found = crossed_t_interval(np.full((3, 20), answer))
    assert found.status == "degenerate" and limits(found) == (answer, answer)
    assert found.fallback == wilson(20 * answer, 20, fractional=True, models=3)


def test_few_models_are_flagged() -> None:
    assert "S=3" in crossed_t_interval(answers(3, 60)).note
    assert crossed_t_interval(answers(4, 60)).note == ""


def test_groups_widen_crossed_and_single_images_do_not() -> None:
    correct = answers(4, 100)
    alone = crossed_t_interval(correct, groups=np.arange(100))
    assert limits(alone) == pytest.approx(limits(crossed_t_interval(correct)))
    copies = np.repeat(correct, 5, axis=1)
    sources = np.repeat(np.arange(100), 5)
    assert limits(crossed_t_interval(copies, groups=sources)) == pytest.approx(limits(alone))
    assert width(crossed_t_interval(copies)) < 0.8 * width(alone)


def test_few_groups_are_flagged_and_one_has_no_interval() -> None:
    correct = answers(4, 20)
    assert "G=10 groups" in crossed_t_interval(correct, groups=np.arange(20) // 2).note
    one = crossed_t_interval(correct, groups=np.zeros(20))
    assert one.status == "undefined" and one.note == "needs at least 2 groups"  # nor a fallback
    single = crossed_t_interval(correct[:1], groups=np.arange(20) // 2)
    assert single.fallback == wilson_grouped(correct[0], np.arange(20) // 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: crossed_t_interval([1, 0, 1]), "models, images"),
        (lambda: crossed_t_interval(np.zeros((0, 5))), "no scores"),
        (lambda: crossed_t_interval([[1.0, math.nan], [0.0, 1.0]]), "incomplete"),
        (lambda: crossed_t_interval([[1, 2], [0, 1]]), "outside"),
        (lambda: crossed_t_interval([[1, 0], [0, 1]], 0), "level"),
        (lambda: crossed_t_interval([[1, 0], [0, 1]], groups=["a"]), "one group each"),
        (lambda: crossed_components([[1, 0, 1]]), "at least 2 models"),
    ],
)
def test_a_mistaken_crossed_call_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_variance_components_are_those_put_in() -> None:
    rng = np.random.default_rng(1)
    models, images = rng.normal(0, 0.3, (200, 1)), rng.normal(0, 0.5, (1, 400))
    found = crossed_components(models + images + rng.normal(0, 0.7, (200, 400)))
    assert found.models == pytest.approx(0.09, rel=0.2)
    assert found.images == pytest.approx(0.25, rel=0.2)
    assert found.residual == pytest.approx(0.49, rel=0.02)
    assert crossed_components([[1, 0, 1], [1, 0, 1]]) == pytest.approx((0, 1 / 3, 0))
