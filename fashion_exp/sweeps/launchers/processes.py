"""The launcher `processes`: each job a process of its own, several at once on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from fashion_exp.configuration.schema import Count, Natural
from fashion_exp.experiment.job import DONE
from fashion_exp.signals import install_handlers
from fashion_exp.sweeps.job_state import job_state
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.launchers import Ended, Pool
from fashion_exp.training.device import cpu_count

GRACE = 60.0
"""Seconds that a job has to stop when it is asked to."""

LOADED_BEFORE = "fashion_exp.experiment.experiment", "fashion_exp.tracking.connection", __name__
"""What takes seconds to import is imported once, by the process that the jobs are forked from."""


@dataclass(frozen=True)
class Processes:
    jobs: Count | None
    retries: Natural
    device = None

    @property
    def threads(self) -> int:
        """The cores divided among the jobs that run at once."""
        return max(1, cpu_count() // len(self._slots()))

    @contextmanager
    def pool(self, sweep: Path) -> Iterator[Pool]:
        own = _Processes(self._slots())
        try:
            yield own
        finally:
            own.stop()

    def _slots(self) -> list[int | None]:
        """A place for each job: the number of its GPU, where there are any."""
        import torch

        gpus = torch.cuda.device_count()
        count = self.jobs or gpus or max(1, cpu_count() // 2)
        return [number % gpus if gpus else None for number in range(count)]


class _Running(NamedTuple):
    job: SweepJob
    process: BaseProcess
    slot: int | None
    lifeline: Connection


class _Processes:
    def __init__(self, slots: list[int | None]) -> None:
        self._slots = slots
        self.room = len(slots)
        self._running: dict[int, _Running] = {}
        self._context = _context()

    def submit(self, job: SweepJob, words: tuple[str, ...]) -> None:
        slot = self._slots.pop(0)
        theirs, ours = self._context.Pipe(duplex=False)
        gpus = None if slot is None else gpus_of(slot, job.cfg.training.processes)
        process = self._context.Process(target=_work, args=(job.folder, words, gpus, theirs))
        process.start()
        theirs.close()
        self._running[process.sentinel] = _Running(job, process, slot, ours)

    def wait(self) -> list[Ended]:
        told = []
        for sentinel in wait(list(self._running)):
            assert isinstance(sentinel, int)
            job, process, slot, lifeline = self._running.pop(sentinel)
            process.join()
            lifeline.close()
            self._slots.append(slot)
            told.append(Ended(job, _why_lost(job, process.exitcode)))
        return told

    def stop(self) -> None:
        """Asks what still runs to stop, and waits for it."""
        left = [one.process for one in self._running.values()]
        for process in left:
            process.terminate()
        end = time.monotonic() + GRACE
        for process in left:
            process.join(max(0.1, end - time.monotonic()))
            if process.is_alive():
                process.kill()
        self._running.clear()


def gpus_of(slot: int, processes: int) -> str:
    """A GPU for each process of a job, next to those of the slot before; round all that there are.

    With jobs=1 for every `processes` GPUs no two jobs share one.
    """
    import torch

    present = torch.cuda.device_count()
    first = slot * processes
    return ",".join(str((first + one) % present) for one in range(min(processes, present)))


def _context() -> Any:
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED_BEFORE))
    # Ctrl-C goes to it too, and while it imports it would end with a traceback. What it is started
    # with comes first: starting that gives the signal free again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _work(folder: Path, words: tuple[str, ...], gpus: str | None, lifeline: Connection) -> None:
    """The whole life of a job's process."""
    from fashion_exp.sweeps.launchers.job_process import run_words

    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the sweep's, which asks to stop
    _follow(lifeline)
    try:
        install_handlers(signal.SIGTERM)
        sys.exit(run_words(folder, words))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)


def _follow(lifeline: Connection) -> None:
    """Stops this process, as Ctrl-C does, once the sweep at the other end is gone."""

    def watch() -> None:
        try:
            lifeline.recv()
        except EOFError:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _why_lost(job: SweepJob, code: int | None) -> str:
    """Why a process that has ended left no word of it; empty where it did."""
    if code == DONE or job_state(job.folder) in ("finished", "failed"):
        return ""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"its process was killed by {name}" + (
            " (out of memory?)" if -code == signal.SIGKILL else ""
        )
    return f"its process ended with {code}"
