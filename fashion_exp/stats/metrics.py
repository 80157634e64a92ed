"""Metrics of a classifier from true labels and predicted probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
SUM_TOLERANCE = 1e-3


class ClassScores(NamedTuple):
    """Arrays of shape (C,), nan where the test images cannot say."""

    precision: Floats
    recall: Floats
    f1: Floats


@dataclass(frozen=True)
class MacroF1:
    """The mean F1 over the classes that the test labels hold, and the classes left out."""

    value: float
    absent: tuple[int, ...]

    @property
    def note(self) -> str:
        """The warning to show beside the value; empty where all classes are present."""
        if not self.absent:
            return ""
        classes = ", ".join(map(str, self.absent))
        return f"classes absent from the test split: {classes}; macro averages over the others only"


def predicted_labels(probabilities: ArrayLike) -> Integers:
    """The most probable class of each image, shape (n,); the first of equals.

    Raises:
        ValueError: `probabilities` is not (n, C) with n >= 1, values in [0, 1], rows summing to 1.
    """
    best: Integers = _checked_probabilities(probabilities).argmax(axis=1).astype(np.int64)
    return best


def per_image_correct(labels: ArrayLike, probabilities: ArrayLike) -> NDArray[np.bool_]:
    """Whether the most probable class is the true one, shape (n,).

    Raises:
        ValueError: as `predicted_labels`; labels not whole numbers in [0, C), or not n of them.
    """
    truth, rows = _checked(labels, probabilities)
    correct: NDArray[np.bool_] = rows.argmax(axis=1) == truth
    return correct


def per_image_loss(labels: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Negative natural logarithm of the true class's probability (nats), shape (n,).

    Probabilities count as at least the float32 epsilon, so that one image weighs 15.94 at most.

    Raises:
        ValueError: as `per_image_correct`.
    """
    truth, rows = _checked(labels, probabilities)
    likelihood = rows[np.arange(truth.size), truth]
    losses: Floats = -np.log(np.clip(likelihood, SMALLEST_PROBABILITY, 1))
    return losses


def accuracy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The share of images whose most probable class is the true one.

    Raises:
        ValueError: as `per_image_correct`.
    """
    return float(per_image_correct(labels, probabilities).mean())


def cross_entropy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The mean of `per_image_loss`, in nats.

    Raises:
        ValueError: as `per_image_correct`.
    """
    return float(per_image_loss(labels, probabilities).mean())


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> Integers:
    """Counts of shape (C, C): row the true class, column the predicted one.

    Raises:
        ValueError: either is not at least one whole number in [0, C), or their lengths differ.
    """
    truth = _checked_classes(labels, n_classes, "labels")
    guess = _checked_classes(predicted, n_classes, "predicted")
    if truth.size != guess.size:
        raise ValueError(f"{truth.size} labels but {guess.size} predictions")
    counts = np.bincount(truth * n_classes + guess, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def precision_recall_f1(confusion: ArrayLike) -> ClassScores:
    """Precision, recall and F1 = 2 hits / (labels + predictions) of each class.

    Precision is nan for a class never predicted, recall and F1 for a class absent from the
    labels. A class present but never hit has F1 = 0.

    Raises:
        ValueError: `confusion` is not a square matrix of counts with at least one image.
    """
    counts = _checked_confusion(confusion)
    hits, truths, guesses = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    return ClassScores(
        precision=_ratio(hits, guesses, guesses > 0),
        recall=_ratio(hits, truths, truths > 0),
        f1=_ratio(2 * hits, truths + guesses, truths > 0),
    )


def macro_f1(confusion: ArrayLike) -> MacroF1:
    """The unweighted mean F1 of the classes present in the labels; says which are absent.

    Raises:
        ValueError: as `precision_recall_f1`.
    """
    f1 = precision_recall_f1(confusion).f1
    present = ~np.isnan(f1)
    return MacroF1(float(f1[present].mean()), tuple(np.flatnonzero(~present).tolist()))


def per_image_macro_f1(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> Floats:
    """What each image gives to the macro-F1, shape (n,): their mean is the macro-F1 itself.

    The macro-F1 plus its influence function at each image, so that whatever is right for a mean
    over images is right for the macro-F1 in large samples. A value may lie outside [0, 1].

    Source: the infinitesimal jackknife, Jaeckel 1972; Efron 1982, "The Jackknife, the Bootstrap
    and Other Resampling Plans", chapter 6. F1 of a class is a ratio of sums, 2 hits / (labels +
    predictions).

    Raises:
        ValueError: as `confusion_matrix`.
    """
    counts = confusion_matrix(labels, predicted, n_classes)
    f1 = precision_recall_f1(counts).f1
    present = ~np.isnan(f1)
    classes = np.flatnonzero(present)
    labelled = np.asarray(labels)[:, None] == classes
    guessed = np.asarray(predicted)[:, None] == classes
    totals = (counts.sum(axis=1) + counts.sum(axis=0))[present]
    mentions = labelled.astype(np.float64) + guessed
    influence = (2.0 * (labelled & guessed) - f1[present] * mentions) * len(labelled) / totals
    given: Floats = f1[present].mean() + influence.mean(axis=1)
    return given


def _ratio(top: Floats, bottom: Floats, defined: NDArray[np.bool_]) -> Floats:
    shares: Floats = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=shares, where=defined)
    return shares


def _checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Integers, Floats]:
    rows = _checked_probabilities(probabilities)
    truth = _checked_classes(labels, rows.shape[1], "labels")
    if truth.size != len(rows):
        raise ValueError(f"{truth.size} labels but {len(rows)} rows of probabilities")
    return truth, rows


def _checked_probabilities(probabilities: ArrayLike) -> Floats:
    rows: Floats = np.asarray(probabilities, dtype=np.float64)
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"probabilities must be (images, classes), not of shape {rows.shape}")
    if not ((rows >= -1e-6) & (rows <= 1 + 1e-6)).all():  # room for float32 rounding; nan fails
        raise ValueError("a probability lies outside [0,1] or is nan")
    if (np.abs(rows.sum(axis=1) - 1) > SUM_TOLERANCE).any():
        raise ValueError("the probabilities of an image do not sum to 1: logits?")
    return rows


def _checked_classes(given: ArrayLike, n_classes: int, name: str) -> Integers:
    classes: NDArray[Any] = np.asarray(given)
    if classes.ndim != 1 or classes.size == 0:
        raise ValueError(
            f"{name} must be a row of at least one class, not of shape {classes.shape}"
        )
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"{name} must be whole numbers, not {classes.dtype}")
    if classes.min() < 0 or classes.max() >= n_classes:
        raise ValueError(f"{name} must lie in 0 … {n_classes - 1}")
    return classes.astype(np.int64)


def _checked_confusion(confusion: ArrayLike) -> Floats:
    counts: Floats = np.asarray(confusion, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"confusion must be square, not of shape {counts.shape}")
    if not (np.isfinite(counts).all() and (counts >= 0).all() and counts.sum() > 0):
        raise ValueError("confusion must hold counts, with at least one image")
    return counts
