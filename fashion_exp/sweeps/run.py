"""A multirun: planned and checked first, resumed where it was, concluded with one answer."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from fashion_exp.compose import CommandLine, quoted
from fashion_exp.errors import InputError
from fashion_exp.experiment import ending
from fashion_exp.job import DONE, SOME_FAILED, show_places
from fashion_exp.places import checkout, outputs_folder
from fashion_exp.reporting import tables
from fashion_exp.reporting.formats import counted
from fashion_exp.sweeps.conclusion import (
    AGAIN,
    MOST_ROWS,
    Conclusion,
    Sweep,
    conclude,
    failures,
    unfinished,
)
from fashion_exp.sweeps.drive import drive
from fashion_exp.sweeps.jobs import Planner, SweepJob, one_model, sweep_name, swept_knobs
from fashion_exp.sweeps.launchers import Launcher, make_launcher
from fashion_exp.sweeps.ledger import (
    BOARD,
    Ledger,
    changed_code,
    held,
    ledger_of,
    note_jobs,
    read_ledger,
    set_aside,
)
from fashion_exp.sweeps.live import LiveTable
from fashion_exp.sweeps.plan import decide_weights, tell_plan
from fashion_exp.sweeps.search import Trials, make_search
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
    before = None if cfg.sweep.fresh else read_ledger(folder)
    threads = _threads(before, launcher)
    planner = Planner(line, folder, outputs / "cache", weights, threads, launcher.device)
    if line.search is None:
        return _grid(planner, launcher, open_all, console)
    return _search(planner, launcher, before.study if before else "", open_all, console)


def _grid(planner: Planner, launcher: Launcher, open_all: bool, console: Console) -> int:
    asked = planner.line.jobs[0].sweep
    if asked.dry_run:
        # Of an earlier sweep that would be set aside, nothing counts.
        place = planner.sweep / "fresh" if asked.fresh else planner.sweep
        jobs = replace(planner, sweep=place).jobs()
        tell_plan(jobs, planner, console)
        for job in jobs:
            console.print(f"{job.state:9} {job.command}", soft_wrap=True, highlight=False)
        return DONE
    jobs = planner.jobs()

    def planned(_: Ledger) -> Sequence[SweepJob]:
        tell_plan(jobs, planner, console)
        return jobs

    with _begun(planner, planned, open_all, console) as sweep:
        waiting = [job for job in jobs if job.state != "finished"]
        if waiting:
            with launcher.pool(sweep.folder) as pool, LiveTable(len(waiting)) as table:
                drive(iter(waiting), lambda job: sweep.common, pool, launcher.retries, table)
        end = conclude(sweep, jobs, open_all)
    _show(end, jobs, sweep, "the same line runs these again", console)
    return SOME_FAILED if end.failed else DONE


def _search(
    planner: Planner, launcher: Launcher, study: str, open_all: bool, console: Console
) -> int:
    """The same for a search, whose jobs are asked for as others end; `study`: of earlier lines."""
    line = planner.line
    assert line.search is not None
    search = make_search(line.search)
    trials = Trials(search, planner)

    def tell(done: int) -> None:
        left = max(0, search.trials - done)
        told = f"{counted(search.trials, 'trial')}: {done} done before, {left} to run"
        console.print(f"{told}; in {planner.sweep}", soft_wrap=True, highlight=False)

    def planned(ledger: Ledger) -> Sequence[SweepJob]:
        jobs = trials.open(ledger.study)
        tell(trials.done(ledger.study))
        return jobs

    if line.jobs[0].sweep.dry_run:
        tell(trials.done(study))
        return DONE
    with _begun(planner, planned, open_all, console) as sweep:
        left = search.trials - trials.done(ledger_of(sweep.folder).study)
        if left > 0:
            with launcher.pool(sweep.folder) as pool, LiveTable(left) as table:
                drive(
                    _noted(trials.ask(left, table.known), sweep),
                    lambda job: (*sweep.common, *trials.words(job)), pool, launcher.retries, table,
                    trials.ended, search.at_once,
                )  # fmt: skip
        jobs = list(trials.jobs.values())
        note_jobs(sweep.folder, jobs)
        end = conclude(sweep, jobs, open_all)
    _show(end, jobs, sweep, "the same line asks for others in place of these", console)
    return SOME_FAILED if end.failed else DONE


def _noted(jobs: Iterator[SweepJob], sweep: Sweep) -> Iterator[SweepJob]:
    for job in jobs:
        note_jobs(sweep.folder, [job], sweep.commit)
        yield job


@contextmanager
def _begun(
    planner: Planner,
    planned: Callable[[Ledger], Sequence[SweepJob]],
    open_all: bool,
    console: Console,
) -> Iterator[Sweep]:
    """The sweep as this process's own, with a tracked parent that ends as the block does.

    `planned` gives the jobs that are known before the first runs; what it refuses leaves the parent
    as it was.
    """
    line, folder = planner.line, planner.sweep
    cfg, outputs = line.jobs[0], outputs_folder(line.jobs[0].outputs)
    tracker = open_tracker(cfg.tracking, outputs)
    with held(folder):
        if cfg.sweep.fresh and (aside := set_aside(folder)):
            console.print(f"set aside: {aside}", soft_wrap=True, highlight=False)
        code = provenance(checkout() or Path.cwd())
        ledger = read_ledger(folder) or Ledger([])
        ledger.study = ledger.study or f"{folder.name}-{secrets.token_hex(4)}"
        jobs = planned(ledger)
        _give_parent(ledger, line, folder, tracker, code)
        ledger.line = [*line.arguments, *["--open-test"] * open_all]
        ledger.threads = planner.threads
        ledger.write(folder)
        common = _common(planner, ledger.parent, tracker, outputs, open_all)
        commit = code.get("git_commit", "")
        sweep = Sweep(folder, ledger.parent, swept_knobs(line), outputs, tracker, common, commit)
        tracker.view(sweep.parent, sweep.swept)
        with ending(tracker, sweep.parent):
            _take_note(jobs, sweep, console)
            try:
                yield sweep
            except KeyboardInterrupt:
                print("\nstopped; the same line goes on", file=sys.stderr)
                raise


def _take_note(jobs: Sequence[SweepJob], sweep: Sweep, console: Console) -> None:
    """Keeps which jobs there are, and of what code; warns where those finished are of other."""
    finished = [job.hash for job in jobs if job.state == "finished"]
    if others := changed_code(ledger_of(sweep.folder), finished, sweep.commit):
        console.print(
            f"{others} of the finished jobs were run by another version of the code; "
            "sweep.fresh=true runs all of them anew",
            soft_wrap=True, highlight=False,
        )  # fmt: skip
    note_jobs(sweep.folder, jobs, sweep.commit)


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


def _give_parent(
    ledger: Ledger, line: CommandLine, folder: Path, tracker: Tracker, tags: dict[str, str]
) -> None:
    """The tracked parent, which is RUNNING then; where it was recorded elsewhere, another."""
    if (ledger.uri, ledger.experiment) != (tracker.uri, tracker.experiment_id):
        ledger.parent = ledger.begun_as = ""
    if ledger.begun_as and not ledger.parent:  # killed before it could keep the parent's id
        ledger.parent = tracker.begun_as(ledger.begun_as) or ""
    if ledger.parent:
        tracker.resume(ledger.parent)
        return
    ledger.uri, ledger.experiment = tracker.uri, tracker.experiment_id
    ledger.begun_as = secrets.token_hex(8)
    ledger.write(folder)
    name = " ".join([*one_model(line), *(line.swept or line.keys)])[:200]
    tags = tags | {"begun_as": ledger.begun_as}
    ledger.parent = tracker.start(name, parent=None, params={}, tags=tags)


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
