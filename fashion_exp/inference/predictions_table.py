"""The rows of `predict`: what a table says of each photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.data.image_files import printable_path
from fashion_exp.data.table import THRESHOLD
from fashion_exp.evaluation.predictions import predicted_names

if TYPE_CHECKING:
    from fashion_exp.inference.calibration import Calibration
    from fashion_exp.inference.trained_run import BatchOutput

TEXTS = ("path", "predicted", "runner_up", "prediction_set", "reason")
"""Columns of text; unfamiliar is true or false, and the others are numbers."""
SET_SEPARATOR = "|"
COVERAGE = 0.95
"""Of prediction sets: the share of photos whose class is in the set."""


def calibrated_columns(
    calibration: Calibration | None, output: BatchOutput, models: Sequence[str],
    coverage: float | None,
) -> dict[str, Any]:  # fmt: skip
    """The columns prediction_set and unfamiliar of readable photos; none without a calibration."""
    if calibration is None or coverage is None:
        return {}
    if not output.probabilities.shape[1]:
        return {"prediction_set": np.array([], object), "unfamiliar": pd.array([], "boolean")}
    sets = calibration.prediction_sets(output.probabilities, coverage, models=models)
    _, unfamiliar = calibration.unfamiliar(output.features, output.probabilities, models)
    return {
        "prediction_set": [SET_SEPARATOR.join(names) for names in sets],
        "unfamiliar": pd.array(unfamiliar, "boolean"),
    }


def predictions_table(
    classes: Sequence[str], paths: Sequence[str], reasons: Sequence[str],
    probabilities: np.ndarray, calibrated: Mapping[str, Any] = MappingProxyType({}),
    thresholds: np.ndarray | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The columns of `predict`. `probabilities` is (models, readable photos, classes);
    `calibrated` are those of `calibrated_columns`, and `thresholds` (models, classes) those of a
    run that predicts several classes at once."""
    rows = np.flatnonzero([not reason for reason in reasons])
    columns = (
        _one_class(classes, probabilities) | dict(calibrated)
        if thresholds is None
        else _several_classes(classes, probabilities, thresholds)
    )
    readable = pd.DataFrame(columns, index=rows)
    table = readable.reindex(range(len(paths))).fillna(dict.fromkeys(TEXTS, ""))
    table.insert(0, "path", [printable_path(path) for path in paths])
    table = table.assign(reason=list(reasons))
    texts = [name for name in TEXTS if name in table]
    return table.astype(dict.fromkeys(texts, str))  # also if no photo is readable


def _one_class(classes: Sequence[str], probabilities: np.ndarray) -> dict[str, Any]:
    mean = probabilities.mean(axis=0, dtype=np.float64)
    names = np.asarray(classes, dtype=object)
    top = np.argsort(-mean, axis=1, kind="stable")
    return {
        "predicted": names[top[:, 0]],
        "probability": mean.max(axis=1),
        **{f"p_{name}": mean[:, index] for index, name in enumerate(classes)},
        "runner_up": names[top[:, 1]],
        "agreement": (probabilities.argmax(axis=2) == top[:, 0]).mean(axis=0),
    }


def _several_classes(
    classes: Sequence[str], probabilities: np.ndarray, thresholds: np.ndarray
) -> dict[str, Any]:
    """Predicted are the classes whose mean probability is at least their mean threshold."""
    mean, limits = probabilities.mean(axis=0, dtype=np.float64), thresholds.mean(axis=0)
    columns = {f"p_{name}": mean[:, index] for index, name in enumerate(classes)}
    columns |= {
        f"{THRESHOLD}{name}": np.full(len(mean), limits[index])
        for index, name in enumerate(classes)
    }
    by_model = probabilities >= thresholds[:, None]
    return {
        "predicted": predicted_names(pd.DataFrame(columns)),
        **columns,
        "agreement": (by_model == (mean >= limits)).all(axis=2).mean(axis=0),
    }
