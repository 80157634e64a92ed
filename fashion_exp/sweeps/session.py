"""Opens a sweep: locks its folder, restores its state, and starts its tracked parent run."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from fashion_exp.configuration.composition import CommandLine
from fashion_exp.configuration.overrides import split_override
from fashion_exp.errors import redact_credentials
from fashion_exp.experiment.tracked_runs import end_on_error
from fashion_exp.paths import checkout_root, new_run_token, outputs_dir
from fashion_exp.sweeps.jobs import JobFactory, SweepJob, shared_model, swept_options
from fashion_exp.sweeps.state import SweepState, archive_sweep, lock_sweep, read_state, record_jobs
from fashion_exp.tracking import Tracker, open_tracker, provenance, source_tags
from fashion_exp.tracking.urls import redact_uri


@dataclass(frozen=True)
class SweepContext:
    """What the steps of a running sweep share."""

    folder: Path
    outputs: Path
    tracker: Tracker
    parent: str
    """Id of the tracked parent run."""
    swept: tuple[str, ...]
    """The options that distinguish the jobs."""
    job_options: dict[str, Any]
    """The fields of `SweepConfig` that the sweep sets for its jobs."""
    environment: dict[str, str]
    """Versions of the code and the libraries, and the machine."""
    line: CommandLine

    @property
    def commit(self) -> str:
        """Git commit of the code; empty if unknown."""
        return self.environment.get("git_commit", "")


@contextmanager
def open_sweep(
    factory: JobFactory,
    plan: Callable[[SweepState], Sequence[SweepJob]],
    evaluate_all: bool,
    console: Console,
) -> Iterator[SweepContext]:
    """Holds the sweep's lock and keeps its parent run RUNNING while the block runs.
    `summarize_sweep` ends it.

    `plan` returns the jobs that are known before the first one runs. If it raises, the parent run
    is not changed.
    """
    line, folder = factory.line, factory.folder
    cfg, outputs = line.jobs[0], outputs_dir(line.jobs[0].outputs)
    tracker = open_tracker(cfg.tracking, outputs)
    with lock_sweep(folder), end_on_error(tracker):
        if cfg.sweep.fresh:
            _archive_earlier_sweep(folder, console)
        environment = provenance(checkout_root() or Path.cwd())
        state = read_state(folder) or SweepState([])
        state.study = state.study or f"{folder.name}-{secrets.token_hex(4)}"
        jobs = plan(state)
        parent, store = state.parent, (state.uri, state.experiment)
        open_parent_run(state, line, folder, tracker, environment)
        if parent not in ("", state.parent) and store != (state.uri, state.experiment):
            message = "the sweep is now recorded in a new parent run; finished jobs stay in the old"
            console.print(message, soft_wrap=True)
        arguments = [redact_credentials(argument) for argument in line.arguments]
        state.line = [item for item in arguments if split_override(item)[0] != "sweep.fresh"]
        state.line += ["--evaluate-test"] * evaluate_all
        state.left = None
        state.threads = factory.threads
        state.write(folder)
        sweep = SweepContext(
            folder, outputs, tracker, state.parent, swept_options(line),
            _job_options(factory, state.parent, tracker, evaluate_all),
            environment, line,
        )  # fmt: skip
        tracker.set_runs_view(sweep.parent, sweep.swept)
        _warn_about_other_commits(jobs, state, sweep.commit, console)
        record_jobs(folder, jobs, sweep.commit)
        try:
            yield sweep
        except KeyboardInterrupt as error:
            error.add_note(f"stopped; {same_command(cfg.sweep.fresh)} resumes")
            raise


def open_parent_run(
    state: SweepState,
    line: CommandLine,
    folder: Path,
    tracker: Tracker,
    environment: dict[str, str],
) -> None:
    """Resumes the tracked parent run of the sweep, or starts one, and notes it in `state`.

    A sweep that is now recorded in another store or experiment, or that the store has lost, gets a
    new parent there.
    """
    if (redact_uri(state.uri), state.experiment) != (tracker.uri, tracker.experiment_id):
        moved = bool(state.begun_as and tracker.uri) and tracker.find_by_token(state.begun_as)
        state.uri, state.experiment = tracker.uri, tracker.experiment_id
        if not moved:
            state.parent = state.begun_as = ""
    if state.begun_as and not state.parent:  # killed before it could save the parent's id
        state.parent = tracker.find_by_token(state.begun_as) or ""
    if state.parent and tracker.resume(state.parent):
        return
    state.uri, state.experiment = tracker.uri, tracker.experiment_id
    state.begun_as = new_run_token(outputs_dir(line.jobs[0].outputs))
    state.write(folder)
    # MLflow's list shows the first 22 characters.
    name = " ".join([*(line.swept_overrides or line.swept_keys), *shared_model(line)])[:200]
    tags = {**source_tags(environment), "begun_as": state.begun_as}
    state.parent = tracker.start(name, parent=None, params={}, tags=tags)


def same_command(fresh: bool) -> str:
    return "the same command" + " without sweep.fresh=true" * fresh


def _archive_earlier_sweep(folder: Path, console: Console) -> None:
    from fashion_exp.sweeps.launchers.slurm import check_nothing_queued

    check_nothing_queued(folder)
    if archive := archive_sweep(folder):
        console.print(f"moved the earlier sweep to {archive}", soft_wrap=True)


def _job_options(
    factory: JobFactory, parent: str, tracker: Tracker, evaluate_all: bool
) -> dict[str, Any]:
    return {
        "parent": parent,
        "experiment": tracker.experiment_id,
        "swept": list(factory.line.swept_keys),
        "evaluate_test": evaluate_all,
        "weights": factory.weights,
    }


def _warn_about_other_commits(
    jobs: Sequence[SweepJob], state: SweepState, commit: str, console: Console
) -> None:
    finished = [job.hash for job in jobs if job.state == "finished"]
    if count := sum(state.code.get(job, commit) != commit for job in finished):
        console.print(
            f"{count} of the finished jobs ran with another version of the code; sweep.fresh=true "
            "runs all of them again",
            soft_wrap=True,
        )
