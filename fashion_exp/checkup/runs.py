"""Tracked runs that are RUNNING although the process that ran them is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fashion_exp.checkup import Finding
from fashion_exp.errors import InputError
from fashion_exp.files import read_json
from fashion_exp.job import is_running
from fashion_exp.tracking.embedded import PREFIX
from fashion_exp.tracking.opening import LeftRunning, end_as_killed, running

YOUNG = 60.0
"""Seconds in which a run may not have noted its id in its folder yet."""


def findings(outputs: Path, uri: str) -> Iterator[Finding]:
    """Those noted in a folder where no process is at work; of our own file, those of no folder too.

    On a server, runs that are noted nowhere here may be another machine's: they are left alone.
    """
    if uri.startswith(PREFIX) and not Path(uri.removeprefix(PREFIX)).exists():
        return
    places = _noted(outputs)
    elsewhere = 0
    for left in running(uri):
        folder = places.get(left.run)
        if folder is None and not uri.startswith(PREFIX):
            elsewhere += 1
        elif _is_dead(left, folder):
            where = f"{left.name} ({folder or 'its folder is gone'})"
            mend = partial(end_as_killed, uri, [left.run])
            yield Finding("a run left RUNNING", where, "end it as KILLED", mend)
    if elsewhere:
        told = "another machine's, perhaps: left alone; run doctor there"
        yield Finding(f"{elsewhere} runs RUNNING", uri, told)


def _is_dead(left: LeftRunning, folder: Path | None) -> bool:
    if folder is None:
        return time.time() - left.began > YOUNG
    return not is_running(folder)


def _noted(outputs: Path) -> dict[str, Path]:
    """The folder of each tracked run whose id is noted in one: runs, their folds, and sweeps."""
    found = {}
    for note in (*outputs.glob("runs/*/tracked.json"), *outputs.glob("sweeps/*/*/tracked.json")):
        found[_read(note).get("run", "")] = note.parent
        for fold in note.parent.glob("unfinished/*-tracked.json"):
            found[_read(fold).get("run", "")] = note.parent
    for note in outputs.glob("sweeps/*/sweep.json"):
        found[_read(note).get("parent", "")] = note.parent
    return found


def _read(note: Path) -> dict[str, str]:
    try:
        return read_json(note)
    except InputError:  # what is damaged is found elsewhere
        return {}
