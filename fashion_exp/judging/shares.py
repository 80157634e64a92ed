"""Predictions of a run whose labels have several classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fashion_exp.data.table import SHARE_COLUMN, THRESHOLD
from fashion_exp.errors import InputError
from fashion_exp.stats import metrics


def refuse_several(frame: pd.DataFrame, source: str) -> None:
    """Raises `InputError` for a run's predictions of several classes at once."""
    names = [name.removeprefix("p_") for name in map(str, frame.columns) if name.startswith("p_")]
    if names and all({f"{SHARE_COLUMN}{n}", f"{THRESHOLD}{n}"} <= {*frame.columns} for n in names):
        raise InputError(
            f"{source}: each item has several classes at once (training.targets=several), which "
            "`compare` judges; --metric metric_hamming judges a column of scores"
        )


def find_shares(
    frame: pd.DataFrame, classes: tuple[str, ...]
) -> tuple[np.ndarray | None, list[str]]:
    """The columns y_<class> of a run's predictions of one class each."""
    columns = [f"{SHARE_COLUMN}{name}" for name in classes]
    if not classes or not {*columns} <= {*frame.columns}:
        return None, []
    numeric = frame[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if not np.allclose(numeric.sum(axis=1), 1) or (numeric < 0).any():
        return None, []  # columns of another tool that have these names
    return numeric, columns


def score_by_shares(
    shares: np.ndarray, probabilities: np.ndarray | None, metric: str, source: str
) -> np.ndarray:
    """(rows,) accuracy or loss of predictions, by the shares (rows, classes) of their labels."""
    if metric == "macro_f1" or probabilities is None:
        raise InputError(
            f"{source}: metric={metric} needs one class for each item, but labels have several; "
            "judge by accuracy or loss"
        )
    if metric == "loss":
        return metrics.per_image_soft_loss(shares, probabilities)
    matched = metrics.matched_labels(shares, probabilities)
    return metrics.per_image_correct(matched, probabilities).astype(np.float64)
