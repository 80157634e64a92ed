"""The jobs of a sweep: which there are, and how far each has come."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fashion_exp.compose import CommandLine
from fashion_exp.config import CANNOT_CHANGE_A_RESULT, Config, knobs, plain
from fashion_exp.data.sources import load_images
from fashion_exp.errors import InputError
from fashion_exp.identity import job_identity, short_hash
from fashion_exp.job import FAILURE_FILE
from fashion_exp.models.weights import find_weights
from fashion_exp.study.members import NOT_TYPED, command
from fashion_exp.training.device import Compute, choose_compute, share_of_cores

State = Literal["finished", "failed", "begun", "queued"]


@dataclass(frozen=True)
class SweepJob:
    """One cell of the grid, in a folder that its identity names."""

    cfg: Config
    overrides: tuple[str, ...]
    """What was typed, the values of this cell in it."""
    folder: Path
    cell: str
    """The swept values alone, for people."""

    @property
    def hash(self) -> str:
        return self.folder.name

    @property
    def state(self) -> State:
        return job_state(self.folder)

    @property
    def command(self) -> str:
        """The line that runs this cell alone."""
        return command([o for o in self.overrides if not o.lstrip("+").startswith(NOT_TYPED)])


def job_state(folder: Path) -> State:
    """How far a job has come, by the files that it leaves."""
    if (folder / FAILURE_FILE).exists():
        return "failed"
    if (folder / "unfinished").exists():
        return "begun"
    return "finished" if (folder / "result.json").exists() else "queued"


def failure(folder: Path) -> str:
    """Why a job failed, in a line."""
    told = json.loads((folder / FAILURE_FILE).read_text())
    return " ".join(f"{told['kind']}: {told['reason']}".split())


def sweep_name(line: CommandLine) -> str:
    """The folder of a sweep: by what is swept and what is fixed, not by the values swept.

    So a wider grid is the same sweep, and `sweep.name` gives it a name of its own.
    """
    cfg = line.jobs[0]
    if cfg.sweep.name is not None:
        if not re.fullmatch(r"[\w.-]+", cfg.sweep.name):
            raise InputError(f"sweep.name={cfg.sweep.name}: letters, digits, '.', '_' and '-' only")
        return cfg.sweep.name
    swept = sorted(key.partition("=")[0] for key in line.swept)
    fixed = sorted(o for o in line.fixed if _matters(o))
    words = [cfg.model.name, *(key.rpartition(".")[2] for key in swept)]
    return f"{'-'.join(words)[:80]}-{short_hash([swept, fixed])[:6]}"


def _matters(override: str) -> bool:
    key = override.lstrip("+").partition("=")[0]
    return key not in CANNOT_CHANGE_A_RESULT and not key.startswith("hydra")


def plan_jobs(
    line: CommandLine, sweep: Path, cache: Path, weights: Mapping[str, str], threads: int | None
) -> list[SweepJob]:
    """The jobs of the grid, each with its identity; loads no photo twice.

    `weights` has what `model.weights=auto` came to by model, `threads` what the launcher leaves a
    job. Raises `InputError` where the data cannot be had, or two cells are the same experiment.
    """
    data, loaded = _once(_fingerprint(cache)), _once(_weights(weights))
    jobs: dict[str, SweepJob] = {}
    for cfg, overrides in zip(line.jobs, line.lines, strict=True):
        compute = _compute(cfg, threads)
        identity = job_identity(cfg, data(cfg), loaded(cfg), compute)
        swept = [override.lstrip("+") for override in overrides[len(line.fixed) :]]
        job = SweepJob(cfg, overrides, sweep / identity, " ".join(swept))
        if identity in jobs:
            raise InputError(
                f"{job.cell}: the same experiment as {jobs[identity].cell}; leave one of them out"
            )
        jobs[identity] = job
    return list(jobs.values())


def job_threads(cfg: Config, cores_of_job: int | None) -> int:
    """CPU threads for each process of a job, of the cores that its launcher leaves it."""
    if cores_of_job is None:
        return share_of_cores(cfg.training.processes)
    return max(1, cores_of_job // cfg.training.processes)


def _compute(cfg: Config, threads: int | None) -> Compute:
    training = cfg.training
    try:
        return choose_compute(
            training.device, training.precision.value, training.threads or job_threads(cfg, threads)
        )
    except ValueError as error:
        raise InputError(f"training.device={error}") from None


def _fingerprint(cache: Path) -> tuple[Callable[[Config], Any], Callable[[Config], str]]:
    return (
        lambda cfg: plain(cfg)["dataset"],
        lambda cfg: load_images(cfg.dataset, cache).fingerprint,
    )


def _weights(decided: Mapping[str, str]) -> tuple[Callable[[Config], Any], Callable[[Config], str]]:
    def wanted(cfg: Config) -> tuple[str, str]:
        chosen = cfg.model.weights
        return cfg.model.name, decided.get(cfg.model.name, chosen) if chosen == "auto" else chosen

    return wanted, lambda cfg: find_weights(*wanted(cfg)).identity


def _once(
    asked: tuple[Callable[[Config], Any], Callable[[Config], str]],
) -> Callable[[Config], str]:
    """The second function, called once for each value of the first."""
    key, find = asked
    found: dict[str, str] = {}

    def remembered(cfg: Config) -> str:
        name = json.dumps(key(cfg), sort_keys=True)
        if name not in found:
            found[name] = find(cfg)
        return found[name]

    return remembered


def swept_knobs(jobs: Sequence[Config]) -> tuple[str, ...]:
    """The knobs in which the jobs differ; more than were typed if a group is swept."""
    flat = [dict(knobs(plain(job))) for job in jobs]
    return tuple(name for name in flat[0] if any(other[name] != flat[0][name] for other in flat))
