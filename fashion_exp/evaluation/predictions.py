"""Per-image predictions: the result of a run, from which every number is derived."""

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


def predictions_frame(
    rows: pd.DataFrame, classes: Sequence[str], probabilities: np.ndarray, **columns: str | int
) -> pd.DataFrame:
    """One row per image: image_id, path, group_id, label (class name), p_<class> …, `columns`.

    `rows` are n rows of an image table and `probabilities` is (n, classes) in the same order.
    `columns` are constants: part, fold, repeat, seed.
    """
    ids = {name: rows[name].array for name in ("image_id", "path", "group_id")}
    label = np.asarray(classes, dtype=object)[rows["label"].to_numpy()]
    by_class = {f"p_{name}": probabilities[:, i] for i, name in enumerate(classes)}
    return pd.DataFrame({**ids, "label": label, **by_class, **columns})


def class_names(frame: pd.DataFrame) -> tuple[str, ...]:
    return tuple(name.removeprefix("p_") for name in frame.columns if name.startswith("p_"))


def labels_and_probabilities(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) as indices into `class_names`, and probabilities (n, classes)."""
    classes = class_names(frame)
    labels = pd.Categorical(frame["label"], categories=list(classes)).codes.astype(np.int64)
    return labels, frame[[f"p_{name}" for name in classes]].to_numpy(np.float64)


def wrong_by_image(frame: pd.DataFrame) -> pd.Series:
    """Whether each image counts as wrong, by image id, sorted.

    It does if the mean probability over its trainings is highest for another class. Every count of
    wrong photos uses this definition.
    """
    images = frame.groupby("image_id", sort=True)
    mean = images[[f"p_{name}" for name in class_names(frame)]].mean()
    predicted = np.asarray(class_names(frame), dtype=object)[mean.to_numpy().argmax(axis=1)]
    return pd.Series(predicted != images["label"].first().to_numpy(object), index=mean.index)


def write_predictions(frame: pd.DataFrame, path: Path) -> None:
    """Writes Parquet with the schema version in its metadata, whole or not at all."""
    with atomic_write(path) as draft:
        pq.write_table(_as_table(frame), draft)


def predictions_bytes(frame: pd.DataFrame) -> bytes:
    """What `write_predictions` writes."""
    buffer = pa.BufferOutputStream()
    pq.write_table(_as_table(frame), buffer)
    return bytes(buffer.getvalue())


def _as_table(frame: pd.DataFrame) -> pa.Table:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {b"fashion_exp": json.dumps({"schema": SCHEMA_VERSION}).encode()}
    return table.replace_schema_metadata(metadata)


def read_predictions(path: Path) -> pd.DataFrame:
    """Raises `InputError` if the file is missing, damaged, foreign, or of a newer version."""
    return read_table(path).to_pandas()


def read_table(path: Path) -> pa.Table:
    """As `read_predictions`, in a tenth of the time for a small file: it is not converted."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such predictions; if the run is finished, the file was lost: run "
            "scripts/run doctor"
        )
    try:
        # Without threads, and without the search for a data set that pq.read_table begins with.
        with pq.ParquetFile(path) as file:
            table = file.read(use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: damaged ({reason}); run scripts/run doctor") from None
    metadata = json.loads((table.schema.metadata or {}).get(b"fashion_exp", b"{}"))
    if not 1 <= metadata.get("schema", 0) <= SCHEMA_VERSION:
        raise InputError(
            f"{path}: predictions of schema {metadata.get('schema')}, but this version reads "
            f"schemas 1 to {SCHEMA_VERSION}; update fashion_exp"
        )
    return table
