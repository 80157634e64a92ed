"""Intervals for redrawn splits and for the models at hand, and the shapes of their limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fashion_exp.stats.crossed import crossed_t_interval
from fashion_exp.stats.interval import Estimand
from fashion_exp.stats.limits import why_no_f1_interval, why_no_loss_interval
from fashion_exp.stats.proportions import f1_interval, wilson
from fashion_exp.stats.redrawn import TRAINING_SHARE, interval_of_models, redrawn_interval
from fashion_exp.stats.t_intervals import corrected_t_interval
from tests.stats.helpers import limits, width


def redrawn(splits: int, n: int = 100, share: float = 0.2, seed: int = 0) -> np.ndarray:
    """(splits, n) answers; nan outside of a random test part."""
    rng = np.random.default_rng(seed)
    answers = (rng.random((splits, n)) < 0.8).astype(float)
    answers[rng.random((splits, n)).argsort(axis=1) >= share * n] = np.nan
    return answers


def test_one_repeat_of_folds_is_nadeau_and_bengios_interval() -> None:
    answers = np.full((5, 100), np.nan)
    for fold in range(5):
        answers[fold, fold::5] = np.random.default_rng(fold).random(20) < 0.8
    means = np.nanmean(answers, axis=1)
    result = redrawn_interval(answers, [0] * 5, 80, shape="t")
    assert limits(result) == pytest.approx(
        limits(corrected_t_interval(means, 80, 20, bounded=False))
    )
    assert result.target == Estimand.RECIPE and result.scores == 5


def test_redrawn_splits_are_corrected_for_the_training_images_they_share() -> None:
    answers = redrawn(10)
    plain = corrected_t_interval(np.nanmean(answers, axis=1), 80, 20, bounded=False)
    result = redrawn_interval(answers, range(10), 80, shape="t")
    r = 0.2 + TRAINING_SHARE * 0.6
    expected = math.sqrt((0.1 + r / (1 - r)) / (0.1 + 0.25))
    assert width(result) / width(plain) == pytest.approx(expected)


def test_wilson_shape_stays_in_bounds_and_is_wider_below() -> None:
    answers = redrawn(5, seed=3)
    answers[answers == 0] = 1
    answers[0, np.flatnonzero(~np.isnan(answers[0]))[0]] = 0
    result = redrawn_interval(answers, range(5), 80)
    low, high = limits(result)
    assert result.estimate is not None and 0 < low < high < 1
    assert result.estimate - low > high - result.estimate


def test_hall_limits_lie_further_on_the_long_side_and_are_t_limits_for_symmetric_scores() -> None:
    losses = np.random.default_rng(0).exponential(0.5, 80)
    result = interval_of_models(losses, shape="hall")
    assert result.estimate is not None and result.target == Estimand.MODEL
    low, high = limits(result)
    assert high - result.estimate > 1.1 * (result.estimate - low)
    symmetric = np.concatenate([losses, 10 - losses])
    both = [limits(interval_of_models(symmetric, shape=shape)) for shape in ("hall", "t")]
    assert both[0] == pytest.approx(both[1])


def test_hall_limits_invert_the_cubic_transformation() -> None:
    losses = np.random.default_rng(1).exponential(0.5, 60)
    low, high = limits(interval_of_models(losses, shape="hall"))
    n, skewness = losses.size, float(stats.skew(losses)) * (59 / 60) ** 1.5
    for limit, sign in ((low, 1), (high, -1)):
        t = (losses.mean() - limit) / (losses.std(ddof=1) / math.sqrt(n))
        a = skewness / math.sqrt(n)
        transformed = t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6
        assert transformed == pytest.approx(sign * stats.t.isf(0.025, n - 1), rel=1e-3)


def test_copies_in_groups_do_not_narrow_the_interval() -> None:
    scores = np.random.default_rng(2).random(50)
    copies, groups = np.repeat(scores, 4), np.repeat(np.arange(50), 4)
    result = interval_of_models(copies, shape="wilson", groups=groups)
    assert limits(result) == pytest.approx(limits(interval_of_models(scores, shape="wilson")))


def test_crossed_limits_of_a_loss_are_skewed_too() -> None:
    losses = np.random.default_rng(4).exponential(0.5, (5, 80))
    low, high = limits(crossed_t_interval(losses, bounded=False, shape="hall"))
    assert high - losses.mean() > losses.mean() - low


def test_f1_interval_is_wilsons_of_the_union_transformed() -> None:
    result, proportion = f1_interval(40, 50), wilson(40, 50)
    assert result.estimate == pytest.approx(2 * 40 / (40 + 50))
    expected = [2 * p / (1 + p) for p in limits(proportion)]
    assert limits(result) == pytest.approx(expected)
    assert f1_interval(0, 0).status == "undefined"


def test_an_interval_that_cannot_be_trusted_has_a_reason() -> None:
    assert why_no_f1_interval(9.5, 100) == "9.5 errors, needs 10"
    assert "rarest class" in why_no_f1_interval(50, 19) and not why_no_f1_interval(10, 20)
    assert "the loss of 3 photos" in why_no_loss_interval(50, np.repeat([1.0, 0.0], [3, 97]))
    assert not why_no_loss_interval(10, np.ones(20))


@pytest.mark.parametrize("scores", [np.ones((1, 9)), np.ones((3, 9))])
def test_one_score_or_no_variance_gives_no_interval(scores: np.ndarray) -> None:
    assert redrawn_interval(scores, range(len(scores)), 50).or_fallback.low is None
