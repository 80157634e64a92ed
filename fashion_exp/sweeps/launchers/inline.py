"""The `inline` launcher: one job after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.sweeps.launchers import Executor, JobEnd
from fashion_exp.sweeps.launchers.job_process import run_spec

if TYPE_CHECKING:
    from fashion_exp.sweeps.job_spec import JobSpec
    from fashion_exp.sweeps.jobs import SweepJob


@dataclass(frozen=True)
class Inline:
    retries = 0  # a crash ends the sweep's process too; the same command resumes it
    threads = None
    device = None

    @contextmanager
    def start(self, sweep: Path) -> Iterator[Executor]:
        from fashion_exp.experiment.shared_setup import sharing_set_ups  # takes seconds

        with sharing_set_ups():
            yield _InlineExecutor()


class _InlineExecutor:
    capacity = 1

    def __init__(self) -> None:
        self._submitted: list[tuple[SweepJob, JobSpec]] = []

    def submit(self, job: SweepJob, spec: JobSpec) -> None:
        self._submitted.append((job, spec))

    def wait(self) -> list[JobEnd]:
        job, spec = self._submitted.pop()
        run_spec(spec)
        return [JobEnd(job)]
