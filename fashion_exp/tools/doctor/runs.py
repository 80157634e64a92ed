"""Tracked runs that are RUNNING although the process that ran them is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fashion_exp.atomic_io import read_json
from fashion_exp.errors import InputError
from fashion_exp.experiment.job import is_running
from fashion_exp.paths import outputs_id
from fashion_exp.reporting.formats import counted
from fashion_exp.tools.doctor import Finding
from fashion_exp.tracking.connection import LeftRunning, end_as_killed, running
from fashion_exp.tracking.sqlite_database import PREFIX
from fashion_exp.tracking.urls import public

YOUNG = 60.0
"""Seconds in which a run may not have noted its id in its folder yet."""


@dataclass(frozen=True)
class Place:
    """Where a tracked run is at work, and the store that it is recorded in."""

    folder: Path
    uri: str


def noted(outputs: Path) -> dict[str, Place]:
    """The place of each tracked run whose id is noted in one: runs, their folds, and sweeps."""
    found: dict[str, Place] = {}
    for note in (*outputs.glob("runs/*/tracked.json"), *outputs.glob("sweeps/*/*/tracked.json")):
        for file in (note, *note.parent.glob("unfinished/*-tracked.json")):
            _add(found, file, "run", note.parent)
    for note in outputs.glob("sweeps/*/sweep.json"):
        _add(found, note, "parent", note.parent)
    return found


def _add(found: dict[str, Place], note: Path, key: str, folder: Path) -> None:
    with suppress(InputError):  # what is damaged is found elsewhere
        told = read_json(note)
        if told.get(key) and told.get("uri"):
            found[told[key]] = Place(folder, told["uri"])


def findings(uri: str, places: Mapping[str, Place], outputs: Path) -> Iterator[Finding]:
    """Those begun in these outputs whose folder has no process at work, or is gone.

    Of others nobody can see from here whether they live: those of another machine, of other
    outputs, and of outputs that these are a copy of. They are left alone.
    """
    if uri.startswith(PREFIX) and not Path(uri.removeprefix(PREFIX)).exists():
        return
    try:
        found = running(uri)
    except InputError as error:
        yield Finding("a tracking store that cannot be asked", str(error), "doctor again then")
        return
    elsewhere, own = 0, outputs_id(outputs)
    for left in found:
        place = places.get(left.run)
        if not (own and left.begun_as.startswith(f"{own}-")):
            elsewhere += 1
        elif _is_dead(left, place):
            where = f"{left.name} ({place.folder if place else 'its folder is gone'})"
            mend = partial(end_as_killed, uri, [left.run])
            yield Finding("a run left RUNNING", where, "end it as KILLED", mend)
    if elsewhere:
        told = "begun on another machine or in other outputs: left alone; run doctor there"
        yield Finding(f"{counted(elsewhere, 'run')} RUNNING", public(uri), told)


def _is_dead(left: LeftRunning, place: Place | None) -> bool:
    if place is None:
        return time.time() - left.began > YOUNG
    return not is_running(place.folder)
