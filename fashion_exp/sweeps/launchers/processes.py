"""The `processes` launcher: several jobs at once on this machine, each in its own process."""

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
from fashion_exp.errors import ExitCode, InputError
from fashion_exp.process import cpu_count
from fashion_exp.signals import install_handlers
from fashion_exp.sweeps.job_spec import JobSpec
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.launchers import Executor, JobEnd
from fashion_exp.sweeps.launchers.job_process import run_spec

STOP_TIMEOUT = 60.0
"""Seconds between asking a job to stop and killing it."""

PRELOADED_MODULES = "fashion_exp.experiment.experiment", "fashion_exp.tracking.connection", __name__
"""Imported once, by the server process that the jobs are forked from: they take seconds."""


@dataclass(frozen=True)
class Processes:
    jobs: Count | None
    retries: Natural
    device = None

    @property
    def threads(self) -> int:
        """The CPU cores divided among the jobs that run at once."""
        return max(1, cpu_count() // len(self._slots()))

    @contextmanager
    def start(self, sweep: Path) -> Iterator[Executor]:
        executor = _ProcessExecutor(self._slots())
        try:
            yield executor
        finally:
            executor.stop()

    def _slots(self) -> list[int | None]:
        """A GPU number for each job that runs at once; None without GPUs."""
        import torch

        gpus = torch.cuda.device_count()
        count = self.jobs or gpus or max(1, cpu_count() // 2)
        limit = max(16, 4 * cpu_count(), gpus)
        if count > limit:
            raise InputError(
                f"hydra.launcher.jobs={count}: more than {limit} at once, the limit on this machine"
            )
        return [number % gpus if gpus else None for number in range(count)]


class _RunningJob(NamedTuple):
    job: SweepJob
    process: BaseProcess
    slot: int | None
    sender: Connection


class _ProcessExecutor:
    def __init__(self, slots: list[int | None]) -> None:
        self._slots = slots
        self.capacity = len(slots)
        self._running: dict[int, _RunningJob] = {}
        self._context = _start_context()

    def submit(self, job: SweepJob, spec: JobSpec) -> None:
        slot = self._slots.pop(0)
        receiver, sender = self._context.Pipe(duplex=False)
        gpus = None if slot is None else visible_gpus(slot, job.cfg.training.processes)
        process = self._context.Process(target=_run_job, args=(spec, gpus, receiver))
        process.start()
        receiver.close()
        self._running[process.sentinel] = _RunningJob(job, process, slot, sender)

    def wait(self) -> list[JobEnd]:
        ends = []
        for sentinel in wait(list(self._running)):
            assert isinstance(sentinel, int)
            job, process, slot, sender = self._running.pop(sentinel)
            process.join()
            sender.close()
            self._slots.append(slot)
            ends.append(JobEnd(job, _crash_reason(job, process.exitcode)))
        return ends

    def stop(self) -> None:
        """Sends SIGTERM to running jobs and waits for them; kills them after `STOP_TIMEOUT`."""
        processes = [running.process for running in self._running.values()]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        for process in processes:
            process.join(max(0.1, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
        self._running.clear()


def visible_gpus(slot: int, processes: int) -> str:
    """CUDA_VISIBLE_DEVICES for the job in a slot: one GPU for each of its processes.

    Slots take consecutive GPUs and wrap around. Jobs do not share GPUs as long as
    `hydra.launcher.jobs` times `processes` is at most the number of GPUs.
    """
    import torch

    present = torch.cuda.device_count()
    first = slot * processes
    return ",".join(str((first + index) % present) for index in range(min(processes, present)))


def _start_context() -> Any:
    """The multiprocessing context, with its fork server running."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED_MODULES))
    # Ctrl-C reaches the fork server too and would end it with a traceback during its imports, so
    # SIGINT is blocked when it starts. The resource tracker must run before: starting it unblocks
    # the signal.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _run_job(spec: JobSpec, gpus: str | None, receiver: Connection) -> None:
    """The entry point of a job's process."""
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep handles Ctrl-C and stops its jobs
    _terminate_with_parent(receiver)
    try:
        install_handlers(signal.SIGTERM)
        sys.exit(run_spec(spec))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)


def _terminate_with_parent(receiver: Connection) -> None:
    """Sends SIGTERM to this process when the sweep's process is gone."""

    def watch() -> None:
        try:
            receiver.recv()
        except EOFError:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _crash_reason(job: SweepJob, exit_code: int | None) -> str:
    """How a process ended without recording an outcome; empty if it recorded one."""
    if exit_code == ExitCode.DONE or job.state in ("finished", "failed"):
        return ""
    if exit_code is None or exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    hint = " (out of memory?)" if -exit_code == signal.SIGKILL else ""
    return f"its process was killed by {signal.Signals(-exit_code).name}{hint}"
