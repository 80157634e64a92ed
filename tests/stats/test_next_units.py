"""Where uncertainty comes from: components add up, and more units narrow what they should."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fashion_exp.stats.next_units import Uncertainty, uncertainty
from fashion_exp.stats.redrawn import redrawn_interval
from tests.stats.helpers import width

RNG = np.random.default_rng(0)


def crossed(models: float, images: float, noise: float, shape: tuple[int, int]) -> Uncertainty:
    rng = np.random.default_rng(1)
    effects = models * rng.normal(size=(shape[0], 1)) + images * rng.normal(size=shape[1])
    return uncertainty(effects + noise * rng.normal(size=shape))


def test_components_are_those_that_made_the_scores() -> None:
    result = crossed(0.05, 0.4, 0.2, (40, 2000))
    assert result.images == pytest.approx(0.4 / math.sqrt(2000), rel=0.1)
    assert result.trainings == pytest.approx(0.05 / math.sqrt(40), rel=0.25)
    assert result.interaction == pytest.approx(0.2 / math.sqrt(40 * 2000), rel=0.05)


def test_the_unit_that_varies_is_the_one_that_helps() -> None:
    by_trainings = crossed(0.1, 0.1, 0.0, (5, 1000))
    by_images = crossed(0.001, 0.4, 0.0, (5, 200))
    for result, helps in ((by_trainings, True), (by_images, False)):
        assert result.more_trainings is not None
        assert (result.more_trainings < result.more_images) is helps
        assert result.half_width >= max(result.more_trainings, result.more_images) * (1 - 1e-3)


def test_half_width_of_redrawn_splits_is_that_of_the_interval() -> None:
    scores = (RNG.random((5, 200)) < 0.8).astype(float)
    scores[RNG.random((5, 200)).argsort(axis=1) >= 40] = np.nan
    scores = scores[:, ~np.isnan(scores).all(axis=0)]
    result = uncertainty(scores, n_train=160, repeats=5)
    expected = width(redrawn_interval(scores, range(5), 160, shape="t")) / 2
    assert result.half_width == pytest.approx(expected) and result.interaction is None
    assert result.trainings is not None
    both = math.hypot(result.images, result.trainings)
    assert result.half_width == pytest.approx(2.7764 * both, rel=1e-3)


def test_one_training_tells_nothing_about_others() -> None:
    scores = (RNG.random((1, 100)) < 0.8).astype(float)
    result = uncertainty(scores)
    assert result.trainings is None and result.more_trainings is None
    assert result.images == pytest.approx(scores.std(ddof=1) / 10)
    copies = uncertainty(np.repeat(scores, 4, axis=1), groups=np.repeat(np.arange(100), 4))
    assert copies.images == pytest.approx(result.images)
