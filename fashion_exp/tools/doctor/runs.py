"""Tracking stores: outdated databases, and runs with status RUNNING whose process is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fashion_exp.atomic_io import read_json
from fashion_exp.configuration.stored_config import load_config
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment import tracked_runs
from fashion_exp.paths import outputs_id
from fashion_exp.reporting.formats import pluralize
from fashion_exp.tools.doctor.finding import Finding
from fashion_exp.tracking.connection import RunningRun, mark_killed, running_runs
from fashion_exp.tracking.sqlite_database import migrate, needs_migration
from fashion_exp.tracking.urls import database_file, redact_uri

STARTUP_SECONDS = 60.0
"""Time in which a new run may not have written its id to its folder yet."""


@dataclass(frozen=True)
class RunLocation:
    """The folder of a tracked run and the URI of its tracking store."""

    folder: Path
    uri: str


def locate_tracked_runs(outputs: Path) -> dict[str, RunLocation]:
    """The locations by run id: of runs, their folds, and the parent runs of sweeps."""
    records = [(path, path.parent, "parent") for path in outputs.glob("sweeps/*/sweep.json")]
    for path in (*outputs.glob("runs/*/tracked.json"), *outputs.glob("sweeps/*/*/tracked.json")):
        folds = path.parent.glob("unfinished/*-tracked.json")
        records += [(record, path.parent, "run") for record in (path, *folds)]
    locations = {}
    for path, folder, key in records:
        with suppress(InputError):  # files.findings() reports damaged files
            content = read_json(path)
            if content.get(key) and content.get("uri"):
                locations[content[key]] = RunLocation(folder, content["uri"])
    return locations


def outdated_database(uri: str) -> Finding | None:
    """A finding if another MLflow version wrote the database of a store."""
    database = database_file(uri)
    if database is None or not (database.exists() and needs_migration(database)):
        return None
    return Finding(
        "a database of another MLflow version",
        str(database),
        "back it up and migrate it",
        partial(migrate, database),
    )


def findings(uri: str, locations: Mapping[str, RunLocation], outputs: Path) -> Iterator[Finding]:
    """The runs started in `outputs` whose folder is gone or has no active process.

    Runs of other machines and other outputs, including copies of these, may be active: they are
    counted but not changed.
    """
    if (database := database_file(uri)) is not None and not database.exists():
        return
    try:
        active = running_runs(uri)
    except InputError as error:
        yield Finding(
            "an unreachable tracking store", str(error), "run doctor again when it is reachable"
        )
        return
    foreign_count, local_id = 0, outputs_id(outputs)
    for run in active:
        location = locations.get(run.run)
        if not (local_id and run.token.startswith(f"{local_id}-")):
            foreign_count += 1
        elif _is_dead(run, location):
            where = f"{run.name} ({location.folder if location else 'its folder is gone'})"
            fix = partial(mark_killed, uri, [run.run])
            yield Finding("a dead run with status RUNNING", where, "set its status to KILLED", fix)
    if foreign_count:
        yield Finding(
            f"{pluralize(foreign_count, 'run')} with status RUNNING from other outputs or machines",
            redact_uri(uri),
            "not changed; run doctor there",
        )


def missed_by_store(outputs: Path) -> Iterator[Finding]:
    """Finished runs of which the store missed something while it could not be used."""
    for tracked in (*outputs.glob("runs/*/tracked.json"), *outputs.glob("sweeps/*/*/tracked.json")):
        run = RunDir(tracked.parent)
        if not run.is_finished or run.is_running:
            continue
        with suppress(InputError):  # files.findings() reports damaged files
            if reason := tracked_runs.missed_by_store(run):
                yield Finding(
                    "a run that is not completely in the tracking store",
                    f"{run.path} ({reason})",
                    "record it again from its files",
                    partial(_record, run, outputs),
                )


def _record(run: RunDir, outputs: Path) -> bool:
    from fashion_exp.experiment.record_again import record_missed

    return record_missed(load_config(run.config_file), run, outputs)


def _is_dead(run: RunningRun, location: RunLocation | None) -> bool:
    if location is None:
        return time.time() - run.started > STARTUP_SECONDS
    return not RunDir(location.folder).is_running
