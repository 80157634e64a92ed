"""Posteriors of differences agree with the intervals of the tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fashion_exp.stats.crossed import image_term, interaction_term, model_term
from fashion_exp.stats.paired_t import RopePosterior
from fashion_exp.stats.posterior import hierarchical_posterior, t_posterior


def crossed(values: np.ndarray, rope: float = 0.0) -> RopePosterior:
    codes = np.arange(values.shape[1])
    means = [model_term(values), image_term(values.mean(axis=0), codes)]
    return hierarchical_posterior(
        float(values.mean()), means, [interaction_term(values, codes)], rope
    )


def table(seeds: int, images: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    effects = 0.02 * rng.normal(size=(seeds, 1)) + 0.3 * rng.normal(size=images)
    values: np.ndarray = shift + effects + 0.1 * rng.normal(size=(seeds, images))
    return values - values.mean() + shift


def test_images_alone_give_students_t() -> None:
    result = t_posterior(0.02, 0.01, 49, rope=0.01)
    posterior = stats.t(49, loc=0.02, scale=0.01)
    assert result.better == pytest.approx(posterior.sf(0.01))
    assert result.worse == pytest.approx(posterior.cdf(-0.01))
    assert t_posterior(0.02, 0.0, 49, rope=0.01).better == 1


def test_no_difference_is_as_often_better_as_worse() -> None:
    result = crossed(table(5, 100))
    assert result.better == pytest.approx(0.5, abs=0.02)
    assert result.worse == pytest.approx(0.5, abs=0.02)


def test_many_trainings_leave_the_uncertainty_of_the_images() -> None:
    values = table(60, 100, shift=0.05)
    result, se = crossed(values), values.mean(axis=0).std(ddof=1) / 10
    assert result.better == pytest.approx(stats.t(99, 0.05, se).sf(0), abs=0.02)


def test_few_trainings_widen_it() -> None:
    few, many = crossed(table(4, 1000, 0.02)), crossed(table(40, 1000, 0.02))
    assert few.better is not None and many.better is not None and few.better < many.better


def test_negative_components_are_set_to_zero() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(4, 200))
    noise -= noise.mean(axis=1, keepdims=True)  # trainings that differ less than by chance
    result = crossed(noise + 0.1)
    assert result.better is not None and 0.5 < result.better < 1
