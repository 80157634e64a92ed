"""Runs jobs through a launcher: submits them, waits for them, retries crashed ones."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.signals import raise_if_interrupted

if TYPE_CHECKING:
    from fashion_exp.sweeps.job_spec import JobSpec
    from fashion_exp.sweeps.jobs import SweepJob
    from fashion_exp.sweeps.launchers import Executor, JobEnd
    from fashion_exp.sweeps.progress import ProgressTable


def run_jobs(
    jobs: Iterator[SweepJob],
    make_spec: Callable[[SweepJob], JobSpec],
    executor: Executor,
    retries: int,
    table: ProgressTable,
    on_end: Callable[[SweepJob], None] = lambda job: None,
    max_running: int | None = None,
) -> None:
    """Runs every job by its spec, and calls `on_end` for each.

    A job is taken from `jobs` only when there is capacity for it, so the next one may depend on how
    others ended. A failure or crash does not affect other jobs. A crashed job is retried up to
    `retries` times and resumes from its last epoch. Only interruptions are raised.
    """
    crashed: deque[SweepJob] = deque()
    crashes: Counter[str] = Counter()
    running = 0
    capacity = min(executor.capacity, max_running or executor.capacity)
    while True:
        raise_if_interrupted()
        while running < capacity:
            job = crashed.popleft() if crashed else next(jobs, None)
            if job is None:
                break
            RunDir(job.folder).clear_outcome()
            executor.submit(job, make_spec(job))
            table.job_submitted(job)
            running += 1
        if not running:
            return
        for end in executor.wait():
            running -= 1
            if end.crash and crashes[end.job.hash] < retries:
                crashes[end.job.hash] += 1
                table.job_crashed(end)
                crashed.append(end.job)
            else:
                _check_outcome(end)
                table.job_ended(end.job)
                on_end(end.job)


def _check_outcome(end: JobEnd) -> None:
    """Records a failure if the job left no outcome, or the outcome of another experiment."""
    job, run = end.job, RunDir(end.job.folder)
    if end.crash:
        run.save_failure("LostProcess", end.crash)
    elif job.state in ("started", "queued"):
        reason = f"the job ended without a result; see {run.console_file}"
        run.save_failure("NoResult", reason)
    elif job.state == "finished" and load_result(job.folder).facts["job_hash"] != job.hash:
        reason = "the node has different photos or weights under the same names"
        run.save_failure("FingerprintMismatch", reason)
