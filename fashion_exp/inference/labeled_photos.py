"""Labeled photos that a run has never seen: read, and cleared of copies of its own photos."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.table import SHARE_COLUMN, ImageTable, share_names
from fashion_exp.errors import InputError, suggest
from fashion_exp.inspection.duplicates import InspectedImage, find_pairs, usable_images
from fashion_exp.inspection.image_tree import ImageFile
from fashion_exp.inspection.run_photos import MAX_MEGAPIXELS, inspect_table_files, table_files
from fashion_exp.reporting.progress import Progress

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun

LIST_SUFFIXES = (".csv", ".tsv")


@dataclass(frozen=True)
class LabeledPhotos:
    table: ImageTable
    """Its classes are those of the run, and its labels indices into them."""
    own: list[InspectedImage]
    new: list[InspectedImage]
    """The run's own photos and these, as far as they could be inspected; `part` is "validation" for
    the own ones that it was evaluated on, "train" for the others, and "test" for the new ones."""
    notes: tuple[str, ...]


def read_labeled(
    run: TrainedRun, source: str, rename: Mapping[str, str], cache: Path, progress: Progress
) -> LabeledPhotos:
    """The photos of a folder of class folders, or of a CSV file with path and label.

    Photos that the run was trained on or evaluated on are left out, and near copies of them.
    Raises `InputError` for a source without photos, and for a class that the run does not have.
    """
    table, notes = _in_classes_of(run, _load(run, source, rename, cache))
    split = pd.read_csv(run.run.split_file, dtype=str, keep_default_na=False)
    seen = set(split["image_id"])
    ids = table.rows["image_id"]
    copies = {int(r): "same file of the run" for r in np.flatnonzero(ids.isin(seen).to_numpy())}
    own, new, reason = _inspected(run, table, split, cache, progress)
    notes += [reason] if reason else []
    row_of = {image: row for row, image in enumerate(ids)}
    names = {image.image_id for image in new}
    for pair in find_pairs([*own, *new], progress.stage("comparing photos", len(own) + len(new))):
        images = (pair.first, pair.second)
        for image, other in (images, images[::-1]):
            if pair.is_certain and image.image_id in names and other.image_id in seen:
                copies.setdefault(row_of[image.image_id], f"{pair.kind} of {other.path}")
    rows = np.array(sorted(copies), dtype=np.int64)
    left_out = pd.DataFrame(
        {"path": table.rows["path"].to_numpy()[rows], "reason": [copies[row] for row in rows]}
    )
    readable = np.setdiff1d(np.arange(len(table)), rows)
    if not len(readable):
        raise InputError(
            f"{source}: all {len(table)} photos are photos of the run or copies of them; "
            f"{_advice(run, source)}"
        )
    left = set(ids.to_numpy()[rows])
    new = [image for image in new if image.image_id not in left]
    return LabeledPhotos(table.take(readable, left_out), own, new, tuple(notes))


def _advice(run: TrainedRun, source: str) -> str:
    """How to have photos that the run has not seen."""
    root, split = run.config.dataset.root, run.config.split.name
    path = Path(source).expanduser().resolve()
    if root and split != "official" and path.parent == Path(root).resolve():
        return (
            f"the run, with split={split}, took its photos from all parts of {root}; train one "
            f"with split=official, which never trains on {path.name}/, or evaluate this one on "
            "other photos"
        )
    return "evaluate it on photos that it has never seen"


def _load(run: TrainedRun, source: str, rename: Mapping[str, str], cache: Path) -> ImageTable:
    from fashion_exp.data.sources.load import load_images

    path = Path(source).expanduser()
    is_list = path.suffix.casefold() in LIST_SUFFIXES
    if not path.exists():
        raise InputError(f"{source}: no such folder or CSV file")
    cfg: DatasetConfig = run.config.dataset
    try:
        targets = run.config.training.targets
        return load_images(_as_dataset(cfg, path, is_list, rename), cache, targets)
    except InputError as error:  # the options of a data set were not typed
        reason = re.sub(r"^dataset\.\w+: ", "", str(error))
        raise InputError(reason if source in reason else f"{source}: {reason}") from None


def _as_dataset(
    cfg: DatasetConfig, path: Path, is_list: bool, rename: Mapping[str, str]
) -> DatasetConfig:
    """The photos of a folder or list, read as those of the run."""
    return replace(
        cfg, name="csv" if is_list else "folder", root=None if is_list else str(path),
        manifest=str(path) if is_list else None, classes=None, rename=dict(rename), layout=None,
        labels=None, quarantine=None, groups=None, max_left_out=1.0,
        max_megapixels=cfg.max_megapixels or MAX_MEGAPIXELS,
    )  # fmt: skip


def _in_classes_of(run: TrainedRun, table: ImageTable) -> tuple[ImageTable, list[str]]:
    """The table in the run's classes, without those that the run left out by its options."""
    renamed = {old: new for old, new in run.config.dataset.rename.items()}
    names = [renamed.get(name, name) for name in table.classes]
    extra = [name for name in names if name not in run.classes]
    if extra and run.config.dataset.classes is None:
        raise InputError(
            f"{extra[0]}: no class of the run; {suggest(extra[0], run.classes)}; map it with "
            f"--rename {extra[0]}=CLASS"
        )
    index = np.array([run.classes.index(n) if n in run.classes else -1 for n in names])
    labels = index[table.labels]
    known = np.flatnonzero(labels >= 0)
    if not len(known):
        raise InputError(f"{', '.join(extra)}: the run has only {', '.join(run.classes)}")
    notes = [f"Classes that the run does not have, left out: {', '.join(extra)}."] if extra else []
    selected = table.take(known, table.left_out.head(0))
    rows = selected.rows.assign(label=labels[known])
    if (shares := selected.shares) is not None:
        chosen = np.zeros((len(known), len(run.classes)))
        for column, position in enumerate(index):
            if position >= 0:
                chosen[:, position] += shares[:, column]
        chosen /= chosen.sum(axis=1, keepdims=True)
        names = [f"{SHARE_COLUMN}{name}" for name in run.classes]
        columns = pd.DataFrame(chosen, index=rows.index, columns=names)
        rows = rows.drop(columns=share_names(rows)).join(columns)
    elif run.predicts_several:  # no label has more than one class
        rows[[f"{SHARE_COLUMN}{name}" for name in run.classes]] = np.eye(len(run.classes))[
            rows["label"]
        ]
    return replace(selected, rows=rows, classes=run.classes), notes


def _inspected(
    run: TrainedRun, table: ImageTable, split: pd.DataFrame, cache: Path, progress: Progress
) -> tuple[list[InspectedImage], list[InspectedImage], str]:
    """The run's own photos and the new ones; a note if the own ones are not there."""
    own_files, reason = find_own_files(run, split, cache)
    files = [*own_files, *table_files(table, "test")]
    tick = progress.stage("inspecting photos", len(files))
    inspections = inspect_table_files(files, cache, run.config.dataset.max_megapixels, tick)
    images = usable_images(files, inspections)
    own_images = [image for image in images if image.file.part != "test"]
    return own_images, [image for image in images if image.file.part == "test"], reason


def find_own_files(
    run: TrainedRun, split: pd.DataFrame, cache: Path
) -> tuple[list[ImageFile], str]:
    """The files of the run's photos: `part` is "validation" for those that it was evaluated on,
    "train" for the others. A note if they are not there. `split` is the run's manifest."""
    from fashion_exp.data.sources.load import load_images_cached

    last = dict(zip(split["image_id"], split.iloc[:, -1], strict=True))
    reason, own_files = "", []
    try:
        own = load_images_cached(run.config.dataset, cache, run.config.training.targets)
        own_files = [
            ImageFile(file.path, file.real_path, file.label,
                      "validation" if last[image] == _judged_part(run) else "train")
            for image, file in zip(own.rows["image_id"], table_files(own, ""), strict=False)
            if image in last
        ]  # fmt: skip
    except InputError as error:
        reason = f"Near copies were not looked for: {error}."
    if not own_files and not reason:
        reason = "Near copies were not looked for: the run's own images are no files."
    return own_files, reason


def _judged_part(run: TrainedRun) -> str:
    """The part of the split whose photos the new ones are compared with."""
    return "test" if run.result.test_evaluations else "validation"
