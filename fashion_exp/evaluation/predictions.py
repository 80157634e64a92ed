"""Per-image predictions: the one result of a run, from which every number is derived."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fashion_exp.atomic_io import atomic_write
from fashion_exp.errors import InputError

SCHEMA_VERSION = 1
PART_FILES = {
    "validation": "validation_predictions.parquet",
    "test": "test_predictions.parquet",
}


def predictions_frame(
    rows: pd.DataFrame, classes: Sequence[str], probabilities: np.ndarray, **where: str | int
) -> pd.DataFrame:
    """One row an image of one fold's part: image_id, path, group_id, label (the class's name),
    p_<class> …, and the columns of `where` (part, fold, repeat, seed).

    `rows` are rows of an image table, `probabilities` (n, classes) in their order.
    """
    frame = rows[["image_id", "path", "group_id"]].reset_index(drop=True)
    frame["label"] = np.asarray(classes, dtype=object)[rows["label"].to_numpy()]
    named = {f"p_{name}": probabilities[:, i] for i, name in enumerate(classes)}
    return frame.assign(**named, **where)


def class_names(frame: pd.DataFrame) -> tuple[str, ...]:
    return tuple(name.removeprefix("p_") for name in frame.columns if name.startswith("p_"))


def labels_and_probabilities(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) as indices into `class_names`, and probabilities (n, classes)."""
    classes = class_names(frame)
    labels = pd.Categorical(frame["label"], categories=list(classes)).codes.astype(np.int64)
    return labels, frame[[f"p_{name}" for name in classes]].to_numpy(np.float64)


def write_predictions(frame: pd.DataFrame, path: Path) -> None:
    """Parquet, whole or not at all, with the schema's version in its metadata."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    own = {b"fashion_exp": json.dumps({"schema": SCHEMA_VERSION}).encode()}
    with atomic_write(path) as unfinished:
        pq.write_table(table.replace_schema_metadata(own), unfinished)


def read_predictions(path: Path) -> pd.DataFrame:
    """Raises `InputError` for a file that is missing, is none of ours, or is newer than this."""
    if not path.is_file():
        raise InputError(
            f"{path}: no predictions here; of a finished run they are lost, and scripts/run doctor "
            "says what to do"
        )
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: damaged predictions ({reason}); scripts/run doctor says what to do"
        ) from None
    own = json.loads((table.schema.metadata or {}).get(b"fashion_exp", b"{}"))
    if not 1 <= own.get("schema", 0) <= SCHEMA_VERSION:
        raise InputError(
            f"{path}: predictions of schema {own.get('schema')}, this version reads up to "
            f"{SCHEMA_VERSION}; update fashion_exp"
        )
    return table.to_pandas()
