"""The state of a sweep on disk: `sweep.json`, the lock, and archiving of earlier sweeps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import file_lock, is_locked, read_json, write_json
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import LOCK_FILE

if TYPE_CHECKING:  # it imports torch, which `sweep status` does not need
    from fashion_exp.sweeps.jobs import SweepJob

STATE_FILE = "sweep.json"
LEADERBOARD_FILE = "leaderboard.csv"
REPORT_FOLDER = "report"
"""In the sweep's folder, and the only entry of the parent run's artifacts."""


@dataclass
class SweepState:
    """The content of `sweep.json`; the field names are its keys."""

    line: list[str]
    """Arguments of the last command line."""
    uri: str = ""
    """Tracking store of the parent run."""
    parent: str = ""
    """MLflow id of the parent run."""
    experiment: str = ""
    """MLflow id of the parent run's experiment."""
    begun_as: str = ""
    """Token saved before the parent is created; finds it again after a crash in between."""
    study: str = ""
    """Name of the Optuna study; a new one each time that a search starts over."""
    threads: int | None = None
    """CPU threads of a job, set by the first launcher. They affect the last digits of results."""
    left: int | None = None
    """Number of jobs that the same command would run; None if the last one did not complete."""
    jobs: dict[str, str] = field(default_factory=dict)
    """Names (swept values) of all jobs so far, by job hash."""
    code: dict[str, str] = field(default_factory=dict)
    """Git commit that each job last ran with, by job hash."""

    def write(self, sweep: Path) -> None:
        write_json(sweep / STATE_FILE, asdict(self))


def read_state(sweep: Path) -> SweepState | None:
    """None if the sweep has not started. Ignores keys that a newer version may have added."""
    file = sweep / STATE_FILE
    if not file.is_file():
        return None
    saved = read_json(file)
    names = {item.name for item in fields(SweepState)}
    return SweepState(**{"line": []} | {name: saved[name] for name in saved if name in names})


def load_state(sweep: Path) -> SweepState:
    """The state of a sweep that has started; raises `InputError` if it was deleted since."""
    state = read_state(sweep)
    if state is None:
        raise InputError(
            f"{sweep / STATE_FILE}: gone; the folder was deleted while the sweep was running. Run "
            "the same command again"
        )
    return state


def record_jobs(sweep: Path, jobs: Sequence[SweepJob], commit: str | None = None) -> None:
    """Adds jobs to the state, and the `commit` that the unfinished ones run with."""
    state = load_state(sweep)
    state.jobs |= {job.hash: job.name for job in jobs}
    if commit is not None:
        state.code |= {job.hash: commit for job in jobs if job.state != "finished"}
    state.write(sweep)


def record_remaining(sweep: Path, count: int) -> None:
    """Marks the command as completed; running it again would run `count` jobs."""
    state = load_state(sweep)
    state.left = count
    state.write(sweep)


def lock_sweep(sweep: Path) -> AbstractContextManager[None]:
    """Raises `InputError` if another process runs the sweep."""
    return file_lock(
        sweep / LOCK_FILE,
        busy=f"{sweep}: another process is running this sweep; wait for it, or use another name "
        "with sweep.name=…",
    )


def is_sweep_running(sweep: Path) -> bool:
    return is_locked(sweep / LOCK_FILE)


def archive_sweep(sweep: Path) -> Path | None:
    """Moves the content of a sweep's folder into a new folder; None if there is no content.

    The lock file stays: a process that waits for the lock waits for this very file. Raises
    `InputError` if jobs of the sweep are still running.
    """
    for lock in sweep.glob(f"*/{LOCK_FILE}"):
        if is_locked(lock):
            raise InputError(
                f"sweep.fresh: {lock.parent}: a process is running this job; wait for it, or stop "
                "it"
            )
    content = [path for path in sweep.iterdir() if path.name != LOCK_FILE]
    if not content:
        return None
    name = f"{sweep.name}-until-{time.strftime('%Y%m%d-%H%M%S')}"
    archives = (sweep.with_name(f"{name}-{n}" if n > 1 else name) for n in count(1))
    archive = next(path for path in archives if not path.exists())  # a clock may go backwards
    archive.mkdir()
    for path in content:
        path.rename(archive / path.name)
    return archive
