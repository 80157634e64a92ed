"""Records a sweep in the tracking store again, as far as the store has lost or missed it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import read_json
from fashion_exp.errors import InputError
from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.record_again import record_again
from fashion_exp.experiment.tracked_runs import missed_by_store
from fashion_exp.reporting.formats import pluralize
from fashion_exp.sweeps.session import open_parent_run
from fashion_exp.sweeps.state import load_state
from fashion_exp.tracking import open_tracker
from fashion_exp.tracking.urls import redact_uri

if TYPE_CHECKING:
    from fashion_exp.sweeps.jobs import SweepJob
    from fashion_exp.sweeps.session import SweepContext

log = logging.getLogger(__name__)


def record_lost(sweep: SweepContext, jobs: Sequence[SweepJob]) -> SweepContext:
    """Records the parent run and the finished jobs again, if the store does not have them.

    Returns the sweep with its present tracker and parent run. A store that cannot be used is
    reported; the sweep continues without it.
    """
    if not sweep.tracker.uri:
        return sweep
    is_lost = not sweep.tracker.exists(sweep.parent)
    if is_lost or sweep.tracker.failure:
        try:
            sweep = _with_new_tracker(sweep)
        except InputError as error:
            log.warning("tracking: %s", error)
            return sweep
    children = sweep.tracker.children(sweep.parent, "job_hash")
    count = 0
    for job in jobs:
        if job.state == "finished" and not sweep.tracker.failure:
            count += _record_job(sweep, job, children.get(job.hash, ""))
    if count:
        log.warning(
            "tracking: %s recorded again from the files: the store did not have %s",
            pluralize(count, "finished job"),
            "it" if count == 1 else "them",
        )
    return sweep


def report_failure(sweep: SweepContext) -> None:
    """Says what the store has missed, if anything."""
    if sweep.tracker.failure:
        log.warning(
            "tracking: not everything is recorded (%s); the results are complete, and the same "
            "command records the rest later",
            sweep.tracker.failure,
        )


def _with_new_tracker(sweep: SweepContext) -> SweepContext:
    tracker = open_tracker(sweep.line.jobs[0].tracking, sweep.outputs)
    state = load_state(sweep.folder)
    open_parent_run(state, sweep.line, sweep.folder, tracker, sweep.environment)
    state.write(sweep.folder)
    tracker.set_runs_view(state.parent, sweep.swept)
    return replace(sweep, tracker=tracker, parent=state.parent)


def _record_job(sweep: SweepContext, job: SweepJob, tracked: str) -> bool:
    """Whether the job had to be recorded again; `tracked` is its run below the parent, or ""."""
    run, result = RunDir(job.folder), load_result(job.folder)
    is_missed = bool(missed_by_store(run))
    if tracked == result.run and not is_missed:
        return False
    saved = read_json(run.tracked_file) if run.tracked_file.exists() else {}
    if redact_uri(saved.get("uri", "")) != sweep.tracker.uri and not is_missed:
        return False  # it was recorded in another store
    if not is_missed and sweep.tracker.exists(result.run):
        if run.options().get("sweep.experiment") == sweep.tracker.experiment_id:
            sweep.tracker.set_parent(result.run, sweep.parent)
        return False
    record_again(run, sweep.tracker, sweep.outputs, sweep.parent)
    return True
