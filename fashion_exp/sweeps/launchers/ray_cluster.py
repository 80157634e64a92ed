"""The launcher `ray`: jobs as tasks of a Ray cluster, which this program's code is sent to."""

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
from typing import Any

from fashion_exp.configuration.schema import Count, Natural, NonNegative, Positive
from fashion_exp.errors import InputError
from fashion_exp.paths import PACKAGE, conf_dir, install_command
from fashion_exp.sweeps.jobs import SweepJob
from fashion_exp.sweeps.launchers import Ended, OnNodes, Pool
from fashion_exp.sweeps.launchers.remote import Disk, run_away, unpack
from fashion_exp.training.device import cpu_count

PATIENCE = 10.0
"""Seconds that a cluster has to answer."""
GRACE = 60.0
"""Seconds that jobs have to stop when they are asked to."""


@dataclass(frozen=True)
class RayCluster(OnNodes):
    address: str | None
    jobs: Count | None
    cpus: Count
    gpus: NonNegative
    memory_gb: Positive | None
    resources: dict[str, float]
    retries: Natural

    @contextmanager
    def pool(self, sweep: Path) -> Iterator[Pool]:
        ray = _imported()
        with tempfile.TemporaryDirectory() as shipped, Disk.marked(sweep) as disk:
            _connect(ray, self.address, _code(Path(shipped)))
            own = _Tasks(ray, self._task(ray), disk, self.jobs)
            try:
                yield own
            finally:
                own.stop()
                ray.shutdown()

    def _task(self, ray: Any) -> Any:
        _check_room(ray, self.cpus, self.gpus)
        return ray.remote(
            num_cpus=self.cpus,
            num_gpus=self.gpus,
            memory=None if self.memory_gb is None else int(self.memory_gb * 2**30),
            resources=dict(self.resources),
            max_retries=0,  # whether to try again is the sweep's to say, which counts and tells it
        )(run_away)


class _Tasks:
    def __init__(self, ray: Any, task: Any, disk: Disk, room: int | None) -> None:
        self._ray, self._task, self._disk = ray, task, disk
        self.room = room or 10**6
        self._running: dict[Any, SweepJob] = {}

    def submit(self, job: SweepJob, words: tuple[str, ...]) -> None:
        self._running[self._task.remote(str(job.folder), words, self._disk)] = job

    def wait(self) -> list[Ended]:
        ended, _ = self._ray.wait(list(self._running))
        return [self._ended(one) for one in ended]

    def _ended(self, task: Any) -> Ended:
        job = self._running.pop(task)
        try:
            brought = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            said = type(error).__name__, " ".join(str(error).split())[:200]
            return Ended(job, f"its process or node got lost ({': '.join(said)})")
        unpack(brought, job.folder)
        return Ended(job)

    def stop(self) -> None:
        """Lets go of what is queued, asks what runs to stop, and waits for it."""
        left = list(self._running)
        for task in left:
            self._ray.cancel(task, force=False)
        if left:
            _, deaf = self._ray.wait(left, num_returns=len(left), timeout=GRACE)
            for task in deaf:
                self._ray.cancel(task, force=True)
        self._running.clear()


def _imported() -> Any:
    # It asks for the internet otherwise, and empties CUDA_VISIBLE_DEVICES for jobs without a GPU.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise InputError(
            f"hydra/launcher=ray: Ray is not installed; {install_command('ray')}, or "
            "hydra/launcher=processes"
        ) from None
    return ray


def _code(folder: Path) -> Path:
    """This program's code and configs, as a checkout has them, and nothing else."""
    unwanted = shutil.ignore_patterns("__pycache__", "conf")
    shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=unwanted)
    shutil.copytree(conf_dir(), folder / PACKAGE.name / "conf")
    return folder


def _connect(ray: Any, address: str | None, code: Path) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    environment = {"working_dir": str(code)}
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        _knock(address)
        if address is None:
            ray.init(
                address="local", num_cpus=cpu_count(), include_dashboard=False,
                runtime_env=environment, **quiet,
            )  # fmt: skip
        else:
            ray.init(address=address, runtime_env=environment, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"hydra.launcher.address={address}: no Ray cluster can be joined there ({reason}); "
            "`ray start --head` makes one, address=null a local one"
        ) from None


def _knock(address: str | None) -> None:
    """Raises `OSError` at once where nobody listens; Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()


def _check_room(ray: Any, cpus: float, gpus: float) -> None:
    """Raises `InputError` where no node could ever take a job: it would wait forever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(n.get("CPU", 0) >= cpus and n.get("GPU", 0) >= gpus for n in nodes):
        largest = max((n.get("CPU", 0), n.get("GPU", 0)) for n in nodes)
        ray.shutdown()
        raise InputError(
            f"hydra.launcher.cpus={cpus:g}, gpus={gpus:g}: no node of the cluster has as many; "
            f"the largest has {largest[0]:g} and {largest[1]:g}"
        )
