"""The launcher `inline`: one job after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.launchers import Ended, Pool
from fashion_exp.sweeps.launchers.job_process import run_words


@dataclass(frozen=True)
class Inline:
    retries = 0  # a process that dies takes the sweep with it; the same line goes on
    threads = None
    device = None

    @contextmanager
    def pool(self, sweep: Path) -> Iterator[Pool]:
        yield _Here()


class _Here:
    room = 1

    def __init__(self) -> None:
        self._waiting: list[tuple[SweepJob, tuple[str, ...]]] = []

    def submit(self, job: SweepJob, words: tuple[str, ...]) -> None:
        self._waiting.append((job, words))

    def wait(self) -> list[Ended]:
        job, words = self._waiting.pop()
        run_words(job.folder, words)
        return [Ended(job)]
