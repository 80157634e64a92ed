"""The `slurm` launcher: jobs in Slurm's queue, which keep running when the sweep's process ends."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fashion_exp.atomic_io import read_json, write_text
from fashion_exp.configuration.schema import Count, Natural, Positive
from fashion_exp.errors import InputError
from fashion_exp.paths import PACKAGE, install_command
from fashion_exp.signals import install_handlers
from fashion_exp.sweeps.job_spec import JobSpec
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.launchers import UNLIMITED, Executor, JobEnd, NodeResources
from fashion_exp.sweeps.launchers.job_process import run_spec

SLURM_JOB_FILE = "slurm.json"
"""In a job's folder: its Slurm job id, so that a resumed sweep finds it in the queue."""

STOP_TIMEOUT = 60.0
"""Seconds to wait for canceled jobs to leave the queue."""
FILE_SYNC_TIMEOUT = 10.0
"""Seconds until files that a node wrote are visible here."""
POLL_INTERVAL = {"slurm": 2.0, "local": 0.2}
"""Seconds between two queries of the queue."""
QUERY_DELAYS = (0, 1, 2, 4, 8, 16)
"""Seconds before each attempt to query the queue. A restarting controller must not end a sweep."""


@dataclass(frozen=True)
class Slurm(NodeResources):
    cluster: Literal["slurm", "local"]
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
    def start(self, sweep: Path) -> Iterator[Executor]:
        executor = _SlurmExecutor(self._make_submitter(sweep / "slurm"), self.cluster)
        try:
            yield executor
        finally:
            executor.stop()

    def _make_submitter(self, logs: Path) -> Any:
        try:
            import submitit
        except ImportError:
            raise InputError(
                f"hydra/launcher=slurm: submitit is not installed; {install_command('slurm')}, or "
                "use hydra/launcher=processes"
            ) from None
        if self.cluster == "slurm" and shutil.which("sbatch") is None:
            raise InputError(
                "hydra/launcher=slurm: sbatch not found; run the sweep on a login node, or try it "
                "here with hydra.launcher.cluster=local"
            )
        logs.mkdir(parents=True, exist_ok=True)
        logs.chmod(0o700)  # its files of jobs have the complete config, passwords included
        submitter = submitit.AutoExecutor(logs, cluster=self.cluster)
        submitter.update_parameters(
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
        return submitter


@dataclass(frozen=True)
class _SlurmTask:
    """The function that a node runs. After a timeout or preemption it is queued again."""

    spec: JobSpec

    def __call__(self) -> int:
        install_handlers(signal.SIGTERM)
        return run_spec(self.spec)

    def checkpoint(self, *_: Any) -> Any:
        """Called by submitit before the node is taken away."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass
class _QueuedJob:
    job: SweepJob
    id: str
    """Slurm's."""
    left_queue_at: float | None = None


class _SlurmExecutor:
    capacity = UNLIMITED

    def __init__(self, submitter: Any, cluster: str) -> None:
        self._submitter = submitter
        self._cluster = cluster
        self._new: list[tuple[SweepJob, _SlurmTask]] = []
        self._queued: list[_QueuedJob] = []
        self._local: dict[str, Any] = {}
        """submitit's jobs without a queue, by id."""
        self._is_unreachable = False

    def submit(self, job: SweepJob, spec: JobSpec) -> None:
        job_id = _saved_id(job.folder)
        if job_id is not None and job_id in self._active_ids():
            self._queued.append(_QueuedJob(job, job_id))  # queued by an earlier process
        else:
            self._new.append((job, _SlurmTask(spec)))

    def wait(self) -> list[JobEnd]:
        self._submit_new()
        while True:
            active = self._active_ids()
            ends = [end for item in list(self._queued) if (end := self._end(item, active))]
            if ends:
                return ends
            time.sleep(POLL_INTERVAL[self._cluster])

    def _submit_new(self) -> None:
        """Submits all new jobs as one array."""
        if not self._new:
            return
        with _package_on_path(), _sbatch_errors(), self._submitter.batch():
            submitted = [self._submitter.submit(task) for _, task in self._new]
        for (job, _), handle in zip(self._new, submitted, strict=True):
            job_id = str(handle.job_id)
            self._queued.append(_QueuedJob(job, job_id))
            if self._cluster == "slurm":
                write_text(job.folder / SLURM_JOB_FILE, json.dumps({"number": job_id}))
            else:
                self._local[job_id] = handle
        self._new.clear()

    def _end(self, item: _QueuedJob, active: set[str]) -> JobEnd | None:
        """None while the job is queued or running, or its files may not be visible yet."""
        if item.id in active:
            item.left_queue_at = None
            return None
        has_outcome = item.job.state in ("finished", "failed", "pruned")
        item.left_queue_at = item.left_queue_at or time.monotonic()
        waited = time.monotonic() - item.left_queue_at
        if not (has_outcome or self._cluster == "local" or waited > FILE_SYNC_TIMEOUT):
            return None
        self._queued.remove(item)
        (item.job.folder / SLURM_JOB_FILE).unlink(missing_ok=True)
        crash = f"Slurm job {item.id} left the queue without a result (killed, out of memory?)"
        return JobEnd(item.job, "" if has_outcome else crash)

    def _active_ids(self) -> set[str]:
        """Ids of the jobs that are queued or running."""
        if self._cluster == "local":
            return {job_id for job_id, handle in self._local.items() if not handle.done()}
        try:
            return _query_queue()
        except _QueueError as error:
            self._is_unreachable = True
            raise InputError(
                f"squeue: {error}; the jobs keep running, and the same command resumes the sweep"
            ) from None

    def stop(self) -> None:
        """Cancels queued and running jobs and waits until they have left the queue."""
        ids = [item.id for item in self._queued]
        if not ids or self._is_unreachable:
            return
        if self._cluster == "local":
            for job_id in ids:
                self._local[job_id].cancel()
        else:
            subprocess.run(["scancel", *ids], check=False, capture_output=True)
        deadline = time.monotonic() + STOP_TIMEOUT
        while self._active_ids().intersection(ids) and time.monotonic() < deadline:
            time.sleep(POLL_INTERVAL[self._cluster])


def check_nothing_queued(sweep: Path) -> None:
    """Raises `InputError` if jobs of a sweep that is to be archived are in Slurm's queue."""
    ids = {_saved_id(file.parent) for file in sweep.glob(f"*/{SLURM_JOB_FILE}")}
    if not ids or not shutil.which("squeue"):
        return
    try:
        queued = sorted(_query_queue() & ids)
    except _QueueError as error:
        raise InputError(f"sweep.fresh: squeue: {error}; its jobs may be in the queue") from None
    if queued:
        raise InputError(
            f"sweep.fresh: jobs {', '.join(queued)} are in Slurm's queue; wait for them, or cancel "
            "them with scancel"
        )


class _QueueError(Exception):
    """squeue failed; the message is what it printed."""


def _query_queue() -> set[str]:
    """Ids of this user's jobs in the queue. Raises `_QueueError`."""
    command = ["squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", "%i"]
    for delay in QUERY_DELAYS:
        time.sleep(delay)
        answer = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if answer.returncode == 0:
            return set(answer.stdout.split())
    raise _QueueError(answer.stderr.strip())


def _saved_id(folder: Path) -> str | None:
    file = folder / SLURM_JOB_FILE
    return str(read_json(file)["number"]) if file.exists() else None


@contextmanager
def _sbatch_errors() -> Iterator[None]:
    """Turns sbatch's refusal of an array (unknown partition, …) into an `InputError`."""
    from submitit.core.utils import FailedJobError

    try:
        yield
    except FailedJobError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise InputError(
            f"hydra/launcher=slurm: {lines[-1] if lines else 'sbatch failed'}; fix this and run "
            "the same command to continue"
        ) from error


@contextmanager
def _package_on_path() -> Iterator[None]:
    """Lets jobs import this copy of the package, installed or not."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGE.parent), before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
