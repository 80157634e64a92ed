"""Trainings of finished runs, found by their fingerprints and reused instead of trained again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fashion_exp.atomic_io import atomic_write, read_json, write_json
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import KEPT_STATE, PART_FILES, RunDir
from fashion_exp.experiment.fold_result import FoldResult


@dataclass(frozen=True)
class CachedTraining:
    """A training in the folder of a finished run."""

    run: RunDir
    fold: str
    """Its name there: r0f0."""

    def result(self) -> FoldResult:
        """Its result; what comes from a CSV file stays text, so that no digit is lost."""
        repeat, fold = (int(part) for part in self.fold[1:].split("f"))

        def own_rows(frame: pd.DataFrame) -> pd.DataFrame:
            is_own = (frame["repeat"].astype(int) == repeat) & (frame["fold"].astype(int) == fold)
            return frame[is_own].reset_index(drop=True)

        (record,) = own_rows(read_csv_as_text(self.run.trainings_file)).to_dict("records")
        return FoldResult(
            validation=own_rows(self.run.predictions("validation")),
            test=own_rows(self.run.predictions("test")),
            history=own_rows(read_csv_as_text(self.run.history_file)),
            record={str(name): value for name, value in record.items()},
        )

    @property
    def parameter_counts(self) -> dict[str, int]:
        """Total, trainable, frozen and head parameters of its model."""
        facts = read_json(self.run.result_file)["facts"]
        return dict(json.loads(facts["parameters"]))

    def link_models(self, folder: Path) -> None:
        """Puts its checkpoints and its state into `folder`, as hard links if there are any."""
        models = self.run.checkpoints.glob(f"{self.fold}-*.safetensors")
        for file in sorted([*models, *self.run.checkpoints.glob(f"{self.fold}-{KEPT_STATE}")]):
            with atomic_write(folder / file.name) as draft:
                try:
                    os.link(file, draft)
                except OSError:
                    shutil.copyfile(file, draft)


def read_csv_as_text(path: Path) -> pd.DataFrame:
    """A CSV file without parsing numbers: parsing and writing can change the last digit."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


class TrainingCache:
    """`outputs/cache/trainings`: one file per fingerprint says which run has that training."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "trainings"

    def find(self, fingerprint: str) -> CachedTraining | None:
        """None if no run has this training, or if the run's files have changed since."""
        try:
            entry = json.loads((self._folder / f"{fingerprint}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        run = RunDir((self._folder / entry["run"]).resolve())
        try:
            read_json(run.result_file)
        except InputError:  # deleted or damaged
            return None
        if any(_sha256(run.path / name) != sha for name, sha in entry["files"].items()):
            return None
        return CachedTraining(run, entry["fold"])

    def add(self, run: RunDir, trainings: Sequence[tuple[str, str]]) -> None:
        """Adds (fingerprint, fold name) pairs of a finished run, unless an earlier run has them."""
        new = [(print_, fold) for print_, fold in trainings if self.find(print_) is None]
        hashes = dict(_hashes(run)) if new else {}
        for fingerprint, fold in new:
            models = run.checkpoints.glob(f"{fold}-*.safetensors")
            files = {f"checkpoints/{file.name}": _sha256(file) for file in sorted(models)}
            entry: dict[str, Any] = {
                "run": os.path.relpath(run.path, self._folder),
                "fold": fold,
                "files": hashes | files,
            }
            write_json(self._folder / f"{fingerprint}.json", entry)


def _hashes(run: RunDir) -> Iterator[tuple[str, str]]:
    """The names and hashes of the files that all trainings of a run share."""
    for name in (*PART_FILES.values(), run.history_file.name, run.trainings_file.name):
        yield name, _sha256(run.path / name)


def _sha256(file: Path) -> str:
    """Empty if the file cannot be read."""
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""
