"""Metrics against hand-computed values, counting and invariants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.metrics import (
    accuracy,
    confusion_matrix,
    cross_entropy,
    macro_f1,
    per_image_correct,
    per_image_loss,
    per_image_macro_f1,
    precision_recall_f1,
    predicted_labels,
)
from tests.stats.helpers import PROPERTY

LABELS = np.array([0, 1, 2, 1])
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.4, 0.4, 0.2]])
Pairs = tuple[int, list[tuple[int, int]]]
PAIRS = st.integers(2, 5).flatmap(
    lambda classes: st.tuples(
        st.just(classes),
        st.lists(
            st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)),
            min_size=1,
            max_size=60,
        ),
    )
)
"""The number of classes, and pairs of a label and a prediction."""


def test_macro_f1_excludes_and_reports_absent_classes() -> None:
    result = macro_f1(confusion_matrix([1, 1, 1], [1, 1, 0], 3))
    assert result.value == pytest.approx(0.8) and result.absent_classes == (0, 2)
    assert "classes absent from the test split: 0, 2" in result.note
    assert macro_f1([[1, 0], [0, 1]]).note == ""


def test_macro_f1_counts_missed_class_as_zero() -> None:
    result = macro_f1(confusion_matrix([0, 0, 1], [0, 0, 0], 2))
    assert result.value == pytest.approx(0.8 / 2) and result.absent_classes == ()


def test_accuracy_is_mean_of_per_image_correct() -> None:
    correct = per_image_correct(LABELS, PROBABILITIES)
    assert correct.tolist() == [True, True, False, False]
    assert accuracy(LABELS, PROBABILITIES) == 0.5


def test_ties_predict_first_class() -> None:
    assert predicted_labels(PROBABILITIES).tolist() == [0, 1, 0, 0]


def test_cross_entropy_is_mean_negative_log_likelihood() -> None:
    expected = [-math.log(p) for p in (0.7, 0.6, 0.2, 0.4)]
    assert per_image_loss(LABELS, PROBABILITIES) == pytest.approx(expected)
    assert cross_entropy(LABELS, PROBABILITIES) == pytest.approx(np.mean(expected))


def test_loss_of_confident_error_is_finite() -> None:
    losses = per_image_loss([1, 0], [[1.0, 0.0], [1.0, 0.0]])
    assert losses.tolist() == [pytest.approx(23 * math.log(2)), 0.0]


def test_accepts_float32_softmax() -> None:
    logits = np.random.default_rng(0).normal(0, 10, (500, 10)).astype(np.float32)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    rows = odds / odds.sum(axis=1, keepdims=True)
    assert rows.dtype == np.float32 and cross_entropy(np.zeros(500, int), rows) > 0


def test_confusion_matrix_has_truth_in_rows() -> None:
    counts = confusion_matrix([0, 0, 2, 2, 2], [0, 1, 2, 0, 0], 3)
    assert counts.tolist() == [[1, 1, 0], [0, 0, 0], [2, 0, 1]]


def test_undefined_class_scores_are_nan() -> None:
    precision, recall, f1 = precision_recall_f1([[3, 1, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0], [0] * 4])
    assert precision == pytest.approx([3 / 5, 0, math.nan, math.nan], nan_ok=True)
    assert recall == pytest.approx([3 / 4, math.nan, 0, math.nan], nan_ok=True)
    assert f1 == pytest.approx([6 / 9, math.nan, 0, math.nan], nan_ok=True)


@PROPERTY
@given(PAIRS)
def test_confusion_matrix_counts_every_image(drawn: Pairs) -> None:
    classes, pairs = drawn
    labels, predicted = np.array(pairs).T
    counts = confusion_matrix(labels, predicted, classes)
    assert counts.sum() == len(pairs) and counts.trace() == (labels == predicted).sum()
    assert counts.sum(axis=1).tolist() == np.bincount(labels, minlength=classes).tolist()
    assert counts.T.tolist() == confusion_matrix(predicted, labels, classes).tolist()


@PROPERTY
@given(PAIRS)
def test_class_scores_equal_counting(drawn: Pairs) -> None:
    classes, pairs = drawn
    labels, predicted = np.array(pairs).T
    confusion = confusion_matrix(labels, predicted, classes)
    scores = precision_recall_f1(confusion)
    f1 = []
    for c in sorted({label for label, _ in pairs}):
        hits, predictions = pairs.count((c, c)), int((predicted == c).sum())
        recall = hits / int((labels == c).sum())
        precision = hits / predictions if predictions else 0.0
        f1.append(2 * precision * recall / (precision + recall) if hits else 0.0)
        assert (scores.recall[c], scores.f1[c]) == pytest.approx((recall, f1[-1]))
        assert scores.precision[c] == precision if predictions else np.isnan(scores.precision[c])
    assert macro_f1(confusion).value == pytest.approx(np.mean(f1))


@PROPERTY
@given(PAIRS)
def test_macro_f1_is_mean_of_image_contributions(drawn: Pairs) -> None:
    classes, pairs = drawn
    labels, predicted = np.array(pairs).T
    contributions = per_image_macro_f1(labels, predicted, classes)
    value = macro_f1(confusion_matrix(labels, predicted, classes)).value
    assert contributions.mean() == pytest.approx(value, abs=1e-12)


def test_image_contribution_is_derivative_of_macro_f1_by_weight() -> None:
    labels, predicted = np.array([0, 0, 1, 2, 2, 1, 0]), np.array([0, 1, 1, 2, 0, 1, 0])
    value = macro_f1(confusion_matrix(labels, predicted, 3)).value
    contributions = per_image_macro_f1(labels, predicted, 3)
    for image in range(len(labels)):
        counts = confusion_matrix(labels, predicted, 3).astype(float)
        counts[labels[image], predicted[image]] += 1e-6
        slope = (macro_f1(counts).value - value) / 1e-6
        assert contributions[image] - value == pytest.approx(len(labels) * slope, abs=1e-4)


@pytest.mark.parametrize("metric", [accuracy, cross_entropy])
@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], [[0.5, 0.5]], "2 labels but 1 rows"),
        ([2], [[0.5, 0.5]], "labels must be in 0 … 1"),
        ([-1], [[0.5, 0.5]], "labels must be in 0 … 1"),
        ([0.0], [[0.5, 0.5]], "integers"),
        ([[0]], [[0.5, 0.5]], "labels must have shape"),
        ([0], [[0.5, 0.502]], "sum to 1"),
        ([0], [[2.0, -1.0]], "outside"),
        ([0], [[math.nan, 1.0]], "nan"),
        ([0], [0.5, 0.5], "images, classes"),
        ([], np.zeros((0, 2)), "images, classes"),
    ],
)
def test_rejects_invalid_predictions(
    metric: Callable[..., object], labels: Any, probabilities: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metric(labels, probabilities)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: confusion_matrix([0], [2], 2), "predicted must be in"),
        (lambda: confusion_matrix([0, 1], [1], 2), "2 labels but 1 predictions"),
        (lambda: confusion_matrix([], [], 2), "not be empty"),
        (lambda: macro_f1([[1, 2]]), "square"),
        (lambda: macro_f1([[0, 0], [0, 0]]), "at least one image"),
        (lambda: macro_f1([[1, -1], [0, 1]]), "counts"),
    ],
)
def test_rejects_invalid_counts(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
