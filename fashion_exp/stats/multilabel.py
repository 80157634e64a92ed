"""Measures of predictions of several classes at once, each by a probability of its own.

Shapes: n images, C classes; `present` (n, C) says which classes an image has, `probabilities`
(n, C) are in [0, 1] and need not sum to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashion_exp.stats.checks import Floats
from fashion_exp.stats.groups import group_codes
from fashion_exp.stats.metrics import MIN_PROBABILITY, ClassScores

Flags = NDArray[np.bool_]

DEFAULT_THRESHOLD = 0.5
PARTS = 5
"""Of the images, to choose the thresholds of each part by the others."""


def per_image_binary_loss(present: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Binary cross-entropy in nats, the mean over the classes, per image (n,).

    Probabilities are clipped at the float32 epsilon.
    """
    truth, rows = _validate(present, probabilities)
    likelihood = np.clip(np.where(truth, rows, 1 - rows), MIN_PROBABILITY, 1)
    losses: Floats = -np.log(likelihood).mean(axis=1)
    return losses


def per_image_hamming(present: ArrayLike, predicted: ArrayLike) -> Floats:
    """The share of the classes that are predicted wrongly, per image (n,)."""
    losses: Floats = (np.asarray(present, bool) != np.asarray(predicted, bool)).mean(axis=1)
    return losses


def per_image_exact_match(present: ArrayLike, predicted: ArrayLike) -> Flags:
    """Whether all classes are predicted correctly, per image (n,)."""
    matches: Flags = (np.asarray(present, bool) == np.asarray(predicted, bool)).all(axis=1)
    return matches


def choose_thresholds(present: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Per class (C,) the probability from which it is predicted: that with the highest F1 on these
    images, between two of their probabilities; the highest of equals. 0.5 without an image of the
    class.
    """
    truth, rows = _validate(present, probabilities)
    thresholds: Floats = np.full(rows.shape[1], DEFAULT_THRESHOLD)
    for column in np.flatnonzero(truth.any(axis=0)):
        order = np.argsort(-rows[:, column], kind="stable")
        scores, hits = rows[order, column], np.cumsum(truth[order, column])
        last = np.append(np.flatnonzero(np.diff(scores)), scores.size - 1)  # of equal scores
        f1 = 2 * hits[last] / (last + 1 + hits[-1])
        best = int(f1.argmax())
        below = scores[last[best] + 1] if best + 1 < last.size else 0.0
        thresholds[column] = (scores[last[best]] + below) / 2
    return thresholds


def cross_fitted_thresholds(
    present: ArrayLike, probabilities: ArrayLike, groups: ArrayLike
) -> Floats:
    """Thresholds (n, C) for the images that they are chosen on: those of each fifth of the groups
    are chosen by the other images, so that their own labels do not flatter them."""
    truth, rows = _validate(present, probabilities)
    parts = group_codes(np.asarray(groups), len(rows)) % PARTS
    thresholds: Floats = np.empty(rows.shape)
    for part in np.unique(parts):
        others = parts != part
        thresholds[~others] = (
            choose_thresholds(truth[others], rows[others]) if others.any() else DEFAULT_THRESHOLD
        )
    return thresholds


def class_scores(present: ArrayLike, predicted: ArrayLike) -> ClassScores:
    """Precision, recall and F1 of each class, as `metrics.precision_recall_f1`."""
    truth, named = np.asarray(present, bool), np.asarray(predicted, bool)
    hits, labels, predictions = ((a & b).sum(axis=0) for a, b in (
        (truth, named), (truth, truth), (named, named)))  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        return ClassScores(
            np.where(predictions > 0, hits / predictions, np.nan),
            np.where(labels > 0, hits / labels, np.nan),
            np.where(labels > 0, 2 * hits / (labels + predictions), np.nan),
        )


def average_precision(
    present: ArrayLike, probabilities: ArrayLike, weights: ArrayLike | None = None
) -> Floats:
    """Average precision (…, C) of each class: the mean precision at its images, in the order of
    the probabilities; nan for a class without images. As scikit-learn's `average_precision_score`.

    `weights` (…, n) count each image so often; default: once.
    """
    truth, rows = _validate(present, probabilities)
    times = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    results = []
    for column in range(rows.shape[1]):
        order = np.argsort(-rows[:, column], kind="stable")
        scores = rows[order, column]
        last = np.searchsorted(-scores, -scores, side="right") - 1  # equal scores have one rank
        ordered = times[..., order]
        hits = ordered * truth[order, column]
        total = hits.sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.cumsum(hits, axis=-1) / np.cumsum(ordered, axis=-1)
            terms = np.where(hits > 0, hits * precision[..., last], 0.0)
            results.append(np.where(total > 0, terms.sum(axis=-1) / total, np.nan))
    return np.stack(results, axis=-1)


def _validate(present: ArrayLike, probabilities: ArrayLike) -> tuple[Flags, Floats]:
    truth, rows = np.asarray(present, dtype=bool), np.asarray(probabilities, dtype=np.float64)
    if rows.ndim != 2 or rows.size == 0 or truth.shape != rows.shape:
        raise ValueError(f"present {truth.shape} and probabilities {rows.shape}: need (n, C) each")
    if not ((rows >= -1e-6) & (rows <= 1 + 1e-6)).all():
        raise ValueError("a probability is nan or outside [0,1]")
    return truth, rows
