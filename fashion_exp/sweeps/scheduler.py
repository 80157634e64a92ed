"""The jobs of a sweep through a launcher: handed over, waited for, and tried again if lost."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

from fashion_exp.atomic_io import write_text
from fashion_exp.evaluation.results import load_result
from fashion_exp.experiment.job import FAILURE_FILE, PRUNED_FILE
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.launchers import Ended, Pool
from fashion_exp.sweeps.launchers.job_process import LOG
from fashion_exp.sweeps.progress import LiveTable


def drive(
    jobs: Iterator[SweepJob],
    common: Callable[[SweepJob], Sequence[str]],
    pool: Pool,
    retries: int,
    table: LiveTable,
    ended: Callable[[SweepJob], None] = lambda job: None,
    at_once: int | None = None,
) -> None:
    """Runs every job, with its `common` overrides after its own; tells each end to `ended`.

    Jobs are taken one by one, when there is room for `at_once` of them and in the launcher, so that
    what comes next may depend on how others ended. One that fails, or whose process dies, leaves
    the others alone; the latter is tried `retries` times more and goes on where it was. Only an
    interruption is raised.
    """
    again: deque[SweepJob] = deque()
    lost: Counter[str] = Counter()
    handed = 0
    room = min(pool.room, at_once or pool.room)
    more = True
    while True:
        raise_if_interrupted()
        while handed < room and (again or more):
            job = again.popleft() if again else next(jobs, None)
            if job is None:
                more = False
                break
            for told_before in (FAILURE_FILE, PRUNED_FILE):
                (job.folder / told_before).unlink(missing_ok=True)
            pool.submit(job, (*job.words, *common(job)))
            table.handed_over(job)
            handed += 1
        if not handed:
            return
        for end in pool.wait():
            handed -= 1
            if end.lost and lost[end.job.hash] < retries:
                lost[end.job.hash] += 1
                table.lost(end)
                again.append(end.job)
            else:
                _record(end)
                _check(end.job)
                table.ended(end.job)
                ended(end.job)


def _record(end: Ended) -> None:
    """Writes what a job failed of that could not say so itself."""
    if end.lost:
        _fail(end.job, "LostProcess", end.lost)
    elif end.job.state in ("begun", "queued"):
        _fail(end.job, "NoWord", f"it ended without a word; see {end.job.folder / LOG}")


def _check(job: SweepJob) -> None:
    """A result of other photos, weights or arithmetic than were planned is none of this job."""
    if job.state == "finished" and load_result(job.folder).facts["job_hash"] != job.hash:
        reason = "where it ran there were other photos or weights under the same names"
        _fail(job, "AnotherExperiment", reason)


def _fail(job: SweepJob, kind: str, reason: str) -> None:
    story = {"kind": kind, "reason": reason, "traceback": ""}
    write_text(job.folder / FAILURE_FILE, json.dumps(story, indent=1))
