"""Half-written files, runs that never began, and runs that wait to go on."""

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
from fashion_exp.errors import InputError
from fashion_exp.experiment.job import FAILURE_FILE, KNOBS_FILE, is_running
from fashion_exp.tools.doctor import Finding

OLD = 600.0
"""Seconds after which nobody is still writing a file."""
_DRAFT = re.compile(r"\..+\.(\d{1,9})")
_NOTES = ("tracked.json", FAILURE_FILE, KNOBS_FILE, "result.json", "test_opened.json")
_MARK = re.compile(r"\.disk-[0-9a-f]{8}")


def findings(outputs: Path) -> Iterator[Finding]:
    yield from _drafts(outputs)
    yield from _empty_runs(outputs)
    yield from _unfinished(outputs)
    yield from _damaged(outputs)


def _drafts(outputs: Path) -> Iterator[Finding]:
    """What `replacing` and a sweep's launcher leave where a process is killed in between."""
    for file in outputs.rglob(".*"):
        draft = _DRAFT.fullmatch(file.name)
        if not (draft or _MARK.fullmatch(file.name)) or not file.is_file():
            continue
        in_use = _is_alive(int(draft[1])) if draft else is_running(file.parent)
        if not in_use and time.time() - file.stat().st_mtime > OLD:
            yield Finding("a half-written file", str(file), "delete it", file.unlink)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _empty_runs(outputs: Path) -> Iterator[Finding]:
    """Folders of runs that were killed before their first result."""
    for folder in outputs.glob("runs/*"):
        began = [folder / name for name in ("tracked.json", "unfinished", "result.json")]
        old = time.time() - folder.stat().st_mtime > OLD
        if old and not any(path.exists() for path in began) and not is_running(folder):
            mend = partial(shutil.rmtree, folder)
            yield Finding("a run that never began", str(folder), "delete its folder", mend)


def _unfinished(outputs: Path) -> Iterator[Finding]:
    for unfinished in outputs.glob("runs/*/unfinished"):
        folder = unfinished.parent
        if not is_running(folder):
            remedy = f"nothing is lost; to go on: scripts/run resume={folder}"
            yield Finding("an interrupted run", str(folder), remedy)


def _damaged(outputs: Path) -> Iterator[Finding]:
    """What a power cut or a person has left of runs and of sweeps."""
    for folder in (*outputs.glob("runs/*"), *outputs.glob("sweeps/*/*")):
        if folder.is_dir() and not is_running(folder) and (reason := _lost(folder)):
            aside = outputs / "damaged" / f"{folder.parent.name}-{folder.name}"
            yield Finding(
                "a damaged run",
                f"{folder}: {reason}",
                f"move it to {aside}; its line runs it again",
                partial(_move, folder, aside),
            )
    for ledger in outputs.glob("sweeps/*/sweep.json"):
        if not _reads(ledger) and not is_running(ledger.parent):
            aside = outputs / "damaged" / f"{ledger.parent.name}-{ledger.name}"
            yield Finding(
                "a damaged sweep",
                str(ledger),
                f"move it to {aside}; the sweep's line makes it anew, its jobs stay as they are",
                partial(_move, ledger, aside),
            )


def _lost(folder: Path) -> str:
    """Which of its notes, or of the files that its numbers come from, cannot be read; empty where
    none is."""
    notes = [folder / name for name in _NOTES if (folder / name).exists()]
    for note in (*notes, *folder.glob("unfinished/*.json")):
        if not _reads(note):
            return f"{note.relative_to(folder)} cannot be read"
    if not (folder / "result.json").exists() or (folder / "unfinished").exists():
        return ""
    from fashion_exp.evaluation.predictions import PART_FILES, read_predictions

    for name in PART_FILES.values():
        try:
            read_predictions(folder / name)
        except InputError:
            return f"{name} cannot be read"
    return ""


def _reads(note: Path) -> bool:
    try:
        read_json(note)
    except InputError:
        return False
    return True


def _move(path: Path, aside: Path) -> None:
    aside.parent.mkdir(parents=True, exist_ok=True)
    number = next(i for i in count(1) if not aside.with_name(f"{aside.name}-{i}").exists())
    path.rename(aside.with_name(f"{aside.name}-{number}"))
