"""The launcher `slurm`: jobs in Slurm's queue, which outlive the terminal of the sweep."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import read_json, write_text
from fashion_exp.configuration.schema import Count, Natural, Positive
from fashion_exp.errors import InputError
from fashion_exp.paths import PACKAGE, install_command
from fashion_exp.signals import install_handlers
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.launchers import Ended, OnNodes, Pool
from fashion_exp.sweeps.launchers.job_process import run_words

QUEUED_FILE = "slurm.json"
"""In a job's folder: its number in the queue, for the line that goes on with the sweep."""

GRACE = 60.0
"""Seconds that jobs have to stop when they are asked to."""
SETTLING = 10.0
"""Seconds until what a job wrote on its node is seen here."""
POLL = {"slurm": 2.0, "local": 0.2}
"""Seconds between two looks at the queue."""


class Cluster(Enum):
    slurm = "slurm"
    local = "local"


@dataclass(frozen=True)
class Slurm(OnNodes):
    cluster: Cluster
    jobs: Count | None
    cpus: Count
    gpus: Natural
    memory_gb: Positive | None
    hours: Positive
    partition: str | None
    options: dict[str, Any]
    setup: list[str]
    retries: Natural

    @contextmanager
    def pool(self, sweep: Path) -> Iterator[Pool]:
        own = _Queue(self._executor(sweep / "slurm"), self.cluster.value)
        try:
            yield own
        finally:
            own.stop()

    def _executor(self, logs: Path) -> Any:
        try:
            import submitit
        except ImportError:
            raise InputError(
                f"hydra/launcher=slurm: submitit is not installed; {install_command('slurm')}, or "
                "hydra/launcher=processes"
            ) from None
        if self.cluster is Cluster.slurm and shutil.which("sbatch") is None:
            raise InputError(
                "hydra/launcher=slurm: there is no sbatch on this machine; start the sweep on a "
                "login node, or try the line with hydra.launcher.cluster=local"
            )
        executor = submitit.AutoExecutor(logs, cluster=self.cluster.value)
        executor.update_parameters(
            name="fashion_exp",
            timeout_min=max(1, round(60 * self.hours)),
            cpus_per_task=self.cpus,
            gpus_per_node=self.gpus or None,
            mem_gb=self.memory_gb,
            slurm_partition=self.partition,
            slurm_setup=self.setup,
            slurm_additional_parameters=self.options,
            slurm_array_parallelism=self.jobs or 256,
        )
        return executor


@dataclass(frozen=True)
class _Work:
    """What a node does. Out of time or preempted, it is queued again and goes on."""

    folder: Path
    words: tuple[str, ...]

    def __call__(self) -> int:
        install_handlers(signal.SIGTERM)
        return run_words(self.folder, self.words)

    def checkpoint(self, *_: Any) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass
class _Queued:
    job: SweepJob
    number: str
    gone_since: float | None = None


@dataclass
class _Queue:
    executor: Any
    cluster: str
    room: int = 10**6  # how many run at once is the queue's to say
    _new: list[_Work] = field(default_factory=list)
    _jobs: dict[Path, SweepJob] = field(default_factory=dict)
    _queued: list[_Queued] = field(default_factory=list)
    _local: dict[str, Any] = field(default_factory=dict)
    _out_of_reach: bool = False

    def submit(self, job: SweepJob, words: tuple[str, ...]) -> None:
        number = _number(job.folder)
        if number is not None and number in self._alive():
            self._queued.append(_Queued(job, number))  # of a driver that is gone
            return
        self._jobs[job.folder] = job
        self._new.append(_Work(job.folder, words))

    def wait(self) -> list[Ended]:
        self._hand_over()
        while True:
            alive = self._alive()
            told = [end for one in list(self._queued) if (end := self._ended(one, alive))]
            if told:
                return told
            time.sleep(POLL[self.cluster])

    def _hand_over(self) -> None:
        """All that is new, as one array."""
        if not self._new:
            return
        with _importable(), _refusals(), self.executor.batch():
            made = [self.executor.submit(work) for work in self._new]
        for work, one in zip(self._new, made, strict=True):
            number = str(one.job_id)
            self._queued.append(_Queued(self._jobs.pop(work.folder), number))
            if self.cluster == "slurm":
                write_text(work.folder / QUEUED_FILE, json.dumps({"number": number}))
            else:
                self._local[number] = one
        self._new.clear()

    def _ended(self, one: _Queued, alive: set[str]) -> Ended | None:
        if one.number in alive:
            one.gone_since = None
            return None
        told = one.job.state in ("finished", "failed", "pruned")
        one.gone_since = one.gone_since or time.monotonic()
        settled = self.cluster == "local" or time.monotonic() - one.gone_since > SETTLING
        if not (told or settled):
            return None
        self._queued.remove(one)
        (one.job.folder / QUEUED_FILE).unlink(missing_ok=True)
        reason = f"job {one.number} left the queue without a word (killed, out of memory?)"
        return Ended(one.job, "" if told else reason)

    def _alive(self) -> set[str]:
        """Numbers of the jobs that wait or run."""
        if self.cluster == "local":
            return {number for number, one in self._local.items() if not one.done()}
        found = _in_queue()
        if isinstance(found, str):
            self._out_of_reach = True
            raise InputError(f"squeue: {found}; the jobs go on, and the same line too")
        return found

    def stop(self) -> None:
        """Takes what is queued out of the queue, asks what runs to stop, and waits for it."""
        if self._out_of_reach:
            return
        numbers = [one.number for one in self._queued]
        if not numbers:
            return
        if self.cluster == "local":
            for number in numbers:
                self._local[number].cancel()
        else:
            subprocess.run(["scancel", *numbers], check=False, capture_output=True)
        end = time.monotonic() + GRACE
        while set(numbers) & self._alive() and time.monotonic() < end:
            time.sleep(POLL[self.cluster])


def _number(folder: Path) -> str | None:
    file = folder / QUEUED_FILE
    return str(read_json(file)["number"]) if file.exists() else None


def refuse_queued(sweep: Path) -> None:
    """Raises `InputError` where jobs of a sweep that is to be set aside are in the queue."""
    numbers = {
        number for file in sweep.glob(f"*/{QUEUED_FILE}") if (number := _number(file.parent))
    }
    if numbers and shutil.which("squeue"):
        queued = _in_queue()
        if isinstance(queued, str):
            raise InputError(f"sweep.fresh: squeue: {queued}; its jobs may be in the queue")
        if left := sorted(numbers & queued):
            raise InputError(
                f"sweep.fresh: its jobs {', '.join(left)} are in Slurm's queue; scancel them, or "
                "wait for them"
            )


def _in_queue() -> set[str] | str:
    """Numbers of this user's jobs, or why the queue does not tell."""
    command = ["squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", "%i"]
    for attempt in range(5):  # a controller that restarts is no reason to give up a sweep
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            return set(asked.stdout.split())
        time.sleep(2**attempt)
    return asked.stderr.strip()


@contextmanager
def _refusals() -> Iterator[None]:
    """What Slurm says to an array that it does not take: no such partition, nobody there."""
    from submitit.core.utils import FailedJobError

    try:
        yield
    except FailedJobError as error:
        told = [line for line in str(error).splitlines() if line.strip()]
        raise InputError(
            f"hydra/launcher=slurm: {told[-1] if told else 'sbatch failed'}; mend that, and the "
            "same line goes on"
        ) from error


@contextmanager
def _importable() -> Iterator[None]:
    """Jobs import this very code, installed or not."""
    before = os.environ.get("PYTHONPATH")
    parts: Sequence[str] = [str(PACKAGE.parent), *([before] if before else [])]
    os.environ["PYTHONPATH"] = os.pathsep.join(parts)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
