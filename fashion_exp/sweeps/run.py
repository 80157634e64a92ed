"""Runs a sweep: plan the jobs, lock the folder, run what is unfinished, summarize."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from rich.console import Console

from fashion_exp.configuration.composition import CommandLine
from fashion_exp.configuration.machine import check_machine
from fashion_exp.errors import ExitCode, InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.worker import log_to_console, print_locations, ui_command
from fashion_exp.paths import outputs_dir
from fashion_exp.process import cpu_count
from fashion_exp.reporting import tables
from fashion_exp.reporting.console import plain_console
from fashion_exp.reporting.formats import pluralize
from fashion_exp.sweeps.jobs import JobFactory, SweepJob, sweep_name
from fashion_exp.sweeps.launchers import Launcher, NodeResources, make_launcher
from fashion_exp.sweeps.launchers.inline import Inline
from fashion_exp.sweeps.planning import print_plan, resolve_weights
from fashion_exp.sweeps.progress import ProgressTable
from fashion_exp.sweeps.scheduler import run_jobs
from fashion_exp.sweeps.search import SearchTrials, make_search
from fashion_exp.sweeps.session import SweepContext, open_sweep, same_command
from fashion_exp.sweeps.state import (
    LEADERBOARD_FILE,
    SweepState,
    load_state,
    read_state,
    record_jobs,
    record_remaining,
)
from fashion_exp.sweeps.summary import (
    MAX_ROWS_SHOWN,
    SweepSummary,
    failure_table,
    summarize_sweep,
    unfinished_jobs,
    winner_lines,
)


def run_sweep(line: CommandLine, evaluate_all: bool) -> int:
    """Runs the unfinished jobs of a sweep; returns the exit code. Can be killed and run again.

    Evaluates the test set for the winner by validation only, unless `evaluate_all`. Every
    evaluation is counted, and choosing the winner by the test would bias its test accuracy.
    """
    cfg, console = line.jobs[0], plain_console()
    if cfg.resume is not None:
        raise InputError("resume: for single runs only; the same command resumes a sweep")
    launcher = make_launcher(line.launcher)
    if not isinstance(launcher, NodeResources):  # the jobs run on this machine
        for job in line.jobs:
            check_machine(job)
    outputs = outputs_dir(cfg.outputs)
    folder = outputs / "sweeps" / sweep_name(line)
    weights = resolve_weights(line.jobs, console)
    earlier = None if cfg.sweep.fresh else read_state(folder)
    # The number of threads affects results, so a sweep keeps it when the launcher changes.
    threads = (earlier and earlier.threads) or launcher.threads or cpu_count()
    factory = JobFactory(
        line, folder, outputs / "cache", weights, threads, launcher.device,
        print_note=partial(console.print, soft_wrap=True),
    )  # fmt: skip
    if line.search is None:
        return _run_grid(factory, launcher, evaluate_all, console)
    return _run_search(factory, launcher, earlier.study if earlier else "", evaluate_all, console)


def _run_grid(factory: JobFactory, launcher: Launcher, evaluate_all: bool, console: Console) -> int:
    options = factory.line.jobs[0].sweep
    if options.dry_run:
        _print_grid(factory, console)
        return ExitCode.DONE
    jobs = factory.make_grid_jobs()

    def plan(_: SweepState) -> Sequence[SweepJob]:
        print_plan(jobs, factory.folder, factory.outputs, console)
        return jobs

    with open_sweep(factory, plan, evaluate_all, console) as sweep:
        pending = [job for job in jobs if job.state != "finished"]
        if pending:
            with launcher.start(sweep.folder) as executor:
                if isinstance(launcher, Inline):
                    _train_heads_together(sweep, pending, console)
                with ProgressTable(len(pending)) as table:
                    run_jobs(
                        iter(pending), lambda job: job.spec(sweep.outputs, sweep.job_options),
                        executor, launcher.retries, table,
                    )  # fmt: skip
        load_state(sweep.folder)  # before the files of the jobs are missed one by one
        with log_to_console(console):
            summary = summarize_sweep(sweep, jobs, evaluate_all)
        failed = unfinished_jobs(jobs)
        record_remaining(sweep.folder, len(failed))
    _print_summary(summary, jobs, summary.sweep, console)
    _print_failures(failed, f"{same_command(options.fresh)} runs them again", console)
    return ExitCode.SOME_FAILED if failed else ExitCode.DONE


def _train_heads_together(sweep: SweepContext, jobs: Sequence[SweepJob], console: Console) -> None:
    """Does the training of jobs that only train heads, all at once; the rest is left to the jobs.

    Jobs in processes of their own train their heads themselves, with the same numbers.
    """
    from fashion_exp.experiment.train_heads import train_heads  # takes seconds
    from fashion_exp.reporting.progress import Progress

    specs = [job.spec(sweep.outputs, sweep.job_options) for job in jobs]
    with Progress(console) as progress:
        train_heads([(spec.cfg, RunDir(spec.folder)) for spec in specs], progress)


def _print_grid(factory: JobFactory, console: Console) -> None:
    if factory.line.jobs[0].sweep.fresh:  # the earlier sweep would be archived: ignore its results
        factory = replace(factory, folder=factory.folder / "fresh")
    jobs = factory.make_grid_jobs()
    print_plan(jobs, factory.folder, factory.outputs, console)
    for job in jobs:
        console.print(f"{job.state:9} {job.command}", soft_wrap=True)


def _run_search(
    factory: JobFactory, launcher: Launcher, study: str, evaluate_all: bool, console: Console
) -> int:
    """`study` is the name of the Optuna study of earlier commands, or empty."""
    line = factory.line
    assert line.search is not None
    search = make_search(line.search)
    trials = SearchTrials(search, factory)

    def print_trials(completed: int) -> None:
        message = f"{pluralize(search.trials, 'trial')}: {completed} completed before, "
        message += f"{max(0, search.trials - completed)} to run"
        if trials.missing:
            message += f", {pluralize(len(trials.missing), 'job')} with missing files to run again"
        console.print(f"{message}; in {factory.folder}", soft_wrap=True)

    if line.jobs[0].sweep.dry_run:
        print_trials(trials.count_completed(study))
        return ExitCode.DONE

    def plan(state: SweepState) -> Sequence[SweepJob]:
        jobs = trials.open_study(state.study)
        print_trials(trials.count_completed(state.study))
        return jobs

    submitted: list[SweepJob] = []

    def record(jobs: Iterator[SweepJob]) -> Iterator[SweepJob]:
        for job in jobs:
            record_jobs(sweep.folder, [job], sweep.commit)
            submitted.append(job)
            yield job

    with open_sweep(factory, plan, evaluate_all, console) as sweep:
        study = load_state(sweep.folder).study
        remaining = max(0, search.trials - trials.count_completed(study))
        if total := remaining + len(trials.missing):
            with launcher.start(sweep.folder) as executor, ProgressTable(total) as table:
                run_jobs(
                    record(trials.ask(remaining, on_reuse=table.job_reused)),
                    lambda job: job.spec(
                        sweep.outputs, sweep.job_options | trials.job_options(job)
                    ),
                    executor, launcher.retries, table, trials.tell, search.at_once,
                )  # fmt: skip
        jobs = list(trials.jobs.values())
        record_jobs(sweep.folder, jobs)
        with log_to_console(console):
            summary = summarize_sweep(sweep, jobs, evaluate_all)
        record_remaining(sweep.folder, max(0, search.trials - trials.count_completed(study)))
    _print_summary(summary, jobs, summary.sweep, console)
    failed = unfinished_jobs(submitted)  # failures of earlier commands have been reported
    command = same_command(line.jobs[0].sweep.fresh)
    _print_failures(failed, f"{command} tries other points instead", console)
    for reason in dict.fromkeys(trials.invalid):
        console.print(f"skipped an invalid combination: {reason}", soft_wrap=True)
    return ExitCode.SOME_FAILED if failed or trials.invalid else ExitCode.DONE


def _print_summary(
    summary: SweepSummary, jobs: Sequence[SweepJob], sweep: SweepContext, console: Console
) -> None:
    board = tables.first_rows(summary.shown, MAX_ROWS_SHOWN, sweep.folder / LEADERBOARD_FILE)
    if all(job.state == "finished" for job in jobs):
        board = tables.select_columns(board, [name for name in board.header if name != "status"])
    console.print(board)
    if summary.winner is not None:
        for purpose, text in winner_lines(summary.winner, sweep.outputs).items():
            console.print(f"{purpose}: {text}", soft_wrap=True)
    if summary.page is not None:
        console.print(f"page:    {summary.page}", soft_wrap=True)
    address = sweep.tracker.runs_view_url(sweep.parent)
    address = address or ui_command(sweep.tracker, sweep.outputs, sweep.folder.name)
    print_locations(console, sweep.folder, address)


def _print_failures(failed: Sequence[SweepJob], remedy: str, console: Console) -> None:
    if failed:
        console.print(failure_table(failed))
        print(f"{remedy}; to run one job alone:")
        for job in failed:
            print(f"  {job.command}")
