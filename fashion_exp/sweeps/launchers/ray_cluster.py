"""The `ray` launcher: jobs as tasks of a Ray cluster. The code is sent to the nodes."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.configuration.schema import Count, Natural, NonNegative, Positive
from fashion_exp.errors import InputError
from fashion_exp.paths import PACKAGE, conf_dir, install_command
from fashion_exp.process import cpu_count
from fashion_exp.sweeps.launchers import UNLIMITED, Executor, JobEnd, NodeResources
from fashion_exp.sweeps.launchers.remote import DiskMarker, run_remote, unpack

if TYPE_CHECKING:
    from fashion_exp.sweeps.job_spec import JobSpec
    from fashion_exp.sweeps.jobs import SweepJob

CONNECT_TIMEOUT = 10.0
"""Seconds to wait for an answer of the cluster."""
STOP_TIMEOUT = 60.0
"""Seconds between asking a job to stop and killing it."""


@dataclass(frozen=True)
class RayCluster(NodeResources):
    address: str | None
    jobs: Count | None
    cpus: Count
    gpus: NonNegative
    memory_gb: Positive | None
    resources: dict[str, float]
    retries: Natural

    @contextmanager
    def start(self, sweep: Path) -> Iterator[Executor]:
        ray = import_ray("hydra/launcher=ray", "use hydra/launcher=processes")
        with tempfile.TemporaryDirectory() as code, DiskMarker.create(sweep) as marker:
            copy_code(Path(code))
            connect(ray, self.address, code, "hydra.launcher.address", "address=null")
            executor = _RayExecutor(ray, self._remote_function(ray), marker, self.jobs)
            try:
                yield executor
            finally:
                executor.stop()
                ray.shutdown()

    def _remote_function(self, ray: Any) -> Any:
        _check_resources(ray, self.cpus, self.gpus)
        return ray.remote(
            num_cpus=self.cpus,
            num_gpus=self.gpus,
            memory=None if self.memory_gb is None else int(self.memory_gb * 2**30),
            resources=dict(self.resources),
            max_retries=0,  # the scheduler retries, counts and reports crashes
        )(run_remote)


class _RayExecutor:
    def __init__(self, ray: Any, task: Any, marker: DiskMarker, jobs: int | None) -> None:
        self._ray, self._task, self._marker = ray, task, marker
        self.capacity = jobs or UNLIMITED
        self._running: dict[Any, SweepJob] = {}

    def submit(self, job: SweepJob, spec: JobSpec) -> None:
        self._running[self._task.remote(spec, self._marker)] = job

    def wait(self) -> list[JobEnd]:
        ended, _ = self._ray.wait(list(self._running))
        return [self._fetch(task) for task in ended]

    def _fetch(self, task: Any) -> JobEnd:
        job = self._running.pop(task)
        try:
            archive = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return JobEnd(job, f"its process or node was lost ({reason})")
        unpack(archive, job.folder)
        return JobEnd(job)

    def stop(self) -> None:
        """Cancels queued tasks, asks running ones to stop, and kills them after `STOP_TIMEOUT`."""
        tasks = list(self._running)
        for task in tasks:
            self._ray.cancel(task, force=False)
        if tasks:
            _, running = self._ray.wait(tasks, num_returns=len(tasks), timeout=STOP_TIMEOUT)
            for task in running:
                self._ray.cancel(task, force=True)
        self._running.clear()


def import_ray(option: str, alternative: str) -> Any:
    """Raises `InputError` that names the option that needs Ray, and what does without it."""
    # Ray sends usage statistics by default, and empties CUDA_VISIBLE_DEVICES for jobs without GPUs.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise InputError(
            f"{option}: Ray is not installed; {install_command('ray')}, or {alternative}"
        ) from None
    return ray


def copy_code(folder: Path) -> None:
    """Copies the package and its configs, in the layout of an installed package."""
    ignored = shutil.ignore_patterns("__pycache__", "conf")
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=ignored)
    shutil.copytree(conf_dir(), folder / PACKAGE.name / "conf")


def connect(ray: Any, address: str | None, code: str, option: str, local: str) -> None:
    """Joins the cluster at an address, or starts a local one.

    Raises `InputError` that names the option with the address, and what stands for a local cluster.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"address": address}
    if address is None:
        options = {"address": "local", "num_cpus": cpu_count(), "include_dashboard": False}
    try:
        _check_reachable(address)
        ray.init(
            **options, runtime_env={"working_dir": code}, log_to_driver=False,
            logging_level=logging.ERROR,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{option}={address}: cannot connect to a Ray cluster ({reason}); start "
            f"one with `ray start --head`, or use {local} for a local one"
        ) from None


def _check_reachable(address: str | None) -> None:
    """Raises `OSError` at once if nothing listens there; Ray would retry for minutes."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT).close()


def _check_resources(ray: Any, cpus: float, gpus: float) -> None:
    """Raises `InputError` if no node is large enough for a job, which would wait forever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    sizes = [(node.get("CPU", 0), node.get("GPU", 0)) for node in nodes]
    if not any(node_cpus >= cpus and node_gpus >= gpus for node_cpus, node_gpus in sizes):
        ray.shutdown()
        largest_cpus, largest_gpus = max(sizes)
        raise InputError(
            f"hydra.launcher.cpus={cpus:g}, gpus={gpus:g}: more than any node of the cluster has; "
            f"the largest has {largest_cpus:g} CPUs and {largest_gpus:g} GPUs"
        )
