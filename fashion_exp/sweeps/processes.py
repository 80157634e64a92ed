"""The launcher `processes`: each job a process of its own, several at once on this machine."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fashion_exp.compose import quoted
from fashion_exp.errors import InputError
from fashion_exp.files import write_text
from fashion_exp.job import FAILURE_FILE, MISTAKE
from fashion_exp.sweeps.jobs import SweepJob, job_threads
from fashion_exp.sweeps.live import LOG, LiveTable
from fashion_exp.training.device import cores

GRACE = 60.0
"""Seconds that a job has to stop when it is asked to."""


@dataclass(frozen=True)
class Slot:
    """A place for one job: a share of the cores, and a GPU for each of its processes."""

    gpus: tuple[int, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, self.gpus))} if self.gpus else {}


def check(options: Mapping[str, Any]) -> None:
    """Raises `InputError` for options out of range."""
    jobs, retries = options["jobs"], options["retries"]
    if jobs is not None and (not isinstance(jobs, int) or jobs < 1):
        raise InputError(f"hydra.launcher.jobs={jobs}: at least 1, or null for what fits")
    if not isinstance(retries, int) or retries < 0:
        raise InputError(f"hydra.launcher.retries={retries}: 0 or more")


def threads(options: Mapping[str, Any]) -> int:
    """The cores divided among the jobs that run at once."""
    return max(1, cores() // len(_slots(options)))


def run(jobs: Sequence[SweepJob], common: Sequence[str], options: Mapping[str, Any]) -> None:
    """Runs every job; one that fails, or whose process dies, leaves the others alone.

    A process that dies without a word (killed, out of memory) is tried `retries` times more and
    goes on where it was. An interruption stops the running jobs, waits for them, and is raised.
    """
    slots: queue.SimpleQueue[Slot] = queue.SimpleQueue()
    for slot in _slots(options, max(job.cfg.training.processes for job in jobs)):
        slots.put(slot)
    running: list[subprocess.Popen[bytes]] = []
    stopping = threading.Event()

    def one(job: SweepJob, slot: Slot, table: LiveTable) -> None:
        try:
            for attempt in range(1 + int(options["retries"])):
                table.started(job, attempt)
                process = _start(job, [*common, _threads_of(job, options)], slot)
                running.append(process)
                code = process.wait()
                running.remove(process)
                if stopping.is_set() or code >= 0:
                    break
            if not stopping.is_set():
                _record_death(job, code)
                table.ended(job)
        finally:
            slots.put(slot)

    with LiveTable(jobs) as table:
        workers = []
        try:
            for job in jobs:
                slot = _wait_for(slots)
                worker = threading.Thread(target=one, args=(job, slot, table), daemon=True)
                worker.start()
                workers.append(worker)
            for worker in workers:
                while worker.is_alive():
                    worker.join(0.2)
        except BaseException:
            stopping.set()
            _stop(running)
            raise


def _threads_of(job: SweepJob, options: Mapping[str, Any]) -> str:
    """What the job's identity says of its threads."""
    number = job.cfg.training.threads or job_threads(job.cfg, threads(options))
    return f"training.threads={number}"


def _wait_for(slots: queue.SimpleQueue[Slot]) -> Slot:
    while True:
        try:
            return slots.get(timeout=0.2)  # an endless wait would not hear Ctrl-C
        except queue.Empty:
            continue


def _slots(options: Mapping[str, Any], gpus_each: int = 1) -> list[Slot]:
    import torch

    present = torch.cuda.device_count()
    groups = [
        tuple(range(first, first + gpus_each))
        for first in range(0, present - gpus_each + 1, gpus_each)
    ]
    count = options["jobs"] or len(groups) or max(1, cores() // 2)
    return [Slot(groups[number % len(groups)] if groups else ()) for number in range(count)]


def _start(job: SweepJob, common: Sequence[str], slot: Slot) -> subprocess.Popen[bytes]:
    job.folder.mkdir(parents=True, exist_ok=True)
    place = f"hydra.run.dir={quoted(str(job.folder))}"
    overrides = [o for o in job.overrides if not o.startswith("hydra/launcher")]
    words = [*(o for o in overrides if not o.startswith("hydra.launcher")), *common, place]
    with open(job.folder / LOG, "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "fashion_exp.sweeps.child", *words],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, **slot.environment},
        )


def _record_death(job: SweepJob, code: int) -> None:
    """What a process that could not say so itself failed of."""
    if code == 0 or (job.folder / FAILURE_FILE).exists():
        return
    if code < 0:
        reason = f"its process was killed by {signal.Signals(-code).name}"
        reason += " (out of memory?)" if -code == signal.SIGKILL else ""
    else:
        reason = f"its process ended with {code}; see {job.folder / LOG}"
    kind = "Mistake" if code == MISTAKE else "LostProcess"
    story = {"kind": kind, "reason": reason, "traceback": ""}
    write_text(job.folder / FAILURE_FILE, json.dumps(story, indent=1))


def _stop(running: Sequence[subprocess.Popen[bytes]]) -> None:
    asked = list(running)
    for process in asked:
        process.terminate()
    end = time.monotonic() + GRACE
    for process in asked:
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
