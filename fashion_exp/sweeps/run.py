"""A multirun: planned and checked first, resumed where it was, concluded with one answer."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from fashion_exp.configuration.composition import CommandLine
from fashion_exp.configuration.overrides import quote_value
from fashion_exp.errors import InputError
from fashion_exp.experiment.experiment import ending
from fashion_exp.experiment.job import DONE, SOME_FAILED, how_to_look, show_places
from fashion_exp.paths import checkout_root, new_run_token, outputs_dir
from fashion_exp.reporting import tables
from fashion_exp.reporting.formats import counted
from fashion_exp.sweeps.jobs import Planner, SweepJob, one_model, sweep_name, swept_knobs
from fashion_exp.sweeps.launchers import Launcher, make_launcher
from fashion_exp.sweeps.planning import decide_weights, tell_plan
from fashion_exp.sweeps.progress import LiveTable
from fashion_exp.sweeps.scheduler import drive
from fashion_exp.sweeps.search import Trials, make_search
from fashion_exp.sweeps.state import (
    BOARD,
    Ledger,
    changed_code,
    held,
    ledger_of,
    note_jobs,
    note_left,
    read_ledger,
    set_aside,
)
from fashion_exp.sweeps.summary import (
    AGAIN,
    MOST_ROWS,
    Conclusion,
    Sweep,
    conclude,
    failures,
    unfinished,
)
from fashion_exp.tracking import Tracker, open_tracker, provenance
from fashion_exp.training.device import cpu_count


def run_sweep(line: CommandLine, open_all: bool) -> int:
    """Runs the jobs that are not finished yet; gives the exit code.

    The test is opened for the winner by validation only, unless `open_all`: what chose the winner
    may not judge the others, and each look at the test is counted. Killed anywhere, the same line
    goes on.
    """
    cfg, console = line.jobs[0], Console(markup=False, highlight=False)
    if cfg.resume is not None:
        raise InputError("resume: acts in single runs; a sweep goes on by the same line")
    launcher = make_launcher(line.launcher)
    outputs = outputs_dir(cfg.outputs)
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
            console.print(f"{job.state:9} {job.command}", soft_wrap=True)
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
        failed = unfinished(jobs)
        note_left(sweep.folder, len(failed))
    _show(end, jobs, sweep, console)
    _show_failures(failed, f"{_same_line(asked.fresh)} runs these again", console)
    return SOME_FAILED if failed else DONE


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
        lost = f", {counted(len(trials.lost), 'job')} whose files are gone" if trials.lost else ""
        console.print(f"{told}{lost}; in {planner.sweep}", soft_wrap=True)

    def planned(ledger: Ledger) -> Sequence[SweepJob]:
        jobs = trials.open(ledger.study)
        tell(trials.done(ledger.study))
        return jobs

    if line.jobs[0].sweep.dry_run:
        tell(trials.done(study))
        return DONE
    handed_over: list[SweepJob] = []

    def noted(jobs: Iterator[SweepJob]) -> Iterator[SweepJob]:
        for job in jobs:
            note_jobs(sweep.folder, [job], sweep.commit)
            handed_over.append(job)
            yield job

    with _begun(planner, planned, open_all, console) as sweep:
        study = ledger_of(sweep.folder).study
        left = max(0, search.trials - trials.done(study))
        if total := left + len(trials.lost):
            with launcher.pool(sweep.folder) as pool, LiveTable(total) as table:
                drive(
                    noted(trials.ask(left, table.known)),
                    lambda job: (*sweep.common, *trials.words(job)), pool, launcher.retries, table,
                    trials.ended, search.at_once,
                )  # fmt: skip
        jobs = list(trials.jobs.values())
        note_jobs(sweep.folder, jobs)
        end = conclude(sweep, jobs, open_all)
        note_left(sweep.folder, max(0, search.trials - trials.done(study)))
    _show(end, jobs, sweep, console)
    failed = unfinished(handed_over)  # those of earlier lines have been told
    same = _same_line(line.jobs[0].sweep.fresh)
    _show_failures(failed, f"{same} asks for others in place of these", console)
    for reason in dict.fromkeys(trials.refused):
        console.print(f"asked for, and no job: {reason}", soft_wrap=True)
    return SOME_FAILED if failed or trials.refused else DONE


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
    cfg, outputs = line.jobs[0], outputs_dir(line.jobs[0].outputs)
    tracker = open_tracker(cfg.tracking, outputs)
    with held(folder):
        if cfg.sweep.fresh:
            from fashion_exp.sweeps.launchers.slurm import refuse_queued

            refuse_queued(folder)
            if aside := set_aside(folder):
                console.print(f"set aside: {aside}", soft_wrap=True)
        code = provenance(checkout_root() or Path.cwd())
        ledger = read_ledger(folder) or Ledger([])
        ledger.study = ledger.study or f"{folder.name}-{secrets.token_hex(4)}"
        jobs = planned(ledger)
        before = ledger.parent
        _give_parent(ledger, line, folder, tracker, code)
        if before not in ("", ledger.parent):
            told = (
                "from now on the sweep is recorded as another; what is finished stays where it is"
            )
            console.print(told, soft_wrap=True)
        ledger.line = [word for word in line.arguments if not _starts_over(word)]
        ledger.line += ["--open-test"] * open_all
        ledger.left = None
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
                print(f"\nstopped; {_same_line(cfg.sweep.fresh)} goes on", file=sys.stderr)
                raise


def _take_note(jobs: Sequence[SweepJob], sweep: Sweep, console: Console) -> None:
    """Keeps which jobs there are, and of what code; warns where those finished are of other."""
    finished = [job.hash for job in jobs if job.state == "finished"]
    if others := changed_code(ledger_of(sweep.folder), finished, sweep.commit):
        console.print(
            f"{others} of the finished jobs were run by another version of the code; "
            "sweep.fresh=true runs all of them anew",
            soft_wrap=True,
        )  # fmt: skip
    note_jobs(sweep.folder, jobs, sweep.commit)


def _threads(before: Ledger | None, launcher: Launcher) -> int:
    """A job's CPU threads: as the sweep began, so that any launcher goes on with its numbers."""
    return (before and before.threads) or launcher.threads or cpu_count()


def _starts_over(word: str) -> bool:
    return word.lstrip("+").startswith("sweep.fresh=")


def _same_line(fresh: bool) -> str:
    return "the same line" + " without sweep.fresh=true" * fresh


def _show(end: Conclusion, jobs: Sequence[SweepJob], sweep: Sweep, console: Console) -> None:
    board = tables.head(end.board, MOST_ROWS, sweep.folder / BOARD)
    if all(job.state == "finished" for job in jobs):
        board = tables.only(board, [name for name in board.header if name != "status"])
    console.print(tables.rich_table(board))
    if end.winner is not None:
        told = f"{AGAIN}: {end.winner.command}"
        console.print(told, soft_wrap=True)
    if end.page is not None:
        console.print(f"page:    {end.page}", soft_wrap=True)
    address = sweep.tracker.view_address(sweep.parent)
    show_places(
        console,
        sweep.folder,
        address or how_to_look(sweep.tracker, sweep.outputs, sweep.folder.name),
    )


def _show_failures(failed: Sequence[SweepJob], to_go_on: str, console: Console) -> None:
    if failed:
        console.print(tables.rich_table(failures(failed)))
        print(f"{to_go_on}; or one alone:")
        for job in failed:
            print(f"  {job.command}")


def _give_parent(
    ledger: Ledger, line: CommandLine, folder: Path, tracker: Tracker, tags: dict[str, str]
) -> None:
    """The tracked parent, which is RUNNING then; where it was recorded elsewhere, another."""
    if (ledger.uri, ledger.experiment) != (tracker.uri, tracker.experiment_id):
        ledger.parent = ledger.begun_as = ""
    if ledger.begun_as and not ledger.parent:  # killed before it could keep the parent's id
        ledger.parent = tracker.begun_as(ledger.begun_as) or ""
    if ledger.parent:
        with suppress(InputError):  # it was deleted there
            tracker.resume(ledger.parent)
            return
    ledger.uri, ledger.experiment = tracker.uri, tracker.experiment_id
    ledger.begun_as = new_run_token(outputs_dir(line.jobs[0].outputs))
    ledger.write(folder)
    name = " ".join([*one_model(line), *(line.swept or line.keys)])[:200]
    tags = tags | {"begun_as": ledger.begun_as}
    ledger.parent = tracker.start(name, parent=None, params={}, tags=tags)


def _common(
    planner: Planner, parent: str, tracker: Tracker, outputs: Path, open_all: bool
) -> tuple[str, ...]:
    """The overrides that tell a job of its sweep."""
    return (
        f"outputs={quote_value(str(outputs))}",
        f"sweep.parent={quote_value(parent)}",
        f"sweep.experiment={quote_value(tracker.experiment_id)}",
        f"sweep.swept=[{','.join(planner.line.keys)}]",
        f"sweep.open_test={str(open_all).lower()}",
        *_weights_word(planner.weights),
    )


def _weights_word(weights: Mapping[str, str]) -> Iterator[str]:
    """The override that tells them, in Hydra's grammar, which has no quotes for keys."""
    if weights:
        escaped = (re.sub(r"([^\w/.-])", r"\\\1", model) for model in weights)
        pairs = zip(escaped, weights.values(), strict=True)
        yield f"++sweep.weights={{{','.join(f'{model}:{source}' for model, source in pairs)}}}"
