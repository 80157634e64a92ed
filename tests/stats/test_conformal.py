"""Prediction sets and rejection: known answers, and the stated coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from fashion_exp.stats.calibration import group_parts
from fashion_exp.stats.conformal import conformal_scores, held_out_sets, prediction_sets
from fashion_exp.stats.selective import accuracy_threshold, risk_coverage
from tests.stats.test_calibration import draw


def test_p_values_count_calibration_images_that_fit_no_better() -> None:
    """Of 4 true probabilities 0.9 0.7 0.5 0.2, two are at most 0.5 and none is at most 0.1."""
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5], [0.8, 0.2]])
    zeros = np.zeros(4, dtype=np.int64)
    scores = conformal_scores(np.array([0, 1, 0, 1]), probabilities, zeros, np.arange(4))
    new = np.array([[0.5, 0.5], [0.9, 0.1]])
    assert scores.p_values(new) == pytest.approx(np.array([[0.6, 0.6], [1.0, 0.2]]))
    per_class = scores.p_values(new, per_class=True)
    assert per_class == pytest.approx(np.array([[2 / 3, 2 / 3], [1.0, 1 / 3]]))


def test_each_calibration_image_is_compared_by_its_own_model() -> None:
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4]])
    scores = conformal_scores(np.array([0, 0]), probabilities, np.array([0, 1]), np.arange(2))
    new = np.array([[[0.8, 0.2]], [[0.7, 0.3]]])  # below 0.9 by model 0, above 0.6 by model 1
    assert scores.p_values(new)[0] == pytest.approx([2 / 3, 1 / 3])


def test_copies_of_a_group_change_no_p_value() -> None:
    labels, probabilities = draw(50, 1.0)
    zeros = np.zeros(50, dtype=np.int64)
    once = conformal_scores(labels, probabilities, zeros, np.arange(50)).p_values(probabilities)
    rows = np.repeat(np.arange(50), 3)
    copies = conformal_scores(labels[rows], probabilities[rows], zeros[rows], rows)
    assert copies.p_values(probabilities) == pytest.approx(once)


def test_set_has_most_probable_class_and_all_classes_if_images_are_too_few() -> None:
    labels, probabilities = draw(10, 1.0)
    scores = conformal_scores(labels, probabilities, np.zeros(10, np.int64), np.arange(10))
    best = probabilities.argmax(axis=1)
    assert prediction_sets(scores.p_values(probabilities), best, 0.95).all()
    tight = prediction_sets(np.zeros((10, 4)), best, 0.95)
    assert (tight.sum(axis=1) == 1).all() and tight[np.arange(10), best].all()
    with pytest.raises(ValueError, match="coverage"):
        prediction_sets(scores.p_values(probabilities), best, 1.0)


@pytest.mark.parametrize("per_class", [False, True])
def test_sets_have_stated_coverage(per_class: bool) -> None:
    """By simulation: 60 calibration sets of 200, each with 200 new images."""
    covered: list[np.ndarray] = []
    for seed in range(60):
        labels, probabilities = draw(400, 2.0, seed)
        old, new = slice(0, 200), slice(200, 400)
        scores = conformal_scores(
            labels[old], probabilities[old], np.zeros(200, np.int64), np.arange(200)
        )
        p_values = scores.p_values(probabilities[new], per_class)
        members = prediction_sets(p_values, probabilities[new].argmax(axis=1), 0.9)
        hits = members[np.arange(200), labels[new]]
        classes = range(4) if per_class else [slice(None)]
        covered += [hits[labels[new] == c].mean() if per_class else hits.mean() for c in classes]
    assert 0.89 < np.mean(covered) < 0.94


def test_held_out_sets_cover_images_in_groups() -> None:
    rng = np.random.default_rng(0)
    labels, _ = draw(900, 1.0)
    groups = np.arange(900) // 3
    noise = rng.normal(0, 1, (300, 4))[groups] * 2  # images of a group err together
    probabilities = special.softmax(noise + 3 * np.eye(4)[labels], axis=1)
    scores = conformal_scores(labels, probabilities, np.zeros(900, np.int64), groups)
    members = held_out_sets(scores, probabilities, group_parts(groups), 0.9)
    assert members[np.arange(900), labels].mean() == pytest.approx(0.9, abs=0.03)
    assert 1 <= members.sum(axis=1).mean() < 3


def test_risk_coverage_by_hand_and_without_order_of_ties() -> None:
    curve = risk_coverage([0.9, 0.8, 0.5, 0.5], [1, 0, 1, 0])
    assert curve.coverage == pytest.approx([0.25, 0.5, 0.75, 1])
    assert curve.risk == pytest.approx([0, 0.5, 0.5, 0.5])
    assert curve.area == pytest.approx(0.375)
    swapped = risk_coverage([0.5, 0.8, 0.5, 0.9], [0, 0, 1, 1])
    assert np.array_equal(swapped.risk, curve.risk)


def test_threshold_is_wrong_in_few_samples() -> None:
    """The accuracy is that of the confidence, and a threshold of 0.8 gives 0.95 exactly."""
    wrong, result = 0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        confidence = 1 - 0.5 * rng.uniform(0, 1, 1000) ** 3
        chosen = accuracy_threshold(confidence, rng.random(1000) < confidence, 0.95)
        result += chosen is not None
        wrong += chosen is not None and chosen.confidence < 0.8
    assert wrong <= 5 and result > 90


def test_threshold_accepts_all_if_accuracy_suffices_and_none_if_it_never_does() -> None:
    confidence = np.linspace(0.5, 1, 500)
    assert accuracy_threshold(confidence, np.ones(500), 0.95) == (0.0, 1.0, 1.0, pytest.approx(
        0.05 ** (1 / 500), abs=0.01), 500)  # fmt: skip
    assert accuracy_threshold(confidence, np.zeros(500), 0.5) is None


def test_copies_do_not_support_a_threshold() -> None:
    confidence, groups = np.full(500, 0.99), np.arange(500) // 50
    assert accuracy_threshold(confidence, np.ones(500), 0.95, groups) is None
