"""`sweep`: the sweeps that there are, and how far one has come."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from fashion_exp.errors import InputError, nearest
from fashion_exp.places import outputs_folder

MOST_ROWS = 40
"""Of more jobs, the terminal shows the best ones and those that failed."""


def run(arguments: list[str]) -> int:
    """Prints a table. Raises `InputError` for a sweep that is not there."""
    own = argparse.ArgumentParser(prog="fashion_exp sweep", description=__doc__)
    own.add_argument("what", choices=["status", "list"], help="of one sweep, or of all")
    own.add_argument("sweep", nargs="?", help="its folder or name; default: the newest")
    own.add_argument("--json", action="store_true", help="for programs")
    own.add_argument("--outputs", help="where the sweeps are; default: as for experiments")
    options = own.parse_intermixed_args(arguments)
    sweeps = _sweeps(outputs_folder(options.outputs))
    found = sweeps if options.what == "list" else [_chosen(sweeps, options.sweep)]
    told = [_told(sweep) for sweep in found]
    if options.json:
        print(json.dumps(told if options.what == "list" else told[0], indent=1))
    elif options.what == "list":
        _print_list(told)
    else:
        _print_status(told[0])
    return 0


def _sweeps(outputs: Path) -> list[Path]:
    """Oldest first."""
    found = sorted((outputs / "sweeps").glob("*/sweep.json"), key=lambda f: f.stat().st_mtime)
    if not found:
        raise InputError(f"{outputs / 'sweeps'}: no sweep there yet; run one with --multirun")
    return [file.parent for file in found]


def _chosen(sweeps: list[Path], word: str | None) -> Path:
    if word is None:
        return sweeps[-1]
    names = [sweep.name for sweep in sweeps]
    close = [s for s in sweeps if s == Path(word).expanduser().resolve() or word == s.name]
    close = close or [sweep for sweep in sweeps if sweep.name.startswith(word)]
    if len(close) != 1:
        reason = f"means {len(close)} sweeps; type more" if close else "no such sweep; "
        raise InputError(f"{word}: {reason}{'' if close else nearest(word, names)}")
    return close[0]


def _told(sweep: Path) -> dict[str, object]:
    """What `--json` gives: counts by state, whether a process runs it, and a row a job."""
    from fashion_exp.results import load_result
    from fashion_exp.sweeps.jobs import failure, job_state
    from fashion_exp.sweeps.ledger import is_driven, read_ledger

    ledger = read_ledger(sweep)
    assert ledger is not None
    jobs = []
    for identity, cell in ledger.jobs.items():
        folder = sweep / identity
        state = job_state(folder)
        job: dict[str, object] = {"job": identity, "state": state, "name": cell}
        if state == "finished":
            result = load_result(folder)
            job["seconds"] = round(result.seconds, 1)
            job |= result.evidence("validation").metrics()
        elif state == "failed":
            job["why"] = failure(folder)
        jobs.append(job)
    states = Counter(str(job["state"]) for job in jobs)
    return {
        "sweep": str(sweep),
        "running": is_driven(sweep),
        "last change": max(f.stat().st_mtime for f in (sweep, sweep / "sweep.json")),
        "line": ledger.line,
        "states": dict(states),
        "jobs": jobs,
    }


def _counts(told: dict[str, object]) -> str:
    states = told["states"]
    assert isinstance(states, dict)
    return ", ".join(f"{count} {state}" for state, count in states.items())


def _print_list(told: list[dict[str, object]]) -> None:
    from rich.console import Console

    from fashion_exp.reporting.tables import PlainTable, rich_table

    rows = [
        [
            Path(str(one["sweep"])).name,
            _counts(one),
            "yes" if one["running"] else "no",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(float(str(one["last change"])))),
        ]
        for one in told
    ]
    Console().print(rich_table(PlainTable(["sweep", "jobs", "running", "last line"], rows)))


def _print_status(told: dict[str, object]) -> None:
    from rich.console import Console

    from fashion_exp.reporting.formats import DASH, duration, percent, span
    from fashion_exp.reporting.tables import PlainTable, rich_table
    from fashion_exp.study.members import command

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
    running = "running" if told["running"] else "not running"
    console.print(f"{told['sweep']}: {_counts(told)}; {running}", soft_wrap=True, highlight=False)
    console.print(rich_table(PlainTable(["job", "state", "validation", "time"], rows, notes=notes)))
    states = told["states"]
    assert isinstance(states, dict)
    if not told["running"] and set(states) - {"finished"}:
        console.print(f"to go on: {command(line)}", soft_wrap=True, highlight=False, markup=False)
