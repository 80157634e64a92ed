"""Measures of several classes at once and of soft labels: against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from fashion_exp.stats import metrics, multilabel
from fashion_exp.stats.mean_average_precision import mean_average_precision


def example(n: int = 60, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    present = rng.random((n, 3)) < (0.2, 0.5, 0.7)
    scores = np.clip(0.5 * present + 0.6 * rng.random((n, 3)), 0, 1)
    return present, scores.round(1) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_equals_scikit_learns(ties: bool) -> None:
    present, scores = example(ties=ties)
    expected = reference.average_precision_score(present, scores, average=None)
    np.testing.assert_allclose(multilabel.average_precision(present, scores), expected)


def test_weights_count_images_so_often() -> None:
    present, scores = example(20)
    times = np.random.default_rng(1).integers(0, 3, 20)
    repeated = multilabel.average_precision(present.repeat(times, 0), scores.repeat(times, 0))
    np.testing.assert_allclose(multilabel.average_precision(present, scores, times), repeated)


def test_measures_at_thresholds_equal_scikit_learns() -> None:
    present, scores = example()
    predicted = scores >= 0.6
    result = multilabel.class_scores(present, predicted)
    expected = reference.precision_recall_fscore_support(present, predicted)
    for own, other in zip((result.precision, result.recall, result.f1), expected, strict=False):
        np.testing.assert_allclose(own, other)
    hamming = multilabel.per_image_hamming(present, predicted).mean()
    assert hamming == pytest.approx(reference.hamming_loss(present, predicted))
    exact = multilabel.per_image_exact_match(present, predicted).mean()
    assert exact == pytest.approx(reference.accuracy_score(present, predicted))
    contributions = metrics.macro_f1_contributions(present, predicted)
    assert contributions.mean() == pytest.approx(np.mean(expected[2]))
    loss = np.mean([reference.log_loss(present[:, i], scores[:, i]) for i in range(3)])
    clipped = np.clip(scores, metrics.MIN_PROBABILITY, 1 - metrics.MIN_PROBABILITY)
    assert multilabel.per_image_binary_loss(present, clipped).mean() == pytest.approx(loss, rel=0.1)


def test_threshold_has_the_highest_f1() -> None:
    present, scores = example(ties=True)
    chosen = multilabel.choose_thresholds(present, scores)
    best = multilabel.class_scores(present, scores >= chosen).f1
    for threshold in np.linspace(0, 1, 21):
        others = multilabel.class_scores(present, scores >= threshold).f1
        assert (others <= best + 1e-12).all()
    assert multilabel.choose_thresholds(np.zeros((2, 1)), np.zeros((2, 1)))[0] == 0.5


def test_own_label_does_not_choose_a_threshold() -> None:
    present, scores = example()
    groups = np.arange(len(present)) // 2
    thresholds = multilabel.cross_fitted_thresholds(present, scores, groups)
    changed = present.copy()
    changed[:2] = ~changed[:2]
    after = multilabel.cross_fitted_thresholds(changed, scores, groups)
    assert (after[:2] == thresholds[:2]).all() and (after != thresholds).any()


def test_interval_of_mean_average_precision_covers_its_estimate() -> None:
    present, scores = example(200)
    units = [(present, scores, np.arange(200))]
    interval = mean_average_precision(units, np.arange(200), 0.95)
    assert interval.low is not None and interval.high is not None and interval.estimate is not None
    assert interval.low < interval.estimate < interval.high
    grouped = mean_average_precision(units, np.arange(200) // 10, 0.95)
    assert grouped.low is not None and grouped.estimate == interval.estimate


def test_scores_of_different_models_are_not_ranked_together() -> None:
    present = np.tile([[True, False], [False, True]], (20, 1))
    scores, rows = np.where(present, 0.3, 0.1), np.arange(40)
    scores[20:] += 0.5  # the second fold's model gives higher probabilities
    folds = [(present[part], scores[part], part) for part in (rows[:20], rows[20:])]
    assert mean_average_precision(folds, rows, 0.95).estimate == 1
    together = mean_average_precision([(present, scores, rows)], rows, 0.95).estimate
    assert together is not None and together < 0.9


SHARES = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.7, 0.3, 0], [0.6, 0.4, 0], [2 / 3, 1 / 3, 0]])


def test_accepted_classes_have_more_than_half_of_the_largest_share() -> None:
    sets = [set(np.flatnonzero(row)) for row in metrics.accepted_classes(SHARES)]
    assert sets == [{0}, {0, 1}, {0}, {0, 1}, {0}]


def test_prediction_of_an_accepted_class_is_right() -> None:
    probabilities = np.array([[0.2, 0.7, 0.1]] * 5)
    labels = metrics.matched_labels(SHARES, probabilities)
    assert labels.tolist() == [0, 1, 0, 1, 0]
    right = metrics.per_image_correct(labels, probabilities)
    assert right.tolist() == [False, True, False, True, False]


def test_soft_loss_of_one_class_is_the_cross_entropy() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 5)
    labels = np.array([0, 1, 2, 0, 1])
    np.testing.assert_array_equal(
        metrics.per_image_soft_loss(np.eye(3)[labels], probabilities),
        metrics.per_image_loss(labels, probabilities),
    )
    expected = -0.7 * np.log(probabilities[2, 0]) - 0.3 * np.log(probabilities[2, 1])
    assert metrics.per_image_soft_loss(SHARES, probabilities)[2] == pytest.approx(expected)
