"""Writes several runs into one file, a study."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fashion_exp.comparison.find_runs import run_name, unfinished_jobs
from fashion_exp.comparison.misclassified import THUMBNAILS, Thumbnails, load_run_images
from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_code import code_files
from fashion_exp.evaluation.predictions import (
    per_image_correct,
    predictions_bytes,
    read_predictions,
)
from fashion_exp.evaluation.run_dir import PART_FILES, RunDir
from fashion_exp.models.backbones import backbone_files
from fashion_exp.paths import outputs_dir, outputs_of
from fashion_exp.study.archive import (
    RUN_FILES,
    WEIGHT_FILES,
    ArchivedRun,
    Entry,
    Manifest,
    is_safe,
    write_archive,
)
from fashion_exp.study.private_paths import PathShortener
from fashion_exp.sweeps.state import LEADERBOARD_FILE, STATE_FILE

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData

UNFINISHED_FILES = ("options.json", "knobs.json", "failure.json", "pruned.json")
"""Of a job without a result: it was tried, and comparisons count it."""


@dataclass(frozen=True)
class ExportPlan:
    """What a study will have. Nothing is written yet."""

    runs: Sequence[RunDir]
    entries: Sequence[Entry]
    weights: bool
    thumbnails: bool

    @cached_property
    def archived(self) -> list[ArchivedRun]:
        return [ArchivedRun(place_of(run.path), run_name(run), run.state) for run in self.runs]

    @property
    def sizes(self) -> list[int]:
        """Bytes of each file as it is now, without thumbnails."""
        return [entry.source.stat().st_size for entry in self.entries]

    def write(self, file: Path) -> Manifest:
        return write_archive(file, [*self.entries, *self._thumbnails()], self.archived)

    def _thumbnails(self) -> Iterator[Entry]:
        """Of the photos that a training misclassifies, which are those that reports show."""
        if not self.thumbnails:
            return
        seen: set[str] = set()
        for run in (run for run in self.runs if run.is_finished and not run.is_imported):
            missed = _misclassified(run) - seen
            read = self._reader(run) if missed else None
            for image in sorted(missed):
                name = f"{THUMBNAILS}/{image}.jpg"
                jpeg = read(image) if read and is_safe(name) else None
                if jpeg is not None:
                    seen.add(image)
                    yield Entry(name, run.path, partial(bytes, jpeg))

    def _reader(self, run: RunDir) -> Thumbnails:
        from fashion_exp.comparison.run_data import load_run

        outputs = outputs_of(run.path) or outputs_dir(None)
        data: RunData = load_run(run.path)
        return Thumbnails(load_run_images(data, outputs / "cache"), outputs / THUMBNAILS)


def plan_export(folders: Sequence[Path], weights: bool, thumbnails: bool) -> ExportPlan:
    """The files of finished runs, and of the sweeps that are among them as a whole.

    Raises `InputError` for two runs that have the same place, a name that cannot be unpacked, and
    with `weights` for a run that has lost its models or their backbones, or whose code was changed.
    """
    finished = [RunDir(folder.resolve()) for folder in folders]
    run_of_path: dict[str, Path] = {}
    for run in finished:
        if (other := run_of_path.setdefault(place_of(run.path), run.path)) != run.path:
            raise InputError(f"{run.path}: has the name of {other}; rename one of the folders")
    unfinished = [RunDir(path) for path in sorted(unfinished_jobs([run.path for run in finished]))]
    entries = [entry for run in finished for entry in _entries(run, RUN_FILES)]
    entries += [entry for run in unfinished for entry in _entries(run, UNFINISHED_FILES)]
    for sweep in _whole_sweeps([run.path for run in finished]):
        shorten = PathShortener(next(run for run in finished if run.path.parent == sweep))
        for name in (STATE_FILE, LEADERBOARD_FILE):
            if (sweep / name).is_file():
                entries.append(_text_entry(f"sweeps/{sweep.name}/{name}", sweep / name, shorten))
    if weights:
        entries += [entry for run in finished for entry in _weight_entries(run)]
    by_name = {entry.name: entry for entry in entries}
    for name, entry in by_name.items():
        if not is_safe(name):
            raise InputError(f"{entry.source}: a study cannot have {name}; rename its folder")
    return ExportPlan([*finished, *unfinished], [*by_name.values()], weights, thumbnails)


def place_of(run: Path) -> str:
    """The folder of a run in an outputs folder: runs/NAME, refits/NAME or sweeps/NAME/JOB."""
    if run.parent.parent.name == "sweeps":
        return f"sweeps/{run.parent.name}/{run.name}"
    return f"{'refits' if run.parent.name == 'refits' else 'runs'}/{run.name}"


def _whole_sweeps(folders: Sequence[Path]) -> list[Path]:
    """The sweeps of which all finished jobs are among the folders."""
    sweeps = {folder.parent for folder in folders if folder.parent.parent.name == "sweeps"}
    return sorted(
        sweep
        for sweep in sweeps
        if {job.parent for job in sweep.glob("*/result.json")} <= {*folders}
    )


def _entries(run: RunDir, names: Sequence[str]) -> Iterator[Entry]:
    archive_path, shorten = place_of(run.path), PathShortener(run)
    names_of_evaluations = run.evaluation_names if run.is_finished else []
    evaluations = [
        run.evaluations / f"{name}{kind}"
        for name in names_of_evaluations
        for kind in (".parquet", ".json")
    ]
    files = [run.path / name for name in names] + evaluations
    for file in files:
        if not file.is_file():
            continue
        name = f"{archive_path}/{file.relative_to(run.path).as_posix()}"
        if file.suffix == ".parquet":
            yield Entry(name, file, partial(_shared_predictions, file))
        else:
            yield _text_entry(name, file, shorten)


def _text_entry(name: str, file: Path, shorten: PathShortener) -> Entry:
    return Entry(name, file, partial(shorten.file, file))


def _shared_predictions(file: Path) -> bytes:
    """The file; absolute paths in it become relative to their common folder."""
    frame = read_predictions(file)
    if not frame["path"].str.startswith("/").any():
        return file.read_bytes()
    common = os.path.commonpath([os.path.dirname(path) for path in frame["path"].unique()])
    paths = [os.path.relpath(path, common) for path in frame["path"]]
    return predictions_bytes(frame.assign(path=paths))


def _weight_entries(run: RunDir) -> Iterator[Entry]:
    """The checkpoints and the code that they need bit for bit, and the files of frozen backbones
    that they refer to."""
    if run.is_imported:
        return
    archive_path, shorten = place_of(run.path), PathShortener(run)
    for file, name in code_files(run):
        is_list = file.suffix == ".json"
        yield (
            _text_entry(f"{archive_path}/{name}", file, shorten)
            if is_list
            else Entry(f"{archive_path}/{name}", file)
        )
    files = [file for pattern in WEIGHT_FILES for file in sorted(run.path.glob(pattern))]
    checkpoints = [file for file in files if file.suffix == ".safetensors"]
    if not checkpoints:
        raise InputError(f"{run.path}: it has no models; leave out --weights, or train it again")
    for file in files:
        yield Entry(f"{archive_path}/{file.relative_to(run.path).as_posix()}", file)
    for sha256, file in backbone_files(checkpoints).items():
        yield Entry(f"weights/{sha256}{file.suffix}", file)


def _misclassified(run: RunDir) -> set[str]:
    images: set[str] = set()
    for part in PART_FILES:
        if run.predictions_file(part).is_file():
            frame = run.predictions(part)
            images |= set(frame["image_id"][~per_image_correct(frame)])
    return images


def run_digest(run: Path) -> str:
    """Identifies a finished run by its content: predictions, splits and trainings.

    Names, notes, paths and later evaluations have no part in it, so a run is recognized wherever it
    was copied to. Empty if it cannot be read.
    """
    digest = hashlib.sha256()
    with suppress(InputError, OSError, KeyError):
        for name in ("split.csv", "trainings.csv", "history.csv"):
            file = run / name
            digest.update(file.read_bytes() if file.is_file() else b"")
        for part in PART_FILES:
            if (file := RunDir(run).predictions_file(part)).is_file():
                digest.update(_content(read_predictions(file).drop(columns="path")))
        return digest.hexdigest()
    return ""


def _content(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    buffer.write(json.dumps([*frame.columns]).encode())
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column):
            buffer.write(column.to_numpy().tobytes())
        else:
            buffer.write(json.dumps(column.astype(str).to_list()).encode())
    return buffer.getvalue()
