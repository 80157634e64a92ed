"""Where the jobs of a sweep run: here, in processes, on a Ray cluster, under Slurm.

`hydra/launcher` chooses, by the class that its YAML names as `_target_`; the other keys of the
YAML are the fields of that class. Each is imported only when it is chosen.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fashion_exp.configuration.schema import Count, NonNegative
from fashion_exp.errors import InputError, validate_fields
from fashion_exp.sweeps.jobs import SweepJob

LAUNCHERS = {
    f"fashion_exp.sweeps.launchers.{target}": name
    for name, target in {
        "inline": "inline.Inline",
        "processes": "processes.Processes",
        "ray": "ray_cluster.RayCluster",
        "slurm": "slurm.Slurm",
    }.items()
}
"""The choices of `hydra/launcher` by their `_target_`."""


@dataclass(frozen=True)
class Ended:
    """A job that no longer runs."""

    job: SweepJob
    lost: str = ""
    """Why what ran it is gone without a word; empty where the job's folder tells how it ended."""


class Pool(Protocol):
    """Room for jobs. What becomes of each stands in its folder."""

    room: int
    """Jobs that may be handed over and not have ended yet."""

    def submit(self, job: SweepJob, words: tuple[str, ...]) -> None:
        """Has the overrides `words` run in the job's folder, now or when there is a place."""
        ...

    def wait(self) -> list[Ended]:
        """Returns when at least one of the jobs handed over has ended."""
        ...


class Launcher(Protocol):
    """What `hydra/launcher` and its knobs came to."""

    retries: int
    """How often a job is run again whose process died without a word."""

    @property
    def threads(self) -> int | None:
        """CPU threads that a job may use; None: all."""
        ...

    @property
    def device(self) -> str | None:
        """Where its jobs compute, if that is not for this machine to say: "cuda"."""
        ...

    def pool(self, sweep: Path) -> AbstractContextManager[Pool]:
        """Left by an interruption, it stops what runs, and waits for that; queued jobs are let go.

        Raises `InputError` where there is no such place.
        """
        ...


class OnNodes:
    """What launchers share whose jobs ask for a part of another machine."""

    cpus: Count
    gpus: NonNegative

    @property
    def threads(self) -> int:
        return self.cpus

    @property
    def device(self) -> str | None:
        return "cuda" if self.gpus else None


def make_launcher(options: Mapping[str, Any]) -> Launcher:
    """The launcher of a composed `hydra.launcher`; raises `InputError` for options out of range."""
    told = dict(options)
    target = str(told.pop("_target_"))
    if target not in LAUNCHERS:
        raise InputError(
            f"hydra/launcher: {target} is none of this program's; {', '.join(LAUNCHERS.values())}"
        )
    module, _, name = target.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    made: Launcher = validate_fields(kind, told, "hydra.launcher.")
    return made
