"""`sweep`: lists the sweeps, shows the state of one, or deletes one."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from fashion_exp.commands.parser import Parser
from fashion_exp.commands.runs import confirm, print_kept_evaluations, print_untracked
from fashion_exp.errors import InputError, redact_credentials
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.formats import pluralize
from fashion_exp.sweeps.find_sweeps import find_sweep, list_sweeps

MAX_ROWS = 40
"""Rows on the terminal. Of more jobs, the best ones and the unfinished ones are shown."""


def run(arguments: list[str]) -> int:
    """Raises `InputError` if the sweep does not exist."""
    parser = Parser(prog="fashion_exp sweep", description=__doc__)
    parser.add_argument(
        "what", choices=["status", "list", "delete"],
        help="show one sweep; list all; delete one with its jobs, whose test evaluations stay "
        "counted",
    )  # fmt: skip
    parser.add_argument("sweep", nargs="?", help="folder or name; default: the newest sweep")
    parser.add_argument("--yes", action="store_true", help="delete without asking")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--outputs", help="folder of the outputs; default: as for experiments")
    options = parser.parse_intermixed_args(arguments)
    outputs = outputs_dir(options.outputs)
    sweeps = list_sweeps(outputs)
    if options.what == "list":
        overviews = [_overview(sweep) for sweep in sweeps]
        _print_json(overviews) if options.json else _print_list(overviews)
    elif options.what == "delete":
        if options.sweep is None:
            raise InputError("sweep delete: needs the name of a sweep; `sweep list` lists them")
        _delete(find_sweep(sweeps, options.sweep), outputs, options.yes)
    else:
        status = _status(find_sweep(sweeps, options.sweep))
        _print_json(status) if options.json else _print_status(status)
    return 0


def _delete(sweep: Path, outputs: Path, yes: bool) -> None:
    from fashion_exp.comparison.find_runs import sweep_jobs
    from fashion_exp.tools.runs.delete import (
        counted_evaluations,
        delete_sweep,
        remove_unused_backbones,
    )

    jobs = sweep_jobs(sweep)
    count = counted_evaluations(jobs)
    print(sweep)
    confirm(f"Delete this sweep with its {pluralize(len(jobs), 'job')} and all files?", yes)
    reason = delete_sweep(sweep, outputs)
    remove_unused_backbones(outputs)
    print(f"deleted {sweep.name}")
    print_untracked(reason, outputs)
    print_kept_evaluations(count)


def _overview(sweep: Path) -> dict[str, Any]:
    """An item of `list --json`."""
    from fashion_exp.evaluation.run_dir import RunDir
    from fashion_exp.sweeps.state import is_sweep_running, load_state

    state = load_state(sweep)
    return {
        "sweep": str(sweep),
        "running": is_sweep_running(sweep),
        "left": state.left,
        "last change": max(file.stat().st_mtime for file in (sweep, sweep / "sweep.json")),
        "line": [redact_credentials(argument) for argument in state.line],
        "states": dict(Counter(RunDir(sweep / job).activity for job in state.jobs)),
    }


def _status(sweep: Path) -> dict[str, Any]:
    """The content of `status --json`: the overview and an item for each job."""
    from fashion_exp.comparison.training_share import training_share
    from fashion_exp.evaluation.results import load_result
    from fashion_exp.evaluation.run_dir import RunDir
    from fashion_exp.sweeps.state import load_state

    jobs = []
    for identity, name in load_state(sweep).jobs.items():
        folder = sweep / identity
        job: dict[str, Any] = {"job": identity, "state": RunDir(folder).activity, "name": name}
        if job["state"] == "finished":
            result = load_result(folder)
            job["seconds"] = round(result.seconds, 1)
            job |= result.summary("validation").metrics()
            with suppress(InputError):  # of a damaged file; `doctor` reports it
                job["training share"] = training_share(RunDir(folder).options())
        elif job["state"] == "failed":
            job["why"] = RunDir(folder).failure
        jobs.append(job)
    states = dict(Counter(job["state"] for job in jobs))
    return _overview(sweep) | {"states": states, "jobs": jobs}


def _print_json(content: object) -> None:
    print(json.dumps(content, indent=1))


def _print_list(overviews: list[dict[str, Any]]) -> None:
    for overview in overviews:  # not a table: the names are long and meant to be copied
        time_changed = time.strftime("%Y-%m-%d %H:%M", time.localtime(overview["last change"]))
        print(Path(overview["sweep"]).name, f"    {_counts(overview)}; {time_changed}", sep="\n")


def _counts(overview: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in overview["states"].items())
    return f"{counts}; {'running' if overview['running'] else 'not running'}"


def _has_share(job: dict[str, Any], largest: float) -> bool:
    """Whether the training share of a finished job is the largest."""
    share = job.get("training share")
    return share is None or share > largest - 1e-9


def _print_status(status: dict[str, Any]) -> None:
    from fashion_exp.configuration.overrides import repeat_command
    from fashion_exp.reporting.console import plain_console
    from fashion_exp.reporting.formats import DASH, duration, with_limits
    from fashion_exp.reporting.tables import PlainTable

    jobs = status["jobs"]
    finished = [job for job in jobs if job["state"] == "finished"]
    largest = max((job.get("training share") or 0 for job in finished), default=0)
    finished.sort(key=lambda job: (_has_share(job, largest), job["val_acc"]), reverse=True)
    unfinished = [job for job in jobs if job["state"] != "finished"]
    shown = [*finished[: max(1, MAX_ROWS - len(unfinished))], *unfinished[:MAX_ROWS]]
    rows = [
        [
            job["name"],
            job["state"],
            with_limits(job["val_acc"], job["val_lo"], job["val_hi"]) if "val_acc" in job else DASH,
            duration(job["seconds"]) if "seconds" in job else job.get("why", DASH),
        ]
        for job in shown
    ]
    hidden = len(jobs) - len(shown)
    notes = [f"{hidden} more jobs; --json shows all"] if hidden else []
    if smaller := sum(not _has_share(job, largest) for job in finished):
        notes.append(f"{pluralize(smaller, 'job')} with a smaller training share: not ranked.")
    console = plain_console()
    console.print(f"{status['sweep']}: {_counts(status)}", soft_wrap=True)
    console.print(PlainTable(["job", "state", "validation", "time"], rows, notes=notes))
    left = status["left"]
    is_complete = left == 0 or (left is None and set(status["states"]) == {"finished"})
    if not (status["running"] or is_complete):
        command = repeat_command(status["line"], Path(status["sweep"]).parent.parent)
        console.print(f"to resume: {command}", soft_wrap=True)
