"""Metrics against the shared case, a witness each, and counting by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
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

CASES_FILE = Path(__file__).parents[2] / "../shared/facts/stat_cases.json"
LAW = settings(deadline=None, max_examples=50)  # other work on the machine is no failure of a law
LABELS = np.array([0, 1, 2, 1])
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.4, 0.4, 0.2]])


def test_the_shared_case_of_absent_classes_is_reproduced() -> None:
    if not CASES_FILE.exists():
        pytest.skip("the shared statistics cases are not beside this checkout")
    cases: list[dict[str, Any]] = json.loads(CASES_FILE.read_text())["cases"]
    mine = [case for case in cases if case["method"] == "macro_f1"]
    assert len(mine) == 1
    inputs, expected = mine[0]["inputs"], mine[0]["expected"]
    found = macro_f1(confusion_matrix(inputs["y"], inputs["pred"], len(inputs["classes"])))
    assert found.value == pytest.approx(expected["value"], abs=mine[0]["tolerance"])
    assert found.note.split(";")[0] == expected["warning"].split(";")[0]


def test_macro_f1_leaves_absent_classes_out_and_says_so() -> None:
    found = macro_f1(confusion_matrix([1, 1, 1], [1, 1, 0], 3))
    assert found.value == pytest.approx(0.8) and found.absent == (0, 2)
    assert "classes absent from the test split: 0, 2" in found.note
    assert macro_f1([[1, 0], [0, 1]]).note == ""


def test_a_class_present_but_never_hit_counts_as_zero() -> None:
    found = macro_f1(confusion_matrix([0, 0, 1], [0, 0, 0], 2))
    assert found.value == pytest.approx(0.8 / 2) and found.absent == ()


def test_accuracy_and_its_images() -> None:
    correct = per_image_correct(LABELS, PROBABILITIES)
    assert correct.tolist() == [True, True, False, False]
    assert accuracy(LABELS, PROBABILITIES) == 0.5


def test_the_first_of_equal_classes_is_predicted() -> None:
    assert predicted_labels(PROBABILITIES).tolist() == [0, 1, 0, 0]


def test_cross_entropy_is_the_mean_negative_log_likelihood() -> None:
    expected = [-math.log(p) for p in (0.7, 0.6, 0.2, 0.4)]
    assert per_image_loss(LABELS, PROBABILITIES) == pytest.approx(expected)
    assert cross_entropy(LABELS, PROBABILITIES) == pytest.approx(np.mean(expected))


def test_a_certain_error_costs_a_finite_loss_and_a_certain_hit_none() -> None:
    losses = per_image_loss([1, 0], [[1.0, 0.0], [1.0, 0.0]])
    assert losses.tolist() == [pytest.approx(23 * math.log(2)), 0.0]


def test_float32_softmax_is_accepted() -> None:
    logits = np.random.default_rng(0).normal(0, 10, (500, 10)).astype(np.float32)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    rows = odds / odds.sum(axis=1, keepdims=True)
    assert rows.dtype == np.float32 and cross_entropy(np.zeros(500, int), rows) > 0


def test_rows_of_the_confusion_matrix_are_the_truth() -> None:
    found = confusion_matrix([0, 0, 2, 2, 2], [0, 1, 2, 0, 0], 3)
    assert found.tolist() == [[1, 1, 0], [0, 0, 0], [2, 0, 1]]


def test_undefined_shares_are_nan_and_only_those() -> None:
    precision, recall, f1 = precision_recall_f1([[3, 1, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0], [0] * 4])
    assert precision == pytest.approx([3 / 5, 0, math.nan, math.nan], nan_ok=True)
    assert recall == pytest.approx([3 / 4, math.nan, 0, math.nan], nan_ok=True)
    assert f1 == pytest.approx([6 / 9, math.nan, 0, math.nan], nan_ok=True)


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


@LAW
@given(PAIRS)
def test_the_confusion_matrix_keeps_every_image(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    classes, pairs = drawn
    truth, guess = np.array(pairs).T
    found = confusion_matrix(truth, guess, classes)
    assert found.sum() == len(pairs) and found.trace() == (truth == guess).sum()
    assert found.sum(axis=1).tolist() == np.bincount(truth, minlength=classes).tolist()
    assert found.T.tolist() == confusion_matrix(guess, truth, classes).tolist()


@LAW
@given(PAIRS)
def test_per_class_scores_equal_counting_by_hand(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    classes, pairs = drawn
    truth, guess = np.array(pairs).T
    confusion = confusion_matrix(truth, guess, classes)
    ours = precision_recall_f1(confusion)
    present = sorted({true for true, _ in pairs})
    harmonic = []
    for one in present:
        hits = pairs.count((one, one))
        recall = hits / sum(true == one for true, _ in pairs)
        guessed = sum(guess == one for _, guess in pairs)
        precision = hits / guessed if guessed else 0.0
        harmonic.append(2 * precision * recall / (precision + recall) if hits else 0.0)
        assert ours.recall[one] == pytest.approx(recall)
        assert ours.f1[one] == pytest.approx(harmonic[-1])
        assert np.isnan(ours.precision[one]) if not guessed else ours.precision[one] == precision
    assert macro_f1(confusion).value == pytest.approx(np.mean(harmonic))


@pytest.mark.parametrize("metric", [accuracy, cross_entropy, per_image_correct, per_image_loss])
@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        ([0, 1], [[0.5, 0.5]], "2 labels but 1 rows"),
        ([2], [[0.5, 0.5]], "labels must lie in 0 … 1"),
        ([-1], [[0.5, 0.5]], "labels must lie in 0 … 1"),
        ([0.0], [[0.5, 0.5]], "whole numbers"),
        ([[0]], [[0.5, 0.5]], "a row of"),
        ([0], [[0.5, 0.502]], "sum to 1"),
        ([0], [[2.0, -1.0]], "outside"),
        ([0], [[math.nan, 1.0]], "nan"),
        ([0], [0.5, 0.5], "images, classes"),
        ([], np.zeros((0, 2)), "images, classes"),
    ],
)
def test_predictions_that_cannot_be_are_refused(
    metric: Callable[..., object], labels: Any, probabilities: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        metric(labels, probabilities)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: confusion_matrix([0], [2], 2), "predicted must lie in"),
        (lambda: confusion_matrix([0, 1], [1], 2), "2 labels but 1 predictions"),
        (lambda: confusion_matrix([], [], 2), "at least one"),
        (lambda: macro_f1([[1, 2]]), "square"),
        (lambda: macro_f1([[0, 0], [0, 0]]), "at least one image"),
        (lambda: macro_f1([[1, -1], [0, 1]]), "counts"),
    ],
)
def test_counts_that_cannot_be_are_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 60))
@LAW
def test_the_macro_f1_is_the_mean_of_what_the_images_give(seed: int, classes: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(classes, size=(2, n))
    given = per_image_macro_f1(labels, predicted, classes)
    whole = macro_f1(confusion_matrix(labels, predicted, classes)).value
    assert given.mean() == pytest.approx(whole, abs=1e-12)


def test_what_an_image_gives_is_the_slope_of_the_macro_f1_in_its_weight() -> None:
    labels, predicted = np.array([0, 0, 1, 2, 2, 1, 0]), np.array([0, 1, 1, 2, 0, 1, 0])
    whole = macro_f1(confusion_matrix(labels, predicted, 3)).value
    given = per_image_macro_f1(labels, predicted, 3)
    for image in range(len(labels)):
        counts = confusion_matrix(labels, predicted, 3).astype(float)
        counts[labels[image], predicted[image]] += 1e-6
        slope = (macro_f1(counts).value - whole) / 1e-6
        assert given[image] - whole == pytest.approx(len(labels) * slope, abs=1e-4)
