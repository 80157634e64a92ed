"""The user's metrics: columns of the predictions, which every later command reads."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import (
    has_several_classes,
    labels_and_probabilities,
    present_and_predicted,
    probabilities_of,
)
from fashion_exp.extensions.registry import OwnMetric, own_pieces, piece_files
from fashion_exp.stats import multilabel

log = logging.getLogger(__name__)

PER_IMAGE = "metric_"
"""Begins the name of a column with the score of each image."""
PER_TRAINING = "score_"
"""Begins the name of a column with one number for all images of a training."""
MEAN_AVERAGE_PRECISION = f"{PER_TRAINING}mAP"
SEVERAL_METRICS = {
    "hamming": {"lower_is_better": True, "is_share": True},
    "mAP": {"lower_is_better": False, "is_share": True},
}
"""Direction and range of the multilabel metrics (`several_metrics`)."""
NO_SCORES_OF_IMAGES = "one number for each training, not a score of each photo"


def add_own_metrics(frame: pd.DataFrame) -> pd.DataFrame:
    """The predictions of one training on one part, with a column for each metric in force.

    A metric that fails is left out with a warning, so that a long training is not lost.
    """
    columns = several_metrics(frame) if has_several_classes(frame) else {}
    for name, metric in own_pieces("metric").items():
        try:
            columns |= _column(name, metric, *labels_and_probabilities(frame))
        except Exception as error:  # whatever the user's code raises
            log.warning("metric %s is left out: %s", name, " ".join(str(error).split()))
    return frame.assign(**columns)


def several_metrics(frame: pd.DataFrame) -> dict[str, np.ndarray | float]:
    """Of predictions of several classes at once: the Hamming loss of each image, and the mean
    average precision over the classes that occur."""
    present, predicted = present_and_predicted(frame)
    by_class = multilabel.average_precision(present, probabilities_of(frame))
    return {
        f"{PER_IMAGE}hamming": multilabel.per_image_hamming(present, predicted),
        MEAN_AVERAGE_PRECISION: float(np.nanmean(by_class)),
    }


def check_own_metrics() -> None:
    """Raises `InputError` for a metric in force that fails on random predictions."""
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(0, 3, 12), rng.dirichlet(np.ones(3), 12)
    for name, metric in own_pieces("metric").items():
        try:
            _column(name, metric, labels, probabilities)
        except Exception as error:  # whatever the user's code raises
            file, reason = piece_files()["metric", name], " ".join(str(error).split())
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            raise InputError(f"extensions: {file}: {name}: {kind}{reason}") from None


def _column(
    name: str, metric: OwnMetric, labels: np.ndarray, probabilities: np.ndarray
) -> dict[str, np.ndarray | float]:
    scores = np.asarray(metric.function(labels.copy(), probabilities.copy()), np.float64)
    if scores.shape not in ((), labels.shape):
        raise InputError(
            f"gives {scores.shape} for {len(labels)} images; a metric gives a score of each image, "
            f"({len(labels)},), or one number"
        )
    if not np.isfinite(scores).all():
        raise InputError("gives numbers that are not finite")
    if metric.is_share and not ((scores >= 0) & (scores <= 1)).all():
        raise InputError("gives numbers outside of [0, 1], but is registered with is_share=True")
    return {f"{PER_IMAGE if scores.shape else PER_TRAINING}{name}": scores}


def own_metric_names(frame: pd.DataFrame) -> dict[str, str]:
    """The column of each of the user's metrics in predictions, by its name; those that failed for
    some of the trainings are left out."""
    return {
        str(column).removeprefix(prefix): str(column)
        for prefix in (PER_IMAGE, PER_TRAINING)
        for column in frame.columns
        if str(column).startswith(prefix) and not frame[column].isna().any()
    }
