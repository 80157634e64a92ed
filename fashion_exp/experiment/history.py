"""The history of a training: one record per epoch, tracked as metrics and saved as a table."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from fashion_exp.configuration.schema import Keep
from fashion_exp.data.split import Fold
from fashion_exp.training.fit import EpochResult

if TYPE_CHECKING:
    from fashion_exp.experiment.checkpoints import TrainingState

TRACKED_METRICS = {
    "f_loss": "train_loss",
    "f_acc": "train_accuracy",
    "f_val_loss": "validation_loss",
    "f_val_acc": "validation_accuracy",
    "f_lr": "lr",
    "f_img_s": "images_a_second",
}
"""Names of tracked metrics, and the fields of an epoch's record that they come from."""


def epoch_record(result: EpochResult, validation: tuple[float, float]) -> dict[str, Any]:
    """The record of one epoch; `validation` is (loss, accuracy)."""
    return {
        "epoch": result.epoch + 1,
        "train_loss": result.loss,
        "train_accuracy": result.accuracy,
        "validation_loss": validation[0],
        "validation_accuracy": validation[1],
        "lr": result.lr,
        "updates": result.updates,
        "images_a_second": result.views / result.seconds,
        "time": time.time(),
    }


def tracked_metrics(record: Mapping[str, Any]) -> dict[str, float]:
    """Of a solved head, without a learning rate."""
    values = {name: record[field] for name, field in TRACKED_METRICS.items()}
    return {name: value for name, value in values.items() if not math.isnan(value)}


SOLUTION_METRICS = {"f_c": "c", "f_c_loss": "c_loss"}
"""Names of tracked metrics, and the fields of the record of a solved head."""


def solution_metrics(record: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a training whose head was solved; none of one that was trained by epochs."""
    return {
        name: float(record[field])
        for name, field in SOLUTION_METRICS.items()
        if record.get(field) not in (None, "")
    }


def history_frame(state: TrainingState, fold: Fold, keep: Keep) -> pd.DataFrame:
    """Two rows per epoch: part "train" while the model learned, part "validation" afterwards.

    The column "kept" marks the epoch whose model is evaluated.
    """
    evaluated = state.best_epoch if keep is Keep.best else state.epochs_done
    return pd.DataFrame(
        {
            "fold": fold.fold,
            "repeat": fold.repeat,
            "epoch": record["epoch"],
            "part": part,
            "loss": record[f"{part}_loss"],
            "accuracy": record[f"{part}_accuracy"],
            "lr": record["lr"],
            "kept": record["epoch"] == evaluated,
        }
        for record in state.history
        for part in ("train", "validation")
    )


def metrics_by_epoch(history: pd.DataFrame) -> Iterator[tuple[int, dict[str, float]]]:
    """The tracked metrics of each epoch of a `history_frame`, or of its text, except for the speed.

    A solved head has no learning rate.
    """
    train, validation = (history[history["part"] == part] for part in ("train", "validation"))
    columns = {
        "f_loss": train["loss"],
        "f_acc": train["accuracy"],
        "f_val_loss": validation["loss"],
        "f_val_acc": validation["accuracy"],
        "f_lr": train["lr"],
    }
    for position, epoch in enumerate(train["epoch"]):
        values = {name: column.iloc[position] for name, column in columns.items()}
        known = {name: float(value) for name, value in values.items() if value != ""}
        yield int(epoch), {name: value for name, value in known.items() if not math.isnan(value)}
