"""A multirun: planned and checked first, resumed where it was, concluded with one answer."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from fashion_exp.compose import CommandLine, quoted
from fashion_exp.config import Config
from fashion_exp.errors import InputError
from fashion_exp.experiment import ending
from fashion_exp.job import DONE, SOME_FAILED, show_places
from fashion_exp.models.weights import find_weights
from fashion_exp.places import checkout, outputs_folder
from fashion_exp.reporting import tables
from fashion_exp.reporting.formats import duration
from fashion_exp.results import load_result
from fashion_exp.sweeps.conclusion import (
    AGAIN,
    Conclusion,
    Sweep,
    conclude,
    failures,
    unfinished,
)
from fashion_exp.sweeps.drive import drive
from fashion_exp.sweeps.jobs import Planner, SweepJob, sweep_name, swept_knobs
from fashion_exp.sweeps.launchers import Launcher, make_launcher
from fashion_exp.sweeps.ledger import Ledger, changed_code, held, read_ledger, set_aside
from fashion_exp.sweeps.live import LiveTable
from fashion_exp.tracking import Tracker, open_tracker, provenance
from fashion_exp.training.device import cores


def run_sweep(line: CommandLine, open_all: bool) -> int:
    """Runs the jobs that are not finished yet; gives the exit code.

    The test is opened for the winner by validation only, unless `open_all`: what chose the winner
    may not judge the others, and each look at the test is counted. Killed anywhere, the same line
    goes on.
    """
    cfg, console = line.jobs[0], Console()
    if cfg.resume is not None:
        raise InputError("resume: acts in single runs; a sweep goes on by the same line")
    launcher = make_launcher(line.launcher)
    outputs = outputs_folder(cfg.outputs)
    folder = outputs / "sweeps" / sweep_name(line)
    weights = decide_weights(line.jobs, console)
    if cfg.sweep.fresh and folder.exists() and not cfg.sweep.dry_run:
        with held(folder):
            console.print(f"set aside: {set_aside(folder)}", soft_wrap=True, highlight=False)
    threads = _threads(None if cfg.sweep.fresh else read_ledger(folder), launcher)
    planner = Planner(line, folder, outputs / "cache", weights, threads, launcher.device)
    jobs = planner.jobs()
    tell_plan(jobs, folder, console)
    if cfg.sweep.dry_run:
        for job in jobs:
            console.print(f"{job.state:9} {job.command}", soft_wrap=True, highlight=False)
        return DONE
    with held(folder):
        tracker = open_tracker(cfg.tracking, outputs)
        code = provenance(checkout() or Path.cwd())
        ledger = _ledger(line, folder, tracker, code)
        ledger.threads = threads
        waiting = [job for job in jobs if job.state != "finished"]
        _warn_of_other_code(ledger, jobs, code.get("git_commit", ""), console)
        ledger.jobs |= {job.hash: job.cell for job in jobs}
        ledger.code |= {job.hash: code.get("git_commit", "") for job in waiting}
        ledger.write(folder)
        sweep = Sweep(folder, ledger.parent, swept_knobs(line.jobs), outputs, tracker)
        tracker.view(sweep.parent, sweep.swept)
        with ending(tracker, sweep.parent):
            try:
                if waiting:
                    with launcher.pool(folder) as pool, LiveTable(len(waiting)) as table:
                        common = _common(line, sweep, open_all, weights)
                        drive(iter(waiting), common, pool, launcher.retries, table)
            except KeyboardInterrupt:
                print("\nstopped; the same line goes on", file=sys.stderr)
                raise
            end = conclude(sweep, jobs, open_all)
    _show(end, jobs, sweep, console)
    return SOME_FAILED if end.failed else DONE


def _threads(before: Ledger | None, launcher: Launcher) -> int:
    """A job's CPU threads: as the sweep began, so that any launcher goes on with its numbers."""
    return (before and before.threads) or launcher.threads or cores()


def _show(end: Conclusion, jobs: Sequence[SweepJob], sweep: Sweep, console: Console) -> None:
    console.print(tables.rich_table(end.board))
    if end.winner is not None:
        told = f"{AGAIN}: {end.winner.command}"
        console.print(told, soft_wrap=True, highlight=False, markup=False)
    if end.failed:
        console.print(tables.rich_table(failures(jobs)))
        print("the same line runs these again; or one alone:")
        for job in unfinished(jobs):
            print(f"  {job.command}")
    if end.page is not None:
        console.print(f"page:    {end.page}", soft_wrap=True, highlight=False)
    show_places(console, sweep.folder, sweep.tracker.view_address(sweep.parent))


def decide_weights(jobs: Sequence[Config], console: Console) -> dict[str, str]:
    """What `model.weights=auto` means for each model of the sweep: imagenet or none.

    Asked once, so that a hub that comes or goes between two jobs cannot make them differ.
    """
    models = {job.model.name for job in jobs if job.model.weights == "auto"}
    found = {model: find_weights(model, "auto") for model in sorted(models)}
    for model, weights in found.items():
        console.print(f"weights of {model}: {weights.source}", soft_wrap=True, highlight=False)
    return {model: "imagenet" if weights.path else "none" for model, weights in found.items()}


def tell_plan(jobs: Sequence[SweepJob], folder: Path, console: Console) -> None:
    """How many jobs there are, what is there already, and what the rest will take."""
    states = Counter(job.state for job in jobs)
    told = [
        f"{states['finished']} finished before" if states["finished"] else "",
        f"{states['begun']} interrupted, which go on" if states["begun"] else "",
        f"{states['failed']} failed, which are run again" if states["failed"] else "",
        f"{states['queued']} to run" if states["queued"] else "",
    ]
    listed = ", ".join(filter(None, told))
    console.print(f"{len(jobs)} jobs: {listed}; in {folder}", soft_wrap=True, highlight=False)
    finished = [job.folder for job in jobs if job.state == "finished"]
    left = len(jobs) - len(finished)
    if finished and left:
        seconds = sum(load_result(one).seconds for one in finished) / len(finished)
        size = sum(_size(one) for one in finished) / len(finished)
        console.print(
            f"the others took {duration(seconds)} of training and {size / 1e6:.0f} MB each: about "
            f"{duration(seconds * left)} and {size * left / 1e6:.0f} MB for the {left} left, one "
            "after the other",
            soft_wrap=True, highlight=False,
        )  # fmt: skip


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _ledger(line: CommandLine, folder: Path, tracker: Tracker, tags: dict[str, str]) -> Ledger:
    """What the sweep knows of itself, with a tracked parent that is RUNNING."""
    ledger = read_ledger(folder) or Ledger(line=[])
    ledger.line = list(line.arguments)
    if ledger.uri == tracker.uri and ledger.parent:
        tracker.resume(ledger.parent)
        return ledger
    told = " ".join(line.swept or line.keys)
    name = f"{line.jobs[0].model.name}: {told}"[:200]
    ledger.parent = tracker.start(name, parent=None, params={}, tags=tags)
    ledger.uri = tracker.uri
    return ledger


def _warn_of_other_code(
    ledger: Ledger, jobs: Sequence[SweepJob], commit: str, console: Console
) -> None:
    finished = [job.hash for job in jobs if job.state == "finished"]
    if others := changed_code(ledger, finished, commit):
        console.print(
            f"{others} of the finished jobs were run by another version of the code; "
            "sweep.fresh=true runs all of them anew",
            soft_wrap=True, highlight=False,
        )  # fmt: skip


def _common(line: CommandLine, sweep: Sweep, open_all: bool, weights: dict[str, str]) -> list[str]:
    """The overrides that tell a job of its sweep."""
    return [
        f"outputs={quoted(str(sweep.outputs))}",
        f"sweep.parent={quoted(sweep.parent)}",
        f"sweep.swept=[{','.join(line.keys)}]",
        f"sweep.open_test={str(open_all).lower()}",
        *(f"++sweep.weights.{model}={source}" for model, source in weights.items()),
    ]
