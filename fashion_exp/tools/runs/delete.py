"""Deletes the folders of runs and sweeps, and marks what was tracked of them as deleted.

Two things are kept: `test_evaluations.jsonl`, so that the evaluation of a test set stays counted;
and the options of a single job of a sweep, so that comparisons still count it as tried.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import append_json_line, read_json_lines, timestamp, write_text
from fashion_exp.comparison.find_runs import sweep_jobs, tracked_id
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.test_usage import test_evaluations
from fashion_exp.models.backbones import unused_backbones
from fashion_exp.sweeps.state import is_sweep_running, lock_sweep, read_state
from fashion_exp.tracking.store import present_store

PENDING_FILE = "deleted_runs.jsonl"
"""Deletions that are still to be made in a tracking store."""
TRASH = ".deleted"
"""Folders are moved here first, so that a kill leaves no run with half of its files."""


def delete_run(run: RunDir, outputs: Path) -> str:
    """Deletes a run; returns why the tracking store was not changed, or an empty text.

    Raises `InputError` if a process is running it.
    """
    sweep = run.path.parent if run.path.parent.parent.name == "sweeps" else None
    if run.is_running or (sweep is not None and is_sweep_running(sweep)):
        raise InputError(f"{run.path}: a process is running it; wait for it, or stop it")
    run_id, uri = tracked_id(run)
    options = run.options_file.read_bytes() if sweep and run.options_file.is_file() else None
    with run.lock():
        _move_to_trash(run.path, outputs)
    if options is not None:
        run.path.mkdir()
        run.options_file.write_bytes(options)
    _empty_trash(outputs)
    _remove_from_training_cache(run.path, outputs)
    return _delete_tracked(uri, [run_id] if run_id else [], outputs)


def delete_sweep(sweep: Path, outputs: Path) -> str:
    """Deletes a sweep with all its jobs; returns and raises as `delete_run`."""
    jobs = sweep_jobs(sweep)
    for job in jobs:
        if job.is_running:
            raise InputError(f"{job.path}: a process is running this job; wait for it, or stop it")
    state = read_state(sweep)
    tracked = {tracked_id(job) for job in jobs}
    if state is not None and state.parent:
        tracked.add((state.parent, state.uri))
    with lock_sweep(sweep):
        _move_to_trash(sweep, outputs)
    _empty_trash(outputs)
    for job in jobs:
        _remove_from_training_cache(job.path, outputs)
    reasons = [
        _delete_tracked(uri, sorted(run for run, store in tracked if store == uri), outputs)
        for uri in sorted({store for run, store in tracked if run})
    ]
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def remove_unused_backbones(outputs: Path) -> None:
    """Deletes the files in `outputs/weights` that no run uses anymore."""
    for file in unused_backbones(outputs):
        file.unlink(missing_ok=True)


def counted_evaluations(runs: Sequence[RunDir]) -> int:
    """How many of the runs were evaluated on their test set."""
    count = 0
    for run in runs:
        with suppress(InputError):
            count += test_evaluations(run.path) > 0
    return count


def pending_deletions(outputs: Path) -> list[dict[str, Any]]:
    """Deletions that are still to be made in a tracking store: `uri`, `runs` and `time`."""
    return read_json_lines(outputs / PENDING_FILE)


def track_deletion(entry: dict[str, Any], outputs: Path) -> None:
    """Deletes the runs in the store, and the entry from the list. Raises `InputError`."""
    from fashion_exp.tracking.edits import delete_runs

    delete_runs(present_store(entry["uri"], outputs), entry["runs"])
    left = [other for other in pending_deletions(outputs) if other != entry]
    write_text(outputs / PENDING_FILE, "".join(f"{json.dumps(other)}\n" for other in left))


def _delete_tracked(uri: str, runs: Sequence[str], outputs: Path) -> str:
    if not runs or not uri:
        return ""
    from fashion_exp.tracking.edits import delete_runs

    try:
        delete_runs(present_store(uri, outputs), runs)
    except InputError as error:
        entry = {"time": timestamp(), "uri": uri, "runs": list(runs)}
        append_json_line(outputs / PENDING_FILE, entry)
        return str(error)
    return ""


def _move_to_trash(folder: Path, outputs: Path) -> None:
    trash = outputs / TRASH
    trash.mkdir(exist_ok=True)
    folder.rename(trash / f"{time.time_ns()}-{folder.name}")


def _empty_trash(outputs: Path) -> None:
    """Removes also what an earlier deletion was killed at."""
    shutil.rmtree(outputs / TRASH, ignore_errors=True)


def _remove_from_training_cache(run: Path, outputs: Path) -> None:
    """Removes the entries of the training cache that point to a run that is gone."""
    for entry in _trainings_of(run, outputs / "cache" / "trainings"):
        entry.unlink(missing_ok=True)


def _trainings_of(run: Path, folder: Path) -> Iterator[Path]:
    for entry in folder.glob("*.json"):
        with suppress(OSError, ValueError, KeyError):
            if (
                folder / json.loads(entry.read_text(encoding="utf-8"))["run"]
            ).resolve() == run.resolve():
                yield entry
