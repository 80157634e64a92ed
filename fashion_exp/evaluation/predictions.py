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
from fashion_exp.data.label_shares import SEPARATOR
from fashion_exp.data.table import SHARE_COLUMN, THRESHOLD, share_names
from fashion_exp.errors import InputError
from fashion_exp.stats import metrics, multilabel

SCHEMA_VERSION = 2
"""Version 2 has the columns y_<class>, and for several classes at once t_<class>; predictions
without them are written as version 1, which earlier releases read."""


def predictions_frame(
    rows: pd.DataFrame, classes: Sequence[str], probabilities: np.ndarray,
    thresholds: np.ndarray | float | None = None, **columns: str | int,
) -> pd.DataFrame:  # fmt: skip
    """One row per image: image_id, path, group_id, label (class name), p_<class> …, `columns`.

    `rows` are n rows of an image table and `probabilities` is (n, classes) in the same order.
    `columns` are constants: part, fold, repeat, seed.

    If the table has shares, there is also y_<class>, and the label names all classes that are
    right: "dress|shirt". With `thresholds`, (classes,) or (n, classes), these are all classes that
    the image has, each with a probability of its own; t_<class> is that from which it is predicted.
    """
    ids = {name: rows[name].array for name in ("image_id", "path", "group_id")}
    names = np.asarray(classes, dtype=object)
    label, by_class = names[rows["label"].to_numpy()], dict[str, np.ndarray]()
    for i, name in enumerate(classes):
        by_class[f"p_{name}"] = probabilities[:, i]
    if shown := share_names(rows):
        shares = rows[shown].to_numpy(np.float64)
        right = metrics.accepted_classes(shares) if thresholds is None else shares > 0
        label = np.array([SEPARATOR.join(names[row]) for row in right], dtype=object)
        by_class |= dict(zip(shown, shares.T, strict=True))
    if thresholds is not None:
        each = np.broadcast_to(thresholds, probabilities.shape)
        by_class |= {f"{THRESHOLD}{name}": each[:, i] for i, name in enumerate(classes)}
    return pd.DataFrame({**ids, "label": label, **by_class, **columns})


def class_names(frame: pd.DataFrame) -> tuple[str, ...]:
    return tuple(name.removeprefix("p_") for name in frame.columns if name.startswith("p_"))


def probabilities_of(frame: pd.DataFrame) -> np.ndarray:
    """(n, classes), in the order of `class_names`."""
    return frame[[f"p_{name}" for name in class_names(frame)]].to_numpy(np.float64)


def shares_of(frame: pd.DataFrame) -> np.ndarray | None:
    """The shares of the classes in the labels, (n, classes); None if each image has one class."""
    names = share_names(frame)
    return frame[names].to_numpy(np.float64) if names else None


def has_several_classes(frame: pd.DataFrame) -> bool:
    """Whether the predictions are of `training.targets=several`."""
    return f"{THRESHOLD}{class_names(frame)[0]}" in frame


def present_and_predicted(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The classes that each image has, and those predicted: (n, classes) bool each."""
    shares = shares_of(frame)
    assert shares is not None, "the predictions are not of several classes"
    return shares > 0, _above_thresholds(frame)


def _above_thresholds(frame: pd.DataFrame) -> np.ndarray:
    thresholds = frame[[f"{THRESHOLD}{name}" for name in class_names(frame)]]
    above: np.ndarray = probabilities_of(frame) >= thresholds.to_numpy(np.float64)
    return above


def labels_and_probabilities(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) as indices into `class_names`, and probabilities (n, classes).

    Of a label of several classes it is the class that the prediction is judged by
    (`metrics.matched_labels`): the predicted one if it is right. Raises `InputError` for images
    that have several classes at once.
    """
    if has_several_classes(frame):
        raise InputError(
            "this needs one right class for each photo, but the run was trained with "
            "training.targets=several; its results are in its table, its report and `compare`"
        )
    classes, probabilities = class_names(frame), probabilities_of(frame)
    if (shares := shares_of(frame)) is not None:
        return metrics.matched_labels(shares, probabilities), probabilities
    labels = pd.Categorical(frame["label"], categories=list(classes)).codes.astype(np.int64)
    return labels, probabilities


def require_single_labels(frame: pd.DataFrame, what: str) -> None:
    """Raises `InputError` unless every image has one class."""
    shares = shares_of(frame)
    if has_several_classes(frame) or (shares is not None and (shares.max(axis=1) < 1).any()):
        raise InputError(
            f"{what} needs one class for each photo, but labels of this run have several "
            "(training.targets); use a run with training.targets=single"
        )


def per_image_correct(frame: pd.DataFrame) -> np.ndarray:
    """Whether each prediction (n,) is right: one of the accepted classes or, of several classes at
    once, all of them. Every accuracy counts by this definition."""
    if has_several_classes(frame):
        return multilabel.per_image_exact_match(*present_and_predicted(frame))
    return metrics.per_image_correct(*labels_and_probabilities(frame))


def per_image_loss(frame: pd.DataFrame) -> np.ndarray:
    """The loss of each prediction (n,) in nats: cross-entropy to the label or its shares or, of
    several classes at once, the mean binary cross-entropy over the classes."""
    probabilities, shares = probabilities_of(frame), shares_of(frame)
    if shares is None:
        return metrics.per_image_loss(*labels_and_probabilities(frame))
    if has_several_classes(frame):
        return multilabel.per_image_binary_loss(shares > 0, probabilities)
    return metrics.per_image_soft_loss(shares, probabilities)


def wrong_by_image(frame: pd.DataFrame) -> pd.Series:
    """Whether each image counts as wrong, by image id, sorted.

    It does if the mean probability over its trainings is wrong (`per_image_correct`); thresholds
    are averaged too. Every count of wrong photos uses this definition.
    """
    mean = _mean_by_image(frame)
    return pd.Series(~per_image_correct(mean), index=mean.index)


def predicted_names(frame: pd.DataFrame) -> np.ndarray:
    """What is predicted (n,), as text: the class or, of several at once, "dress|shirt", "none"."""
    names = np.asarray(class_names(frame), dtype=object)
    if has_several_classes(frame):
        texts = [SEPARATOR.join(names[row]) or "none" for row in _above_thresholds(frame)]
        return np.array(texts, dtype=object)
    predicted_class: np.ndarray = names[probabilities_of(frame).argmax(axis=1)]
    return predicted_class


def with_judgement(frame: pd.DataFrame) -> pd.DataFrame:
    """The predictions with what is `right`, and `mean_right` and `mean_predicted` of each image by
    the mean of its trainings; unchanged if each image has one class."""
    if not share_names(frame):
        return frame
    mean = _mean_by_image(frame)
    by_image = pd.DataFrame(
        {"mean_right": per_image_correct(mean), "mean_predicted": predicted_names(mean)},
        index=mean.index,
    )
    return frame.assign(right=per_image_correct(frame)).join(by_image, on="image_id")


def _mean_by_image(frame: pd.DataFrame) -> pd.DataFrame:
    """Probabilities, shares and thresholds of each image, the means over its trainings."""
    images = frame.groupby("image_id", sort=True)
    numbers = [name for name in frame.columns if name.startswith(("p_", SHARE_COLUMN, THRESHOLD))]
    return images[numbers].mean().assign(label=images["label"].first())


def chance_accuracy(frame: pd.DataFrame) -> float:
    """The accuracy of always predicting the most frequent class or, of several classes at once,
    the most frequent set of them."""
    images = frame.drop_duplicates("image_id")
    shares = shares_of(images)
    if shares is None or has_several_classes(frame):
        return float(images["label"].value_counts(normalize=True).max())
    return float(metrics.accepted_classes(shares).mean(axis=0).max())


def chance_loss(frame: pd.DataFrame) -> float:
    """The loss, in nats, of a model that knows only the class shares: ln(K) for K equally large
    classes."""
    images = frame.drop_duplicates("image_id")
    shares = shares_of(images)
    if shares is None:
        return _entropy(images["label"].value_counts(normalize=True).to_numpy())
    if has_several_classes(frame):
        rates = (shares > 0).mean(axis=0)
        return float(np.mean([_entropy(np.array([rate, 1 - rate])) for rate in rates]))
    return _entropy(shares.mean(axis=0))


def _entropy(shares: np.ndarray) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


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
    version = SCHEMA_VERSION if share_names(frame) else 1
    metadata = {b"fashion_exp": json.dumps({"schema": version}).encode()}
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
