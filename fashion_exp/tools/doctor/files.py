"""Temporary files, runs that never started, interrupted runs, and damaged files."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

from fashion_exp.atomic_io import read_json
from fashion_exp.configuration.overrides import resume_command
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import PART_FILES, RunDir
from fashion_exp.models.backbones import unused_backbones
from fashion_exp.reporting.formats import data_size
from fashion_exp.tools.doctor.finding import Finding

MIN_AGE = 600.0
"""Seconds; younger files and folders may still be in use."""
_TEMPORARY_FILE = re.compile(r"\..+\.(\d{1,9})")
"""Written by `atomic_write`; ends with the process id."""
_DISK_MARK = re.compile(r"\.disk-[0-9a-f]{8}")
"""Written by a sweep to test whether its nodes share the disk."""


def findings(outputs: Path) -> Iterator[Finding]:
    yield from _temporary_files(outputs)
    yield from _runs_without_start(outputs)
    yield from _interrupted_runs(outputs)
    yield from _interrupted_refits(outputs)
    yield from _damaged_runs(outputs)
    yield from _incomplete_evaluations(outputs)
    yield from _damaged_sweeps(outputs)
    for file in unused_backbones(outputs):
        size = f"{file} ({data_size(file.stat().st_size)})"
        yield Finding("a backbone that no run uses anymore", size, "delete it", file.unlink)


def _temporary_files(outputs: Path) -> Iterator[Finding]:
    for file in outputs.rglob(".*"):
        temporary = _TEMPORARY_FILE.fullmatch(file.name)
        if not (temporary or _DISK_MARK.fullmatch(file.name)) or not file.is_file():
            continue
        in_use = _is_alive(int(temporary[1])) if temporary else RunDir(file.parent).is_running
        if not in_use and _is_old(file):
            yield Finding("a leftover temporary file", str(file), "delete it", file.unlink)


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > MIN_AGE


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process belongs to another user
        pass
    return True


def _runs_without_start(outputs: Path) -> Iterator[Finding]:
    """Folders of runs that were killed before their first result."""
    for folder in outputs.glob("runs/*"):
        run = RunDir(folder)
        is_empty = not (run.has_started or run.result_file.exists())
        if is_empty and _is_old(folder) and not run.is_running:
            fix = partial(shutil.rmtree, folder)
            yield Finding("a run that never started", str(folder), "delete its folder", fix)


def _interrupted_runs(outputs: Path) -> Iterator[Finding]:
    for unfinished in outputs.glob("runs/*/unfinished"):
        folder = unfinished.parent
        if not RunDir(folder).is_running:
            remedy = f"nothing is lost; to continue: {resume_command(folder)}"
            yield Finding("an interrupted run", str(folder), remedy)


def _interrupted_refits(outputs: Path) -> Iterator[Finding]:
    for folder in outputs.glob("refits/.*"):
        if not RunDir(folder).is_running:
            remedy = "the same `refit` continues it; to give it up, delete the folder"
            yield Finding("an interrupted refit", str(folder), remedy)


def _damaged_runs(outputs: Path) -> Iterator[Finding]:
    for folder in (*outputs.glob("runs/*"), *outputs.glob("sweeps/*/*")):
        run = RunDir(folder)
        if folder.is_dir() and not run.is_running and (file := _damaged_file(run)):
            target = outputs / "damaged" / f"{folder.parent.name}-{folder.name}"
            yield Finding(
                "a damaged run",
                f"{folder}: {file} cannot be read",
                f"move it to {target}; the same command runs it again",
                partial(_move, folder, target),
            )


def _incomplete_evaluations(outputs: Path) -> Iterator[Finding]:
    """Evaluations that ended early, or whose files were damaged."""
    for pattern in ("runs/*", "sweeps/*/*", "refits/*"):
        for file in sorted(outputs.glob(f"{pattern}/evaluations/*.parquet")):
            if not _is_old(file):
                continue
            numbers = file.with_suffix(".json")
            try:
                RunDir(file.parents[1]).check_predictions(file.stem)
                is_readable = _is_readable(numbers)
            except InputError:
                is_readable = False
            if not is_readable:
                remedy = "delete it; `evaluate` makes it again"
                fix = partial(_delete, file, numbers)
                yield Finding("an incomplete evaluation", str(file), remedy, fix)


def _delete(*files: Path) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _damaged_sweeps(outputs: Path) -> Iterator[Finding]:
    for state_file in outputs.glob("sweeps/*/sweep.json"):
        if not _is_readable(state_file) and not RunDir(state_file.parent).is_running:
            target = outputs / "damaged" / f"{state_file.parent.name}-{state_file.name}"
            yield Finding(
                "a damaged sweep",
                str(state_file),
                f"move it to {target}; the command of the sweep creates it again and keeps its "
                "jobs",
                partial(_move, state_file, target),
            )


def _damaged_file(run: RunDir) -> str:
    """The first unreadable file of a run: a record or, if it has finished, predictions; else ""."""
    for record in run.records():
        if not _is_readable(record):
            return str(record.relative_to(run.path))
    for part in PART_FILES if run.is_finished else ():
        file = run.predictions_file(part)
        if run.is_imported and part == "test" and not file.exists():
            continue  # another tool need not have a test set
        try:
            run.check_predictions(part)
        except InputError:
            return file.name
    return ""


def _is_readable(record: Path) -> bool:
    try:
        read_json(record)
    except InputError:
        return False
    return True


def _move(path: Path, target: Path) -> None:
    """Moves to the target's name with the first free number."""
    target.parent.mkdir(parents=True, exist_ok=True)
    number = next(i for i in count(1) if not target.with_name(f"{target.name}-{i}").exists())
    path.rename(target.with_name(f"{target.name}-{number}"))
