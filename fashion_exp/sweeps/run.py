"""A multirun: planned and checked first, resumed where it was, concluded with one answer."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from fashion_exp.sweeps.conclusion import (
    AGAIN,
    BOARD,
    Conclusion,
    Sweep,
    conclude,
    failures,
    unfinished,
)
from fashion_exp.sweeps.drive import drive
from fashion_exp.sweeps.forecast import forecast
from fashion_exp.sweeps.jobs import Planner, SweepJob, one_model, sweep_name, swept_knobs
from fashion_exp.sweeps.launchers import Launcher, make_launcher
from fashion_exp.sweeps.ledger import (
    Ledger,
    changed_code,
    held,
    note_jobs,
    read_ledger,
    set_aside,
)
from fashion_exp.sweeps.live import LiveTable
from fashion_exp.sweeps.search import Search, Trials, make_search
from fashion_exp.tracking import Tracker, open_tracker, provenance
from fashion_exp.training.device import cores

MOST_ROWS = 40
"""Of more jobs, the terminal shows the best."""


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
    if line.search is not None:
        return _search(make_search(line.search), planner, launcher, open_all, console)
    jobs = planner.jobs()
    tell_plan(jobs, folder, console)
    if cfg.sweep.dry_run:
        for job in jobs:
            console.print(f"{job.state:9} {job.command}", soft_wrap=True, highlight=False)
        return DONE
    waiting = [job for job in jobs if job.state != "finished"]
    with _begun(planner, jobs, open_all, console) as sweep:
        if waiting:
            with launcher.pool(folder) as pool, LiveTable(len(waiting)) as table:
                drive(iter(waiting), lambda job: sweep.common, pool, launcher.retries, table)
        end = conclude(sweep, jobs, open_all)
    _show(end, jobs, sweep, "the same line runs these again", console)
    return SOME_FAILED if end.failed else DONE


def _search(
    search: Search, planner: Planner, launcher: Launcher, open_all: bool, console: Console
) -> int:
    """The same for a search: its jobs are asked for as others end."""
    trials = Trials(search, planner, planner.sweep)
    left = max(0, search.trials - trials.done)
    told = f"{search.trials} trials: {trials.done} done before, {left} to run; in {planner.sweep}"
    console.print(told, soft_wrap=True, highlight=False)
    if planner.line.jobs[0].sweep.dry_run:
        return DONE
    with _begun(planner, trials.before(), open_all, console) as sweep:
        if left:
            with launcher.pool(planner.sweep) as pool, LiveTable(left) as table:
                drive(
                    iter(trials), lambda job: (*sweep.common, *trials.words(job)), pool,
                    launcher.retries, table, trials.ended, search.at_once,
                )  # fmt: skip
        jobs = list(trials.jobs.values())
        note_jobs(planner.sweep, jobs)
        end = conclude(sweep, jobs, open_all)
    _show(end, jobs, sweep, "the same line asks for others in place of these", console)
    return SOME_FAILED if end.failed else DONE


@contextmanager
def _begun(
    planner: Planner, jobs: Sequence[SweepJob], open_all: bool, console: Console
) -> Iterator[Sweep]:
    """The sweep as this process's own, with a tracked parent that ends as the block does."""
    line, folder = planner.line, planner.sweep
    cfg, outputs = line.jobs[0], outputs_folder(line.jobs[0].outputs)
    with held(folder):
        tracker = open_tracker(cfg.tracking, outputs)
        code = provenance(checkout() or Path.cwd())
        commit = code.get("git_commit", "")
        ledger = _ledger(line, folder, tracker, code)
        ledger.threads = planner.threads
        _warn_of_other_code(ledger, jobs, commit, console)
        ledger.write(folder)
        note_jobs(folder, jobs, commit)
        common = _common(planner, ledger.parent, tracker, outputs, open_all)
        sweep = Sweep(folder, ledger.parent, swept_knobs(line), outputs, tracker, common)
        tracker.view(sweep.parent, sweep.swept)
        with ending(tracker, sweep.parent):
            try:
                yield sweep
            except KeyboardInterrupt:
                print("\nstopped; the same line goes on", file=sys.stderr)
                raise


def _threads(before: Ledger | None, launcher: Launcher) -> int:
    """A job's CPU threads: as the sweep began, so that any launcher goes on with its numbers."""
    return (before and before.threads) or launcher.threads or cores()


def _show(
    end: Conclusion, jobs: Sequence[SweepJob], sweep: Sweep, to_go_on: str, console: Console
) -> None:
    board = tables.head(end.board, MOST_ROWS, sweep.folder / BOARD)
    if all(job.state == "finished" for job in jobs):
        board = tables.only(board, [name for name in board.header if name != "status"])
    console.print(tables.rich_table(board))
    if end.winner is not None:
        told = f"{AGAIN}: {end.winner.command}"
        console.print(told, soft_wrap=True, highlight=False, markup=False)
    if end.failed:
        console.print(tables.rich_table(failures(jobs)))
        print(f"{to_go_on}; or one alone:")
        for job in unfinished(jobs):
            print(f"  {job.command}")
    if end.page is not None:
        console.print(f"page:    {end.page}", soft_wrap=True, highlight=False)
    address = sweep.tracker.view_address(sweep.parent)
    show_places(console, sweep.folder, address or f"scripts/run ui {sweep.folder.name}")


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
        f"{states['pruned']} pruned by a search, which go on" if states["pruned"] else "",
        f"{states['queued']} to run" if states["queued"] else "",
    ]
    listed = ", ".join(filter(None, told))
    console.print(f"{len(jobs)} jobs: {listed}; in {folder}", soft_wrap=True, highlight=False)
    left = [job for job in jobs if job.state != "finished"]
    if left:
        console.print(_in_words(left, folder.parents[1]), soft_wrap=True, highlight=False)


def _in_words(jobs: Sequence[SweepJob], outputs: Path) -> str:
    """What the jobs will take of time and disk."""
    found = forecast(jobs, outputs)
    told = []
    if found.seconds:
        told.append(
            f"by earlier runs of this kind about {duration(found.seconds)} of training, one after "
            f"the other, and {found.size / 1e6:,.0f} MB"
        )
    if found.unknown:
        told.append(f"nothing to estimate {', '.join(found.unknown)} by: no run of this kind yet")
    free = shutil.disk_usage(next(p for p in (outputs, *outputs.parents) if p.exists())).free
    if found.size > free:
        told.append(f"the disk has {free / 1e6:,.0f} MB left")
    return "; ".join(told)


def _ledger(line: CommandLine, folder: Path, tracker: Tracker, tags: dict[str, str]) -> Ledger:
    """What the sweep knows of itself, with a tracked parent that is RUNNING."""
    ledger = read_ledger(folder) or Ledger(line=[])
    ledger.line = list(line.arguments)
    if ledger.uri != tracker.uri:
        ledger.parent = ledger.begun_as = ""
    if ledger.begun_as and not ledger.parent:  # killed before it could keep the parent's id
        ledger.parent = tracker.begun_as(ledger.begun_as) or ""
    if ledger.parent:
        tracker.resume(ledger.parent)
        return ledger
    ledger.uri, ledger.begun_as = tracker.uri, secrets.token_hex(8)
    ledger.write(folder)
    name = " ".join([*one_model(line), *(line.swept or line.keys)])[:200]
    tags = tags | {"begun_as": ledger.begun_as}
    ledger.parent = tracker.start(name, parent=None, params={}, tags=tags)
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


def _common(
    planner: Planner, parent: str, tracker: Tracker, outputs: Path, open_all: bool
) -> tuple[str, ...]:
    """The overrides that tell a job of its sweep."""
    return (
        f"outputs={quoted(str(outputs))}",
        f"sweep.parent={quoted(parent)}",
        f"sweep.experiment={quoted(tracker.experiment_id)}",
        f"sweep.swept=[{','.join(planner.line.keys)}]",
        f"sweep.open_test={str(open_all).lower()}",
        *(f"++sweep.weights.{model}={source}" for model, source in planner.weights.items()),
    )
