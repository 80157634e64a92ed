"""Trainings that a finished run has done: found by all that they depend on, taken over whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fashion_exp.atomic_io import atomic_write, read_json, write_text
from fashion_exp.cache.provenance import hardware_id, library_versions, source_hash
from fashion_exp.configuration.schema import RESULT_NEUTRAL_OPTIONS, flatten_options, to_plain
from fashion_exp.data.split import Fold
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import PART_FILES, read_predictions
from fashion_exp.experiment.context import Trial
from fashion_exp.experiment.fingerprints import RESOLVED, short_hash
from fashion_exp.experiment.fold import FoldResult

TOLD_BY_THE_IMAGES = ("dataset.", "split.", "repeats", "confidence", "seed")
"""Knobs, or beginnings of them, that act on a training by way of its images, its place among the
folds, its input and `seeds.*` alone, which stand in its identity themselves."""

ROOMS = (
    "models", "training", "experiment/context.py", "experiment/fold.py", "experiment/features.py",
    "experiment/checkpoints.py", "evaluation/predictions.py",
    "seeding.py", "stats/metrics.py", "data/augment.py", "data/batches.py", "data/geometry.py",
)  # fmt: skip
"""Whose code a training is the work of."""

LIBRARIES = (
    "torch", "timm", "numpy", "albumentations", "opencv-python-headless", "pillow", "pandas",
    "pyarrow", "safetensors",
)  # fmt: skip


def training_identity(trial: Trial, fold: Fold) -> str:
    """Hash of everything that the result of one training depends on."""
    plan, compute = trial.plan, trial.compute
    device = compute.device.type
    return short_hash(
        {
            "knobs": {k: v for k, v in flatten_options(to_plain(trial.cfg)) if _is_its_own(k)},
            "place": [fold.repeat, fold.fold],
            "images": [_hash(trial, rows) for rows in (fold.train, fold.validation, trial.test)],
            "classes": trial.table.classes,
            "pixels": trial.views.key,
            "input": [plan.size, plan.channels, plan.mean, plan.std, plan.interpolation],
            "freeze": plan.freeze,
            "weights": [plan.weights.sha256, str(plan.weights.path)],
            "arithmetic": [device, compute.dtype, compute.threads, hardware_id(device)],
            "source": source_hash(*ROOMS),
            "versions": library_versions(*LIBRARIES),
        }
    )


def _is_its_own(knob: str) -> bool:
    others = RESULT_NEUTRAL_OPTIONS | RESOLVED
    return knob not in others and not (
        knob.startswith(TOLD_BY_THE_IMAGES[:2]) or knob in TOLD_BY_THE_IMAGES
    )


def _hash(trial: Trial, rows: np.ndarray) -> str:
    """Of images in their order, with all that predictions say of them."""
    table = trial.table.rows.iloc[rows][["image_id", "group_id", "path", "label"]]
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()


@dataclass(frozen=True)
class Earlier:
    """A training in the folder of a finished run."""

    run: Path
    fold: str
    """Its name there: r0f0."""

    def result(self) -> FoldResult:
        """Its numbers as text, where they come from a CSV."""
        repeat, fold = (int(part) for part in self.fold[1:].split("f"))

        def own(frame: pd.DataFrame) -> pd.DataFrame:
            mine = (frame["repeat"].astype(int) == repeat) & (frame["fold"].astype(int) == fold)
            return frame[mine].reset_index(drop=True)

        (record,) = own(read_as_written(self.run / "trainings.csv")).to_dict("records")
        return FoldResult(
            validation=own(read_predictions(self.run / PART_FILES["validation"])),
            test=own(read_predictions(self.run / PART_FILES["test"])),
            history=own(read_as_written(self.run / "history.csv")),
            record={str(name): value for name, value in record.items()},
        )

    @property
    def parameters(self) -> dict[str, int]:
        """How many its model has, by what becomes of them."""
        facts = read_json(self.run / "result.json")["facts"]
        return dict(json.loads(facts["parameters"]))

    def copy_models(self, folder: Path) -> None:
        """Its checkpoints into `folder`, by hard links where the disk allows."""
        for file in sorted((self.run / "checkpoints").glob(f"{self.fold}-*.safetensors")):
            with atomic_write(folder / file.name) as unfinished:
                try:
                    os.link(file, unfinished)
                except OSError:
                    shutil.copyfile(file, unfinished)


def read_as_written(path: Path) -> pd.DataFrame:
    """A CSV of ours as text: a number that is parsed and written again may lose its last digit."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


class Index:
    """`outputs/cache/trainings`: which finished run has done a training, a file each."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "trainings"

    def find(self, identity: str) -> Earlier | None:
        """None where no run has done it, or its files are no longer what they were."""
        entry = self._entry(identity)
        if entry is None:
            return None
        run = (self._folder / entry["run"]).resolve()
        try:
            read_json(run / "result.json")
        except InputError:  # it is gone, or damaged
            return None
        if any(_sha256(run / name) != sha for name, sha in entry["files"].items()):
            return None
        return Earlier(run, entry["fold"])

    def _entry(self, identity: str) -> dict[str, Any] | None:
        try:
            return dict(json.loads((self._folder / f"{identity}.json").read_text()))
        except (OSError, ValueError):
            return None

    def add(self, run: Path, trainings: Sequence[tuple[str, str]]) -> None:
        """Enters (identity, fold) of a finished run, unless an earlier run still has them."""
        shared = _Hashes(run)
        for identity, fold in trainings:
            if self.find(identity) is None:
                entry = {
                    "run": os.path.relpath(run, self._folder),
                    "fold": fold,
                    "files": shared.of_run | shared.of_models(fold),
                }
                write_text(self._folder / f"{identity}.json", json.dumps(entry, indent=1))


@dataclass(frozen=True)
class _Hashes:
    run: Path

    @cached_property
    def of_run(self) -> dict[str, str]:
        names = (*PART_FILES.values(), "history.csv", "trainings.csv")
        return {name: _sha256(self.run / name) for name in names}

    def of_models(self, fold: str) -> dict[str, str]:
        files = sorted((self.run / "checkpoints").glob(f"{fold}-*.safetensors"))
        return {f"checkpoints/{file.name}": _sha256(file) for file in files}


def _sha256(file: Path) -> str:
    """Empty for a file that cannot be read."""
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return ""
