"""The accuracy on new data with few labels: `fashion_exp.estimate`. Frames need no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fashion_exp.errors import InputError
from fashion_exp.judging.columns import ColumnOptions, Predictions, Scores, read_columns
from fashion_exp.judging.formats import Format
from fashion_exp.judging.new_data import (
    Batch,
    NewDataEstimate,
    batch_of,
    estimate_accuracy,
    sample_to_label,
)
from fashion_exp.judging.sources import SourceOptions, named_frames, source_options

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun
    from fashion_exp.reporting.progress import Progress

COUNT, SEED = 50, 0
"""Of the sample to label."""


def estimate(
    predictions: object,
    labels: object,
    *,
    reference: object = None,
    level: float = 0.95,
    columns: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
    scores: Scores = "probabilities",
    where: Mapping[str, str] | None = None,
    form: Format = "auto",
    manifest: str | PathLike[str] | None = None,
    part: str | None = None,
    outputs: str | PathLike[str] = "outputs",
) -> NewDataEstimate:
    """The accuracy of one tool on a batch of items, from its predictions of all and few labels.

    `predictions` are a table of `judge` (a frame, a file, a run), `labels` a table with id, path or
    image_hash and label of a random sample of its items (`items_to_label` draws one); rows without
    a label are left out. `reference` are labeled predictions of the tool on the data that it is
    known to work on: the estimate then has a verdict on drift. Other arguments are those of
    `judge`. Raises `InputError`.
    """
    if not 0 < level < 1:
        raise InputError(f"level={level}: must be between 0 and 1")
    options = source_options(
        columns=columns, classes=classes, scores=scores, where=where, form=form,
        manifest=manifest, part=part, outputs=outputs,
    )  # fmt: skip
    batch = read_batch(predictions, options)
    known = None if reference is None else read_batch(reference, options)
    return estimate_accuracy(batch, read_labels(labels), known, level)


def items_to_label(
    predictions: object, count: int = COUNT, seed: int = SEED, **options: Any
) -> pd.DataFrame:
    """A random sample of the items with an empty column label, for `estimate`, whose `options` on
    reading it takes."""
    return sample_to_label(read_batch(predictions, source_options(**options)), count, seed)


def read_batch(table: object, options: SourceOptions) -> Batch:
    """The predictions of one tool. Raises `InputError` for several."""
    named = named_frames({"predictions": table} if _is_frame(table) else [table], options)
    ((_, parts),) = named.items()
    tables: list[Predictions] = []
    for source, frame in parts:
        own = ColumnOptions() if "run" in frame.attrs else options.columns
        tables.append(read_columns(frame, source, own))
    if len(tables) > 1:
        raise InputError(f"{tables[0].source}: give one table; several trainings stand in one")
    return batch_of(tables[0])


def read_labels(table: object) -> pd.DataFrame:
    """A frame, or a CSV file as `items_to_label` writes it. Raises `InputError`."""
    if isinstance(table, pd.DataFrame):
        return table
    path = Path(fspath(table))  # type: ignore[call-overload]
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"labels={path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"labels={path}: no CSV file with a column label ({reason})") from None
    return frame


def _is_frame(table: object) -> bool:
    return isinstance(table, pd.DataFrame)


def predict_batch(
    run: TrainedRun, photos: Sequence[str], progress: Progress
) -> tuple[Batch, Batch | None, list[str]]:
    """The predictions of a run on new photos, those on its test, and notes.

    Photos of the run itself, and further copies of a photo, are left out. The reference is the
    run's test if that was evaluated, else None. Raises `InputError` if no photo is left.
    """
    from fashion_exp.inference.new_photos import new_photos
    from fashion_exp.inference.predict import predict_paths

    photos_found = new_photos([run], photos)
    new = [*photos_found.paths.values()]
    tick = progress.stage("predicting", len(new))
    table = pd.concat(list(predict_paths(run, new, on_progress=tick, coverage=None)))
    read = table[table["reason"] == ""]
    if read.empty:
        raise InputError(f"{photos[0]}: no photo can be read: {table['reason'].iloc[0]}")
    notes = photos_found.notes(len(table) - len(read))
    names = ["path", *(f"p_{name}" for name in run.classes)]
    batch = batch_of(read_columns(read[names].reset_index(drop=True), "photos", ColumnOptions()))
    if not run.result.test_evaluations:
        notes.append("No verdict on drift: the run's test is held out (compare --evaluate-test).")
        return batch, None, notes
    frame = run.predictions("test")[["image_id", "label", "group_id", *names[1:]]]
    reference = batch_of(read_columns(frame, "the test", ColumnOptions()))
    return batch, reference, notes
