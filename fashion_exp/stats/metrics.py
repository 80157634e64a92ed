"""Classification metrics from true labels and predicted probabilities.

Shapes: n images, C classes; labels (n,) are integers in [0, C), probabilities are (n, C).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashion_exp.stats.checks import Floats, Integers

MIN_PROBABILITY = float(np.finfo(np.float32).eps)
SUM_TOLERANCE = 1e-3
ACCEPTED = 0.501
"""Of the largest share; above 1/2 by what a share may be rounded to four digits."""


class ClassScores(NamedTuple):
    """Per-class arrays (C,); nan where a score is undefined."""

    precision: Floats
    recall: Floats
    f1: Floats


@dataclass(frozen=True)
class MacroF1:
    """The mean F1 over the classes present in the test labels, and the absent classes."""

    value: float
    absent_classes: tuple[int, ...]

    @property
    def note(self) -> str:
        """A warning about absent classes, else empty."""
        if not self.absent_classes:
            return ""
        classes = ", ".join(map(str, self.absent_classes))
        return f"classes absent from the test split: {classes}; macro averages over the others only"


def predicted_labels(probabilities: ArrayLike) -> Integers:
    """The most probable class of each image (n,); the first of equals.

    Raises:
        ValueError: `probabilities` is not (n, C) with n >= 1, values in [0, 1] and row sums of 1.
    """
    best: Integers = _validate_probabilities(probabilities).argmax(axis=1).astype(np.int64)
    return best


def per_image_correct(labels: ArrayLike, probabilities: ArrayLike) -> NDArray[np.bool_]:
    """Whether the most probable class is the true one, per image (n,).

    Raises:
        ValueError: as `predicted_labels`; `labels` are not n integers in [0, C).
    """
    truth, rows = _validate(labels, probabilities)
    correct: NDArray[np.bool_] = rows.argmax(axis=1) == truth
    return correct


def per_image_loss(labels: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Negative natural logarithm of the probability of the true class in nats, per image (n,).

    Probabilities are clipped at the float32 epsilon, so one image adds at most 15.94.

    Raises:
        ValueError: as `per_image_correct`.
    """
    truth, rows = _validate(labels, probabilities)
    likelihood = rows[np.arange(truth.size), truth]
    losses: Floats = -np.log(np.clip(likelihood, MIN_PROBABILITY, 1))
    return losses


def accepted_classes(shares: ArrayLike) -> NDArray[np.bool_]:
    """Which classes (n, C) of labels with shares (n, C) count as right: those with more than half
    (`ACCEPTED`) of the largest share. Of equal shares these are all, and of two votes to one the
    majority."""
    values = np.asarray(shares, dtype=np.float64)
    accepted: NDArray[np.bool_] = values > ACCEPTED * values.max(axis=1, keepdims=True)
    return accepted


def matched_labels(shares: ArrayLike, probabilities: ArrayLike) -> Integers:
    """The class (n,) that each prediction is judged by: the most probable one if it is accepted,
    else the one with the largest share.

    So every measure of single labels, such as `per_image_correct`, counts a prediction as right if
    any accepted class was predicted.

    Raises:
        ValueError: as `predicted_labels`; `shares` is not (n, C).
    """
    predicted, values = predicted_labels(probabilities), np.asarray(shares, dtype=np.float64)
    if values.shape != np.shape(probabilities):
        raise ValueError(f"shares {values.shape} of probabilities {np.shape(probabilities)}")
    is_right = accepted_classes(values)[np.arange(predicted.size), predicted]
    matched: Integers = np.where(is_right, predicted, values.argmax(axis=1))
    return matched


def per_image_soft_loss(shares: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Cross-entropy of the probabilities to the shares (n, C) in nats, per image (n,).

    For one class it is `per_image_loss`.

    Raises:
        ValueError: as `matched_labels`.
    """
    rows, values = _validate_probabilities(probabilities), np.asarray(shares, dtype=np.float64)
    if values.shape != rows.shape:
        raise ValueError(f"shares {values.shape} of probabilities {rows.shape}")
    losses: Floats = -(values * np.log(np.clip(rows, MIN_PROBABILITY, 1))).sum(axis=1)
    return losses


def accuracy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The mean of `per_image_correct`.

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
    """Counts (C, C) of images by true class (row) and predicted class (column).

    Raises:
        ValueError: `labels` or `predicted` is empty or holds anything but integers in [0, C), or
            their lengths differ.
    """
    truth = _validate_classes(labels, n_classes, "labels")
    predictions = _validate_classes(predicted, n_classes, "predicted")
    if truth.size != predictions.size:
        raise ValueError(f"{truth.size} labels but {predictions.size} predictions")
    counts = np.bincount(truth * n_classes + predictions, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def precision_recall_f1(confusion: ArrayLike) -> ClassScores:
    """Precision, recall and F1 = 2 hits / (labels + predictions) of each class.

    Precision is nan for a class that is never predicted; recall and F1 are nan for a class absent
    from the labels. F1 is 0 for a class that is present but never predicted correctly.

    Raises:
        ValueError: `confusion` is not a square matrix of counts with at least one image.
    """
    counts = _validate_confusion(confusion)
    hits, labels, predictions = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    return ClassScores(
        precision=_ratio(hits, predictions, predictions > 0),
        recall=_ratio(hits, labels, labels > 0),
        f1=_ratio(2 * hits, labels + predictions, labels > 0),
    )


def macro_f1(confusion: ArrayLike) -> MacroF1:
    """The unweighted mean F1 of the classes present in the labels, with the absent classes.

    Raises:
        ValueError: as `precision_recall_f1`.
    """
    f1 = precision_recall_f1(confusion).f1
    present = ~np.isnan(f1)
    return MacroF1(float(f1[present].mean()), tuple(np.flatnonzero(~present).tolist()))


def per_image_macro_f1(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> Floats:
    """The contribution of each image (n,) to the macro-F1; their mean is the macro-F1.

    A contribution is the macro-F1 plus its influence function at the image, so a method for means
    over images is valid for the macro-F1 in large samples. Values may lie outside [0, 1].

    Source: the infinitesimal jackknife, Jaeckel 1972; Efron 1982, "The Jackknife, the Bootstrap
    and Other Resampling Plans", chapter 6. The F1 of a class is a ratio of sums, 2 hits / (labels +
    predictions).

    Raises:
        ValueError: as `confusion_matrix`.
    """
    counts = confusion_matrix(labels, predicted, n_classes)
    present = np.flatnonzero(counts.sum(axis=1) > 0)
    return macro_f1_contributions(
        np.asarray(labels)[:, None] == present, np.asarray(predicted)[:, None] == present
    )


def macro_f1_contributions(is_label: NDArray[np.bool_], is_prediction: NDArray[np.bool_]) -> Floats:
    """As `per_image_macro_f1`, of classes (n, C) that each occur in some label; an image may have
    several."""
    totals = is_label.sum(axis=0) + is_prediction.sum(axis=0)
    hits = (is_label & is_prediction).sum(axis=0)
    f1 = 2 * hits / totals
    occurrences = is_label.astype(np.float64) + is_prediction
    residual = 2.0 * (is_label & is_prediction) - f1 * occurrences
    influence = residual * len(is_label) / totals
    contributions: Floats = f1.mean() + influence.mean(axis=1)
    return contributions


def _ratio(numerator: Floats, denominator: Floats, defined: NDArray[np.bool_]) -> Floats:
    ratio: Floats = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=defined)
    return ratio


def _validate(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Integers, Floats]:
    rows = _validate_probabilities(probabilities)
    truth = _validate_classes(labels, rows.shape[1], "labels")
    if truth.size != len(rows):
        raise ValueError(f"{truth.size} labels but {len(rows)} rows of probabilities")
    return truth, rows


def _validate_probabilities(probabilities: ArrayLike) -> Floats:
    rows: Floats = np.asarray(probabilities, dtype=np.float64)
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"probabilities must have shape (images, classes), not {rows.shape}")
    if not ((rows >= -1e-6) & (rows <= 1 + 1e-6)).all():  # allows float32 rounding; nan fails
        raise ValueError("a probability is nan or outside [0,1]")
    if (np.abs(rows.sum(axis=1) - 1) > SUM_TOLERANCE).any():
        raise ValueError("the probabilities of an image do not sum to 1: are they logits?")
    return rows


def _validate_classes(values: ArrayLike, n_classes: int, name: str) -> Integers:
    classes: NDArray[Any] = np.asarray(values)
    if classes.ndim != 1 or classes.size == 0:
        raise ValueError(f"{name} must have shape (images,) and not be empty, not {classes.shape}")
    if not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(f"{name} must be integers, not {classes.dtype}")
    if classes.min() < 0 or classes.max() >= n_classes:
        raise ValueError(f"{name} must be in 0 … {n_classes - 1}")
    return classes.astype(np.int64)


def _validate_confusion(confusion: ArrayLike) -> Floats:
    counts: Floats = np.asarray(confusion, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"confusion must be a square matrix, not of shape {counts.shape}")
    if not (np.isfinite(counts).all() and (counts >= 0).all() and counts.sum() > 0):
        raise ValueError("confusion must hold counts, with at least one image")
    return counts
