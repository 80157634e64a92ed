"""Launchers run the jobs of a sweep: in this process, in processes, on Ray, or under Slurm.

`hydra/launcher` selects one. `_target_` in its YAML file names the class, the other keys are the
fields of that class. A launcher's module is imported only when it is selected.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fashion_exp.configuration.schema import Count, NonNegative
from fashion_exp.errors import InputError, validate_fields

if TYPE_CHECKING:
    from fashion_exp.sweeps.job_spec import JobSpec
    from fashion_exp.sweeps.jobs import SweepJob

LAUNCHERS = {
    "fashion_exp.sweeps.launchers.inline.Inline": "inline",
    "fashion_exp.sweeps.launchers.processes.Processes": "processes",
    "fashion_exp.sweeps.launchers.ray_cluster.RayCluster": "ray",
    "fashion_exp.sweeps.launchers.slurm.Slurm": "slurm",
}
"""The choices of `hydra/launcher` by their `_target_`."""

UNLIMITED = 10**6
"""Capacity of an executor that has its own queue."""


@dataclass(frozen=True)
class JobEnd:
    """A job that no longer runs."""

    job: SweepJob
    crash: str = ""
    """How its process died without recording an outcome; empty if the job's folder has one."""


class Executor(Protocol):
    """Runs jobs. The outcome of each is in its folder."""

    capacity: int
    """The number of jobs that may be submitted and not ended."""

    def submit(self, job: SweepJob, spec: JobSpec) -> None:
        """Runs the job in its folder, now or when resources are free."""
        ...

    def wait(self) -> list[JobEnd]:
        """Blocks until at least one submitted job has ended."""
        ...


class Launcher(Protocol):
    """The options of `hydra/launcher`."""

    retries: int
    """How often a crashed job is run again."""

    @property
    def threads(self) -> int | None:
        """CPU threads that a job may use; None: all."""
        ...

    @property
    def device(self) -> str | None:
        """The device of the nodes ("cuda"); None: choose from this machine's hardware."""
        ...

    def start(self, sweep: Path) -> AbstractContextManager[Executor]:
        """An executor for the sweep in this folder.

        When an interruption leaves the block, queued jobs are canceled, running ones are stopped
        and waited for. Raises `InputError` if the resources do not exist.
        """
        ...


class NodeResources:
    """Fields and properties of launchers whose jobs request a part of a node."""

    cpus: Count
    gpus: NonNegative

    @property
    def threads(self) -> int:
        return self.cpus

    @property
    def device(self) -> str | None:
        return "cuda" if self.gpus else None


def make_launcher(options: Mapping[str, Any]) -> Launcher:
    """The launcher of a composed `hydra.launcher`. Raises `InputError` for invalid options."""
    values = dict(options)
    target = str(values.pop("_target_"))
    if target not in LAUNCHERS:
        raise InputError(
            f"hydra/launcher: {target} is not a launcher of fashion_exp; choices: "
            f"{', '.join(LAUNCHERS.values())}"
        )
    module, _, name = target.rpartition(".")
    launcher_class = getattr(importlib.import_module(module), name)
    launcher: Launcher = validate_fields(launcher_class, values, "hydra.launcher.")
    return launcher
