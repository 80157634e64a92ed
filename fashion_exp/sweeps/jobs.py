"""The jobs of a sweep: which there are, and how far each has come."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from fashion_exp.comparison.run_data import defines_experiment, rerun_command
from fashion_exp.configuration.composition import SEARCHPATH, CommandLine
from fashion_exp.configuration.schema import (
    RESULT_NEUTRAL_OPTIONS,
    Config,
    TrainingConfig,
    flatten_options,
    to_plain,
)
from fashion_exp.data.sources.load import load_images_once
from fashion_exp.errors import InputError
from fashion_exp.experiment.fingerprints import job_identity, short_hash
from fashion_exp.models.weights import find_weights
from fashion_exp.sweeps.job_state import State, job_state
from fashion_exp.training.device import Compute, choose_compute, threads_per_process


@dataclass(frozen=True)
class SweepJob:
    """One cell of the grid, in a folder that its identity names."""

    cfg: Config
    overrides: tuple[str, ...]
    """What was typed, the values of this cell in it."""
    folder: Path
    cell: str
    """The swept values alone, for people."""
    compute: Compute
    """What its device, precision and threads came to, for whichever machine will run it."""

    @property
    def hash(self) -> str:
        return self.folder.name

    @property
    def state(self) -> State:
        return job_state(self.folder)

    @property
    def words(self) -> tuple[str, ...]:
        """The overrides that its process is given: what was typed, and what that came to."""
        own = tuple(o for o in self.overrides if not _is_the_drivers(o))
        threads, device = self.compute.threads, self.compute.device
        return (*own, f"training.threads={threads}", f"training.precision={self.compute.dtype}",
                f"training.device={device}")  # fmt: skip

    @property
    def command(self) -> str:
        """The line that runs this cell alone, with the same numbers."""
        typed = [o for o in self.overrides if defines_experiment(o)]
        if self.cfg.training.threads is None and self.compute.threads != threads_per_process(
            self.cfg.training.processes
        ):
            typed.append(f"training.threads={self.compute.threads}")
        return rerun_command(typed)


def sweep_name(line: CommandLine) -> str:
    """The folder of a sweep: by what is swept and what is fixed, not by the values swept.

    So a wider grid is the same sweep, and `sweep.name` gives it a name of its own.
    """
    cfg = line.jobs[0]
    if cfg.sweep.name is not None:
        if not re.fullmatch(r"\w[\w.-]{,99}", cfg.sweep.name):
            raise InputError(
                f"sweep.name={cfg.sweep.name}: at most 100 letters, digits, '.', '_' and '-', and "
                "no '.' or '-' first: it names a folder"
            )
        return cfg.sweep.name
    swept = sorted(line.keys)
    fixed = sorted(o for o in line.fixed if _matters(o))
    words = [*one_model(line), *(key.rpartition(".")[2] for key in swept)]
    return f"{'-'.join(words)[:80]}-{short_hash([swept, fixed])[:6]}"


def one_model(line: CommandLine) -> set[str]:
    """The model of all jobs, to call the sweep by; empty where it is swept."""
    models = {job.model.name for job in line.jobs}
    return models if len(models) == 1 else set()


def _matters(override: str) -> bool:
    key = override.lstrip("+").partition("=")[0]
    where_kept = key in ("tracking", "cache")  # the groups of such knobs
    return not (where_kept or key in RESULT_NEUTRAL_OPTIONS or _is_the_drivers(override))


def _is_the_drivers(override: str) -> bool:
    """Whether it is for Hydra, and not about where the jobs' choices are found."""
    bare = override.lstrip("+")
    return bare.startswith("hydra") and not bare.startswith(SEARCHPATH)


@dataclass(frozen=True)
class Planner:
    """Gives cells their identity; loads no photo and no weights twice."""

    line: CommandLine
    sweep: Path
    cache: Path
    weights: Mapping[str, str]
    """What `model.weights=auto` came to, by model."""
    threads: int | None
    """What the launcher leaves a job; None: all cores."""
    device: str | None
    """Where the launcher's jobs compute, if this machine is not to say."""

    @property
    def outputs(self) -> Path:
        return self.cache.parent

    def job(self, cfg: Config, overrides: tuple[str, ...]) -> SweepJob:
        """Raises `InputError` where the data or the weights cannot be had."""
        compute = self._compute(cfg)
        identity = job_identity(cfg, self._data(cfg), self._loaded(cfg), compute)
        swept = [override.lstrip("+") for override in overrides[len(self.line.fixed) :]]
        return SweepJob(cfg, overrides, self.sweep / identity, " ".join(swept), compute)

    def jobs(self) -> list[SweepJob]:
        """Those of the grid. Raises `InputError` where two cells are the same experiment too."""
        jobs: dict[str, SweepJob] = {}
        for cfg, overrides in zip(self.line.jobs, self.line.lines, strict=True):
            job = self.job(cfg, overrides)
            if job.hash in jobs:
                raise InputError(
                    f"{job.cell}: the same experiment as {jobs[job.hash].cell}; leave one of "
                    "them out"
                )
            jobs[job.hash] = job
        return list(jobs.values())

    def _compute(self, cfg: Config) -> Compute:
        training = cfg.training
        precision, threads = training.precision.value, self._threads(training)
        if self.device is not None and training.device == "auto":
            found = "auto_bf16" if precision == "auto" else precision
            return Compute(torch.device(self.device), found, threads)
        try:
            return choose_compute(training.device, precision, threads)
        except ValueError as error:
            raise InputError(f"training.device={error}") from None

    def _threads(self, training: TrainingConfig) -> int:
        """CPU threads for each process of a job."""
        if training.threads is not None:
            return training.threads
        return threads_per_process(training.processes, self.threads)

    @cached_property
    def _data(self) -> Callable[[Config], str]:
        return _once(
            lambda cfg: to_plain(cfg)["dataset"],
            lambda cfg: load_images_once(cfg.dataset, self.cache).fingerprint,
        )

    @cached_property
    def _loaded(self) -> Callable[[Config], str]:
        def wanted(cfg: Config) -> tuple[str, str]:
            name, chosen = cfg.model.name, cfg.model.weights
            return name, self.weights.get(name, chosen) if chosen == "auto" else chosen

        return _once(wanted, lambda cfg: find_weights(*wanted(cfg)).identity)


def _once(key: Callable[[Config], Any], find: Callable[[Config], str]) -> Callable[[Config], str]:
    """The second function, called once for each value of the first."""
    found: dict[str, str] = {}

    def remembered(cfg: Config) -> str:
        name = json.dumps(key(cfg), sort_keys=True)
        if name not in found:
            found[name] = find(cfg)
        return found[name]

    return remembered


def swept_knobs(line: CommandLine) -> tuple[str, ...]:
    """The knobs that tell the jobs apart: those typed; of a group its name if that tells its
    choices apart, and else whatever they differ in."""
    flat = [dict(flatten_options(to_plain(job))) for job in line.jobs]
    words = [dict(word.lstrip("+").partition("=")[::2] for word in own) for own in line.lines]
    found: list[str] = []
    for key in line.keys:
        name = f"{key}.name"
        choices = {(own.get(key), job.get(name)) for own, job in zip(words, flat, strict=True)}
        if key in flat[0]:
            found.append(key)
        elif len(choices) == len({choice for _, choice in choices}) > 1:
            found.append(name)
        else:
            found += [knob for knob in flat[0] if any(job[knob] != flat[0][knob] for job in flat)]
    return tuple(dict.fromkeys(found))
