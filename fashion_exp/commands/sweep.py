"""`sweep`: the sweeps that there are, and how far one has come."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.paths import outputs_dir
from fashion_exp.sweeps.find_sweeps import chosen, sweeps_in
from fashion_exp.tracking.urls import without_passwords

if TYPE_CHECKING:
    from fashion_exp.sweeps.state import Ledger

MOST_ROWS = 40
"""Of more jobs, the terminal shows the best ones and those that failed."""


def run(arguments: list[str]) -> int:
    """Prints what is asked for. Raises `InputError` for a sweep that is not there."""
    own = argparse.ArgumentParser(prog="fashion_exp sweep", description=__doc__)
    own.add_argument("what", choices=["status", "list"], help="of one sweep, or of all")
    own.add_argument("sweep", nargs="?", help="its folder or name; default: the newest")
    own.add_argument("--json", action="store_true", help="for programs")
    own.add_argument("--outputs", help="where the sweeps are; default: as for experiments")
    options = own.parse_intermixed_args(arguments)
    sweeps = sweeps_in(outputs_dir(options.outputs))
    if options.what == "list":
        overviews = [_overview(sweep) for sweep in sweeps]
        _print_json(overviews) if options.json else _print_list(overviews)
    else:
        status = _status(chosen(sweeps, options.sweep))
        _print_json(status) if options.json else _print_status(status)
    return 0


def _overview(sweep: Path) -> dict[str, object]:
    """What `list --json` gives: jobs by state, and whether a process runs the sweep."""
    return _told(sweep, Counter(state for _, state in _states(sweep)))


def _status(sweep: Path) -> dict[str, object]:
    """What `status --json` gives: the same, and a row a job."""
    from fashion_exp.evaluation.results import load_result
    from fashion_exp.sweeps.job_state import failure

    cells, jobs = _ledger(sweep).jobs, []
    for identity, state in _states(sweep):
        folder = sweep / identity
        job: dict[str, object] = {"job": identity, "state": state, "name": cells[identity]}
        if state == "finished":
            result = load_result(folder)
            job["seconds"] = round(result.seconds, 1)
            job |= result.summary("validation").metrics()
        elif state == "failed":
            job["why"] = failure(folder)
        jobs.append(job)
    return _told(sweep, Counter(str(job["state"]) for job in jobs)) | {"jobs": jobs}


def _told(sweep: Path, states: Counter[str]) -> dict[str, object]:
    from fashion_exp.sweeps.state import is_driven

    return {
        "sweep": str(sweep),
        "running": is_driven(sweep),
        "left": _ledger(sweep).left,
        "last change": max(f.stat().st_mtime for f in (sweep, sweep / "sweep.json")),
        "line": [without_passwords(word) for word in _ledger(sweep).line],
        "states": dict(states),
    }


def _states(sweep: Path) -> Iterator[tuple[str, str]]:
    """Each job's identity, and how far it has come."""
    from fashion_exp.experiment.job import is_running
    from fashion_exp.sweeps.job_state import job_state

    for identity in _ledger(sweep).jobs:
        folder = sweep / identity
        yield identity, "running" if is_running(folder) else job_state(folder)


def _ledger(sweep: Path) -> Ledger:
    from fashion_exp.sweeps.state import ledger_of

    return ledger_of(sweep)


def _print_json(told: object) -> None:
    print(json.dumps(told, indent=1))


def _counts(told: dict[str, object]) -> str:
    states = told["states"]
    assert isinstance(states, dict)
    return ", ".join(f"{count} {state}" for state, count in states.items())


def _print_list(told: list[dict[str, object]]) -> None:
    for one in told:  # no table: names are long, and are copied from here
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(str(one["last change"]))))
        print(f"{Path(str(one['sweep'])).name}\n    {_counts(one)}; {_runs(one)}; {when}")


def _runs(told: dict[str, object]) -> str:
    return "running" if told["running"] else "not running"


def _print_status(told: dict[str, object]) -> None:
    from rich.console import Console

    from fashion_exp.comparison.run_data import rerun_command
    from fashion_exp.reporting.formats import DASH, duration, percent, span
    from fashion_exp.reporting.tables import PlainTable, rich_table

    jobs, line = told["jobs"], told["line"]
    assert isinstance(jobs, list) and isinstance(line, list)
    finished = sorted(
        (job for job in jobs if job["state"] == "finished"), key=lambda job: -job["val_acc"]
    )
    others = [job for job in jobs if job["state"] != "finished"]
    shown = [*finished[: max(1, MOST_ROWS - len(others))], *others[:MOST_ROWS]]
    rows = [
        [
            job["name"],
            job["state"],
            f"{percent(job['val_acc'])} ({span(job['val_lo'], job['val_hi'])})"
            if "val_acc" in job
            else DASH,
            duration(job["seconds"]) if "seconds" in job else job.get("why", DASH),
        ]
        for job in shown
    ]
    notes = [f"and {len(jobs) - len(shown)} more: --json has all"] if len(jobs) > len(shown) else []
    console = Console()
    head = f"{told['sweep']}: {_counts(told)}; {_runs(told)}"
    console.print(head, soft_wrap=True, highlight=False)
    console.print(rich_table(PlainTable(["job", "state", "validation", "time"], rows, notes=notes)))
    states = told["states"]
    assert isinstance(states, dict)
    whole = told["left"] == 0 or (told["left"] is None and set(states) == {"finished"})
    if not (told["running"] or whole):
        console.print(
            f"to go on: {rerun_command(line)}", soft_wrap=True, highlight=False, markup=False
        )
