"""Calibration: known temperatures and errors, and the stated coverage of the interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from fashion_exp.stats.calibration import (
    TEMPERATURE_BOUNDS,
    apply_temperature,
    calibration_error,
    cross_fitted,
    fit_temperature,
    group_parts,
    per_image_brier,
    reliability,
)
from tests.stats.helpers import limits


def draw(n: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels of calibrated probabilities, and the probabilities raised to a power."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2.5, (n, 4))
    probabilities = special.softmax(logits, axis=1)
    labels = (probabilities.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1).clip(0, 3)
    return labels, special.softmax(logits * sharpness, axis=1)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_temperature_undoes_known_sharpness(sharpness: float) -> None:
    labels, probabilities = draw(40_000, sharpness)
    assert fit_temperature(labels, probabilities) == pytest.approx(sharpness, rel=0.03)


def test_temperature_has_lower_bound_without_errors() -> None:
    probabilities = np.array([[0.7, 0.3], [0.4, 0.6]])
    assert fit_temperature([0, 1], probabilities) == pytest.approx(TEMPERATURE_BOUNDS[0], rel=0.01)


def test_temperature_keeps_order_and_sum_of_extreme_probabilities() -> None:
    probabilities = np.array([[1.0, 0.0, 0.0], [0.98, 0.02, 1e-40]])
    scaled = apply_temperature(probabilities, 2.0)
    assert np.allclose(scaled.sum(axis=1), 1) and (scaled[1, :-1] > scaled[1, 1:]).all()
    assert scaled[1, 0] / scaled[1, 1] == pytest.approx(np.sqrt(0.98 / 0.02))
    assert np.array_equal(apply_temperature(probabilities, 1.0), probabilities)


def test_cross_fitted_temperature_does_not_see_the_image() -> None:
    labels, probabilities = draw(200, 3.0)
    models, parts = np.arange(200) % 2, group_parts(np.arange(200))
    scaled = cross_fitted(labels, probabilities, models, parts)
    changed = labels.copy()
    changed[0] = (labels[0] + 1) % 4
    again = cross_fitted(changed, probabilities, models, parts)
    same = (models != models[0]) | (parts == parts[0])
    assert np.array_equal(scaled[same], again[same]) and not np.allclose(scaled, again)


def test_groups_are_in_one_part_and_parts_are_similar() -> None:
    groups = np.arange(1000) // 3
    parts = group_parts(groups)
    assert all(len(set(parts[groups == group])) == 1 for group in range(334))
    assert np.bincount(parts).min() > 190


def test_brier_score_is_squared_distance() -> None:
    assert per_image_brier([0, 1], [[0.8, 0.2], [1.0, 0.0]]) == pytest.approx([0.08, 2.0])


def test_calibration_error_by_hand() -> None:
    """Two bins of 4: accuracies 0.5 and 1, confidences 0.6 and 0.9."""
    probabilities = np.array([[0.6, 0.4]] * 4 + [[0.9, 0.1]] * 4)
    interval = calibration_error([0, 0, 1, 1, 0, 0, 0, 0], probabilities, bins=2)
    assert interval.estimate == 0.0  # 0.5 (0.01 - 0.25 / 3) + 0.5 (0.01 - 0) is below 0
    interval = calibration_error([1, 1, 1, 1, 0, 0, 0, 0], probabilities, bins=2)
    assert interval.estimate == pytest.approx(np.sqrt(0.5 * 0.36 + 0.5 * 0.01))


def test_reliability_bins_have_equal_numbers_and_their_accuracy() -> None:
    labels, probabilities = draw(20_000, 1.0)
    bins = reliability(labels, probabilities, bins=5)
    assert [item.predictions for item in bins] == [4000] * 5
    for item in bins:
        low, high = limits(item.accuracy)
        assert low - 0.01 < item.confidence < high + 0.01
    overconfident = reliability(*draw(20_000, 3.0), bins=5)
    assert all(item.confidence > limits(item.accuracy)[1] for item in overconfident)


@pytest.mark.slow
@pytest.mark.parametrize("sharpness", [1.0, 1.5])
def test_calibration_error_has_stated_coverage_and_no_bias_of_its_square(sharpness: float) -> None:
    """By simulation: 100 samples of 400; the coverage of 95 % intervals was .95 to 1."""
    truth = calibration_error(*draw(50_000, sharpness, 9), resamples=100).estimate
    assert truth is not None
    covered = [
        low <= truth <= high + 5e-3
        for seed in range(100)
        for low, high in [
            limits(calibration_error(*draw(400, sharpness, seed), resamples=100, seed=seed))
        ]
    ]
    assert np.mean(covered) > 0.91


def test_copies_of_a_group_do_not_narrow_the_interval() -> None:
    labels, probabilities = draw(300, 2.0)
    once = calibration_error(labels, probabilities, np.arange(300), resamples=400)
    thrice = calibration_error(
        np.repeat(labels, 3), np.repeat(probabilities, 3, axis=0), np.repeat(np.arange(300), 3),
        resamples=400,
    )  # fmt: skip
    widths = [limits(interval)[1] - limits(interval)[0] for interval in (once, thrice)]
    assert widths[1] > 0.75 * widths[0]
