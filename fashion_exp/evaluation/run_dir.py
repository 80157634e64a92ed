"""The folder of one run: which files it has, its state, and the lock of the process using it."""

from __future__ import annotations

import shutil
import traceback
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from fashion_exp.atomic_io import file_lock, is_locked, read_json, write_json
from fashion_exp.errors import InputError, redact_credentials

if TYPE_CHECKING:
    import pandas as pd

State = Literal["queued", "started", "finished", "failed", "pruned"]

PART_FILES = {
    "validation": "validation_predictions.parquet",
    "test": "test_predictions.parquet",
}
"""The predictions of a run for each part of its data."""

KEPT_STATE = "state.pt"
"""Ends the name of a finished training's state among its models: `extend=RUN` continues there."""
LOCK_FILE = ".lock"
FAILURE_FILE = "failure.json"
PRUNED_FILE = "pruned.json"
IMPORT_FILE = "imported.json"
"""In the folder of predictions that another tool made: the command that imported them."""
REFIT_FILE = "refit.json"
"""In the folder of a refit: which run's recipe it is, and which models were trained."""


@dataclass(frozen=True)
class FoldFiles:
    """The files of one training in a run that is not finished yet."""

    folder: Path
    fold: str
    """Its name: r0f0."""

    @property
    def state(self) -> Path:
        """Where the training continues after an interruption."""
        return self.folder / f"{self.fold}.pt"

    @property
    def tracked(self) -> Path:
        """The id of its tracked run."""
        return self.folder / f"{self.fold}-tracked.json"

    @property
    def history(self) -> Path:
        return self.folder / f"{self.fold}-history.csv"

    @property
    def record(self) -> Path:
        """Written last: its presence means that the training is finished."""
        return self.folder / f"{self.fold}-finished.json"

    def predictions(self, part: str) -> Path:
        return self.folder / f"{self.fold}-{PART_FILES[part]}"

    @property
    def is_finished(self) -> bool:
        return self.record.exists()


@dataclass(frozen=True)
class RunDir:
    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "config" / "config.yaml"

    @property
    def overrides_file(self) -> Path:
        """The overrides as typed, a YAML list."""
        return self.path / "config" / "overrides.yaml"

    @property
    def paths_file(self) -> Path:
        """Where the files that the run read were: `run_paths`."""
        return self.path / "config" / "paths.json"

    @property
    def options_file(self) -> Path:
        """Every option by its dotted name. Earlier versions called the file knobs.json."""
        file, earlier = self.path / "options.json", self.path / "knobs.json"
        return earlier if earlier.exists() and not file.exists() else file

    @property
    def log_file(self) -> Path:
        return self.path / "run.log"

    @property
    def console_file(self) -> Path:
        """What a job of a sweep printed."""
        return self.path / "console.log"

    @property
    def result_file(self) -> Path:
        return self.path / "result.json"

    @property
    def split_file(self) -> Path:
        """The split manifest: image and group ids with the part of each fold they are in."""
        return self.path / "split.csv"

    @property
    def left_out_file(self) -> Path:
        """The image files that were not used, with reasons."""
        return self.path / "left_out.csv"

    @property
    def history_file(self) -> Path:
        """Loss and accuracy of each epoch."""
        return self.path / "history.csv"

    @property
    def trainings_file(self) -> Path:
        """One row per training: images, updates, seconds."""
        return self.path / "trainings.csv"

    @property
    def tracked_file(self) -> Path:
        """The id of the tracked run and the store it is in."""
        return self.path / "tracked.json"

    @property
    def environment_file(self) -> Path:
        """Versions of the code and the libraries, and the machine. Earlier versions lack it."""
        return self.path / "environment.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    @property
    def unfinished(self) -> Path:
        """Holds the files of single trainings; removed when the whole run is finished."""
        return self.path / "unfinished"

    @property
    def evaluations(self) -> Path:
        """Has the predictions on other photos, by the names of the evaluations."""
        return self.path / "evaluations"

    @property
    def evaluation_names(self) -> list[str]:
        """Of the finished evaluations: their numbers (.json) are written last."""
        files = sorted(self.evaluations.glob("*.parquet"))
        return [file.stem for file in files if file.with_suffix(".json").exists()]

    def predictions_file(self, part: str) -> Path:
        """Of "validation", "test", or an evaluation on other photos by its name."""
        if part in PART_FILES:
            return self.path / PART_FILES[part]
        return self.evaluations / f"{part}.parquet"

    def fold(self, name: str) -> FoldFiles:
        return FoldFiles(self.unfinished, name)

    @property
    def is_imported(self) -> bool:
        """Whether another tool made its predictions, so that it has no models and no config."""
        return (self.path / IMPORT_FILE).is_file()

    @property
    def import_command(self) -> str:
        """What imported the predictions of another tool."""
        return str(read_json(self.path / IMPORT_FILE)["command"])

    @property
    def is_refit(self) -> bool:
        """Whether its models are a refit, so that its results are those of other models."""
        return (self.path / REFIT_FILE).is_file()

    @property
    def state(self) -> State:
        if (self.path / FAILURE_FILE).exists():
            return "failed"
        if (self.path / PRUNED_FILE).exists():
            return "pruned"
        if self.unfinished.exists():
            return "started"
        return "finished" if self.result_file.exists() else "queued"

    @property
    def is_finished(self) -> bool:
        """Whether the run has all its results. A later failure does not change that."""
        return self.result_file.is_file() and not self.unfinished.exists()

    @property
    def has_started(self) -> bool:
        """Whether the folder has anything that is worth keeping."""
        return self.unfinished.exists() or self.tracked_file.exists()

    @property
    def is_running(self) -> bool:
        return is_locked(self.path / LOCK_FILE)

    @property
    def activity(self) -> str:
        """The state, as "running" or "interrupted" if the run has begun and not ended."""
        if self.is_running:
            return "running"
        has_begun = self.state == "started" or (
            self.state == "queued" and self.config_file.exists()
        )
        return "interrupted" if has_begun else self.state

    def lock(self) -> AbstractContextManager[None]:
        """Locks the run for this process. Raises `InputError` if another process holds the lock."""
        return file_lock(
            self.path / LOCK_FILE, busy=f"{self.path}: another process is running this experiment"
        )

    def predictions(self, part: str) -> pd.DataFrame:
        """Raises `InputError` if the file is missing or damaged."""
        from fashion_exp.evaluation.predictions import read_predictions  # pandas loads slowly

        return read_predictions(self.predictions_file(part))

    def check_predictions(self, part: str) -> None:
        """Raises `InputError` if the file is missing or damaged."""
        from fashion_exp.evaluation.predictions import read_table

        read_table(self.predictions_file(part))

    def options(self) -> dict[str, Any]:
        """Raises `InputError` if the file is missing or damaged."""
        return read_json(self.options_file)

    def overrides(self) -> list[str]:
        """The overrides as typed. Raises `InputError` if the file is damaged."""
        try:
            lines = yaml.safe_load(self.overrides_file.read_text(encoding="utf-8")) or []
        except (OSError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.overrides_file}: damaged ({reason})") from None
        if not isinstance(lines, list):
            raise InputError(f"{self.overrides_file}: damaged (not a list)")
        return [str(line) for line in lines]

    def records(self) -> list[Path]:
        """The JSON files that exist, but for those of the configuration."""
        names = ("tracked.json", FAILURE_FILE, PRUNED_FILE, "options.json", "knobs.json",
                 "result.json", "test_evaluated.json", "test_opened.json",
                 "annotations.json")  # fmt: skip
        existing = [self.path / name for name in names if (self.path / name).exists()]
        return [*existing, *sorted(self.unfinished.glob("*.json"))]

    def clear_outcome(self) -> None:
        """Removes the record of a failure or pruning, before the job runs again."""
        for name in (FAILURE_FILE, PRUNED_FILE):
            (self.path / name).unlink(missing_ok=True)

    def save_failure(self, kind: str, reason: str, trace: str = "") -> None:
        reason, trace = redact_credentials(reason), redact_credentials(trace)
        failure = {"kind": kind, "reason": reason, "traceback": trace}
        write_json(self.path / FAILURE_FILE, failure)

    def save_exception(self, error: Exception) -> None:
        """Saves why the job failed. A failure in another process has its own kind and traceback."""
        kind = getattr(error, "kind", type(error).__name__)
        trace = getattr(error, "traceback", traceback.format_exc())
        self.save_failure(kind, str(error), trace)

    @property
    def failure(self) -> str:
        """Why the job failed, in one line."""
        failure = read_json(self.path / FAILURE_FILE)
        return " ".join(f"{failure['kind']}: {failure['reason']}".split())

    @property
    def has_diverged(self) -> bool:
        """Whether the job failed because its training diverged."""
        file = self.path / FAILURE_FILE
        return file.exists() and read_json(file).get("kind") == "Diverged"

    def save_pruned(self, epochs: int | None) -> None:
        write_json(self.path / PRUNED_FILE, {"epochs": epochs})

    def mark_finished(self) -> None:
        """Removes the files of single trainings, which marks the run as finished."""
        shutil.rmtree(self.unfinished)


def finished_runs(folder: Path) -> list[RunDir]:
    """The finished runs at or below a folder; the jobs of a sweep in the order of their names."""
    runs = [RunDir(file.parent) for file in folder.rglob("result.json")]
    finished = [run for run in runs if run.is_finished]
    return sorted(finished, key=lambda run: (run.path.parent, len(run.path.name), run.path.name))


def require_config(run: RunDir) -> None:
    """Raises `InputError` for imported predictions, which have no config, models and photos."""
    if run.is_imported:
        raise InputError(
            f"{run.path}: imported predictions of another tool, which have no model and no config; "
            "compare, report, judge and flips take them"
        )


def require_finished(run: RunDir) -> None:
    """Raises `InputError` if the run is not finished or was made by a version too old to read."""
    if not run.is_finished:
        raise InputError(f"{run.path}: not a finished run; finish it with resume={run.path}")
    if not run.trainings_file.is_file():
        raise InputError(f"{run.path}: made by an older version; run the experiment again")
