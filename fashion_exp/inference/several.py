"""Runs that predict several classes at once, each from a threshold of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import (
    present_and_predicted,
    probabilities_of,
    shares_of,
)
from fashion_exp.stats.multilabel import choose_thresholds

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun


def thresholds_of(run: TrainedRun, models: Sequence[str] | None = None) -> np.ndarray | None:
    """(models, classes): from which probability on a model predicts a class of new photos, as of
    those of its test; None for a run that predicts one class.

    They are chosen again on the stored validation predictions: the thresholds stored with these
    were chosen for each fifth by the others.
    """
    if not run.predicts_several:
        return None
    frame = run.predictions("validation")
    if shares_of(frame) is None:
        raise InputError(
            f"{run.run.path}: no label of its photos has several classes, so it has no thresholds; "
            "train it with training.targets=single"
        )
    names = "r" + frame["repeat"].astype(str) + "f" + frame["fold"].astype(str)
    chosen = []
    for name in models or run.model_names:
        own = frame[names == name]
        chosen.append(choose_thresholds(present_and_predicted(own)[0], probabilities_of(own)))
    return np.stack(chosen)
