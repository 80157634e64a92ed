"""Crossed designs: the interval of models that share images, and variance components."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fashion_exp.stats.checks import Floats
from fashion_exp.stats.crossed import (
    crossed_components,
    crossed_se,
    crossed_t_interval,
    image_term,
    interaction_term,
    model_term,
)
from fashion_exp.stats.proportions import wilson, wilson_grouped, wilson_limits
from fashion_exp.stats.t_intervals import t_interval
from tests.stats.helpers import PROPERTY, limits, raw_limits, simulated_answers, width


def test_equals_its_formula() -> None:
    correct = simulated_answers(4, 200)
    a, b = correct.mean(1).var(ddof=1) / 4, correct.mean(0).var(ddof=1) / 200
    df = (a + b) ** 2 / (a**2 / 3 + b**2 / 199)
    mean, quantile = correct.mean(), stats.t.ppf(0.975, df)
    interval = crossed_t_interval(correct)
    expected = wilson_limits(mean, mean * (1 - mean) / (a + b), quantile)
    assert raw_limits(interval) == pytest.approx(expected)
    assert (interval.unit, interval.n, interval.scores) == ("models x images", 200, 4)
    unbounded = crossed_t_interval(correct, bounded=False)
    half_width = quantile * math.sqrt(a + b)
    assert raw_limits(unbounded) == pytest.approx((mean - half_width, mean + half_width))


def test_equal_models_reduce_to_t_over_images() -> None:
    answers = simulated_answers(1, 80)[0]
    crossed = crossed_t_interval([answers] * 5, bounded=False)
    assert limits(crossed) == pytest.approx(limits(t_interval(answers)))


def test_equal_images_reduce_to_t_over_models() -> None:
    models = np.array([0.7, 0.8, 0.75, 0.9])
    crossed = crossed_t_interval(np.repeat(models[:, None], 50, axis=1), bounded=False)
    assert limits(crossed) == pytest.approx(limits(t_interval(models)))


def test_few_errors_count_at_most_the_images() -> None:
    correct = np.ones((5, 100))
    correct[np.arange(5), np.arange(5)] = 0  # each model errs on an image of its own
    interval = crossed_t_interval(correct)
    low, high = limits(wilson(99, 100))
    assert limits(interval)[0] <= low and limits(interval)[1] >= high


@PROPERTY
@given(st.integers(2, 6), st.integers(5, 60), st.integers(0, 1000))
def test_order_of_models_and_images_is_irrelevant(models: int, images: int, seed: int) -> None:
    correct = simulated_answers(models, images, seed)
    interval, reversed_ = crossed_t_interval(correct), crossed_t_interval(correct[::-1, ::-1])
    assert reversed_.status == interval.status
    assert (reversed_.low, reversed_.high) == pytest.approx((interval.low, interval.high))


def test_width_tends_to_t_over_models_with_many_images() -> None:
    correct = simulated_answers(5, 100)
    many = crossed_t_interval(np.tile(correct, (1, 1000)))
    assert width(many) == pytest.approx(width(t_interval(correct.mean(1))), rel=0.05)


@PROPERTY
@given(st.integers(2, 6), st.integers(5, 60), st.integers(0, 1000))
def test_is_wider_than_normal_limits_of_either_source(models: int, images: int, seed: int) -> None:
    correct = simulated_answers(models, images, seed)
    se_models = correct.mean(1).std(ddof=1) / math.sqrt(models)
    se_images = correct.mean(0).std(ddof=1) / math.sqrt(images)
    interval = crossed_t_interval(correct, bounded=False)
    if interval.status == "ok":
        assert width(interval) > 2 * 1.95996 * max(se_models, se_images)


def test_subtracts_the_interaction_once_but_never_below_either_source() -> None:
    codes = np.arange(60)

    def se_of(table: Floats) -> tuple[float, float]:
        images = image_term(table.mean(axis=0), codes)
        return crossed_se([model_term(table)], images, [interaction_term(table, codes)])

    table = simulated_answers(5, 60) - simulated_answers(5, 60, 1)
    models = table.mean(1).var(ddof=1) / 5
    images = table.mean(0).var(ddof=1) / 60
    residuals = table - table.mean(1)[:, None] - table.mean(0) + table.mean()
    interaction = (residuals**2).sum() / (4 * 59) / 300
    assert se_of(table)[0] ** 2 == pytest.approx(max(models, images, models + images - interaction))
    alone = np.tile(table[:1], (5, 1)) + np.arange(5)[:, None]  # no interaction
    assert se_of(alone)[0] ** 2 == pytest.approx(2.5 / 5 + table[0].var(ddof=1) / 60)
    three = table[:3]
    doubled = three.mean(1).var(ddof=1) / 3 + three.mean(0).var(ddof=1) / 60
    assert se_of(three)[0] ** 2 == pytest.approx(doubled)


def test_interaction_of_single_images_in_groups_is_that_of_the_images() -> None:
    table = simulated_answers(4, 30)
    grouped = interaction_term(np.repeat(table, 3, axis=1), np.repeat(np.arange(30), 3))
    assert grouped == pytest.approx(interaction_term(table, np.arange(30)))


def test_accepts_unbounded_losses() -> None:
    losses = np.random.default_rng(0).exponential(2, (5, 100))
    interval = crossed_t_interval(losses, bounded=False)
    assert interval.status == "ok" and limits(interval) == raw_limits(interval)
    assert limits(interval)[1] > 1


def test_one_model_is_undefined_and_falls_back_on_wilson() -> None:
    interval = crossed_t_interval([[1, 1, 0, 1]])
    assert interval.status == "undefined" and interval.fallback == wilson(3, 4)
    assert interval.note == "needs at least 2 models; fallback: wilson at the mean accuracy"
    assert crossed_t_interval([[0.3, 2.5]], bounded=False).fallback is None
    assert "2 images" in crossed_t_interval([[1], [0]]).note


@pytest.mark.parametrize("answer", [0, 1])
def test_no_variance_is_degenerate_and_falls_back_on_wilson(answer: int) -> None:
    interval = crossed_t_interval(np.full((3, 20), answer))
    assert interval.status == "degenerate" and limits(interval) == (answer, answer)
    assert interval.fallback == wilson(20 * answer, 20, fractional=True, models=3)


def test_few_models_warn() -> None:
    assert "S=3" in crossed_t_interval(simulated_answers(3, 60)).note
    assert crossed_t_interval(simulated_answers(4, 60)).note == ""


def test_groups_of_copies_count_once() -> None:
    correct = simulated_answers(4, 100)
    single = crossed_t_interval(correct, groups=np.arange(100))
    assert limits(single) == pytest.approx(limits(crossed_t_interval(correct)))
    copies, groups = np.repeat(correct, 5, axis=1), np.repeat(np.arange(100), 5)
    assert limits(crossed_t_interval(copies, groups=groups)) == pytest.approx(limits(single))
    assert width(crossed_t_interval(copies)) < 0.8 * width(single)


def test_few_groups_warn_and_one_is_undefined() -> None:
    correct = simulated_answers(4, 20)
    pairs = np.arange(20) // 2
    assert "G=10 groups" in crossed_t_interval(correct, groups=pairs).note
    one_group = crossed_t_interval(correct, groups=np.zeros(20))
    assert (one_group.status, one_group.note) == ("undefined", "needs at least 2 groups")
    one_model = crossed_t_interval(correct[:1], groups=pairs)
    assert one_model.fallback == wilson_grouped(correct[0], pairs)


def test_components_recover_simulated_variances() -> None:
    rng = np.random.default_rng(1)
    models, images = rng.normal(0, 0.3, (200, 1)), rng.normal(0, 0.5, (1, 400))
    components = crossed_components(models + images + rng.normal(0, 0.7, (200, 400)))
    assert components.models == pytest.approx(0.09, rel=0.2)
    assert components.images == pytest.approx(0.25, rel=0.2)
    assert components.residual == pytest.approx(0.49, rel=0.02)
    assert crossed_components([[1, 0, 1], [1, 0, 1]]) == pytest.approx((0, 1 / 3, 0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: crossed_t_interval([1, 0, 1]), "models, images"),
        (lambda: crossed_t_interval(np.zeros((0, 5))), "no scores"),
        (lambda: crossed_t_interval([[1.0, math.nan], [0.0, 1.0]]), "incomplete"),
        (lambda: crossed_t_interval([[1, 2], [0, 1]]), "outside"),
        (lambda: crossed_t_interval([[1, 0], [0, 1]], 0), "level"),
        (lambda: crossed_t_interval([[1, 0], [0, 1]], groups=["a"]), "one group label each"),
        (lambda: crossed_components([[1, 0, 1]]), "at least 2 models"),
    ],
)
def test_rejects_invalid_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
