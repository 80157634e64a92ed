"""The jobs of a sweep: their configs, identities and folders."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from fashion_exp.configuration.composition import CommandLine
from fashion_exp.configuration.overrides import (
    is_hydra_option,
    rerun_command,
    rerun_overrides,
    split_override,
)
from fashion_exp.configuration.schema import (
    RESULT_NEUTRAL_OPTIONS,
    Config,
    ModelConfig,
    Precision,
    flatten_options,
    network_of,
    single_backbones,
    to_plain,
)
from fashion_exp.data.split import describe_parts
from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_code import store_code
from fashion_exp.evaluation.run_dir import RunDir, State
from fashion_exp.experiment.fingerprints import job_fingerprint, short_hash
from fashion_exp.extensions.files import CodeFile, read_code, use_code
from fashion_exp.extensions.registry import code_hash
from fashion_exp.models.weights import find_weights
from fashion_exp.paths import folder_title, outputs_of
from fashion_exp.sweeps.job_spec import JobSpec
from fashion_exp.training.device import Compute, choose_compute, threads_per_process

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SweepJob:
    """One grid point, or one point that a search proposed."""

    cfg: Config
    overrides: tuple[str, ...]
    """The overrides of the command line, with the values of this grid point."""
    folder: Path
    """Named by the job's identity hash."""
    name: str
    """The swept values: `optim.lr=1e-3 model.dropout=0.5`."""
    compute: Compute
    """Device, precision and threads, resolved once for any machine that runs the job."""
    code: tuple[CodeFile, ...] = ()
    """The files of `extensions`."""

    @property
    def hash(self) -> str:
        return self.folder.name

    @property
    def state(self) -> State:
        return RunDir(self.folder).state

    def spec(self, outputs: Path, sweep_options: dict[str, Any]) -> JobSpec:
        """The job with its compute options resolved and the given fields of `SweepConfig` set.

        Files of `extensions` are copied into its folder, so that all jobs have the same.
        """
        store_code(self.code, RunDir(self.folder))
        threads, dtype, device = self.compute.threads, self.compute.dtype, str(self.compute.device)
        cfg = replace(
            self.cfg,
            outputs=str(outputs),
            sweep=replace(self.cfg.sweep, **sweep_options),
            training=replace(
                self.cfg.training, threads=threads, precision=Precision(dtype), device=device
            ),
        )
        overrides = (
            *(override for override in self.overrides if not is_hydra_option(override)),
            f"training.threads={threads}",
            f"training.precision={dtype}",
            f"training.device={device}",
        )
        return JobSpec(self.folder, cfg, overrides)

    @property
    def command(self) -> str:
        """The command that runs this job alone, in the same outputs, with the same numbers."""
        overrides = rerun_overrides(self.overrides, outputs_of(self.folder.absolute()))
        training = self.cfg.training
        default_threads = threads_per_process(training.processes)
        if training.threads is None and self.compute.threads != default_threads:
            overrides.append(f"training.threads={self.compute.threads}")
        return rerun_command(overrides)


@dataclass(frozen=True)
class JobFactory:
    """Makes jobs from grid points. Loads each data set and each weights file once."""

    line: CommandLine
    folder: Path
    """Of the sweep."""
    cache: Path
    weights: dict[str, str]
    """The source that `model.weights=auto` resolved to, by model name."""
    threads: int | None
    """CPU threads that the launcher gives to a job; None: all cores."""
    device: str | None
    """The device of the launcher's nodes; None: choose from this machine's hardware."""
    print_note: Callable[[str], object] = log.info
    """Receives each sentence about the data once."""
    _data: dict[str, tuple[str, dict[str, int]]] = field(
        default_factory=dict, init=False, repr=False
    )
    """Data fingerprint and `part_counts` by dataset options and code."""
    _notes: set[str] = field(default_factory=set, init=False, repr=False)

    @property
    def outputs(self) -> Path:
        return self.cache.parent

    def make_job(self, cfg: Config, overrides: tuple[str, ...]) -> SweepJob:
        """Raises `InputError` if the data or the weights are not available."""
        code = self._read_code(tuple(cfg.extensions))
        use_code(code)
        compute = self._compute(cfg)
        data = self._data_fingerprint(cfg)
        weights = "+".join(self._identity(backbone) for backbone in single_backbones(cfg.model))
        identity = job_fingerprint(cfg, data, weights, compute)
        swept = [override.lstrip("+") for override in overrides[len(self.line.fixed_overrides) :]]
        return SweepJob(cfg, overrides, self.folder / identity, " ".join(swept), compute, code)

    def make_grid_jobs(self) -> list[SweepJob]:
        """Raises `InputError` if two grid points are the same experiment."""
        jobs: dict[str, SweepJob] = {}
        for cfg, overrides in zip(self.line.jobs, self.line.job_overrides, strict=True):
            job = self.make_job(cfg, overrides)
            if job.hash in jobs:
                raise InputError(
                    f"{job.name}: same experiment as {jobs[job.hash].name}; remove one of the two"
                )
            jobs[job.hash] = job
        return list(jobs.values())

    def _compute(self, cfg: Config) -> Compute:
        training = cfg.training
        precision, threads = training.precision.value, training.threads
        if threads is None:
            threads = threads_per_process(training.processes, self.threads)
        if self.device is not None and training.device == "auto":
            dtype = "auto_bf16" if precision == "auto" else precision
            return Compute(torch.device(self.device), dtype, threads)
        try:
            return choose_compute(training.device, precision, threads)
        except ValueError as error:
            raise InputError(f"training.device={error}") from None

    def _data_fingerprint(self, cfg: Config) -> str:
        """Says how the data were read, and how their official parts are used."""
        from fashion_exp.data.sources.load import load_images_cached  # imports the data sources

        key = f"{cfg.dataset} {cfg.training.targets} {code_hash()}"
        notes: list[str] = []
        if key not in self._data:
            table = load_images_cached(cfg.dataset, self.cache, cfg.training.targets)
            self._data[key] = table.fingerprint, table.part_counts
            notes += table.notes
        fingerprint, part_counts = self._data[key]
        for note in [*notes, *describe_parts(part_counts, cfg.split)]:
            if note not in self._notes:
                self._notes.add(note)
                self.print_note(f"data: {note}")
        return fingerprint

    def _identity(self, backbone: ModelConfig) -> str:
        network, source = network_of(backbone.name), backbone.weights
        if source == "auto":
            source = self.weights.get(network, source)
        return self._weights_identity(network, source)

    @cached_property
    def _read_code(self) -> Callable[[tuple[str, ...]], tuple[CodeFile, ...]]:
        """Each file once: one that is edited meanwhile is the old one for the whole sweep."""
        return functools.cache(read_code)

    @cached_property
    def _weights_identity(self) -> Callable[[str, str], str]:
        return functools.cache(lambda model, source: find_weights(model, source).identity)


def typed_name(cfg: Config) -> str | None:
    """`sweep.name`. Raises `InputError` if it cannot name a folder."""
    name = cfg.sweep.name
    if name is not None and not re.fullmatch(r"\w[\w.-]{,99}", name):
        raise InputError(
            f"sweep.name={name}: not a folder name; use at most 100 letters, digits, '.', '_' "
            "and '-', and start with a letter, a digit or '_'"
        )
    return name


def sweep_name(line: CommandLine) -> str:
    """The folder name of a sweep: `sweep.name`, or a hash of the swept keys and fixed overrides.

    The swept values do not enter the hash, so a wider grid continues the same sweep.
    """
    if (name := typed_name(line.jobs[0])) is not None:
        return name
    swept = sorted(line.swept_keys)
    fixed = sorted(override for override in line.fixed_overrides if affects_name(override))
    title = "-".join([*shared_model(line), *(key.rpartition(".")[2] for key in swept)])
    return f"{folder_title(title)}-{short_hash([swept, fixed])[:6]}"


def shared_model(line: CommandLine) -> set[str]:
    """The model name that all jobs share; empty if the model is swept."""
    models = {job.model.name for job in line.jobs}
    return models if len(models) == 1 else set()


def swept_options(line: CommandLine) -> tuple[str, ...]:
    """The options that distinguish the jobs.

    A swept option stands for itself, and `model.name` for the backbones. A swept group
    (`model=a,b`) is represented by its `name` if that distinguishes the choices, otherwise by every
    option in which the jobs differ.
    """
    jobs = [dict(flatten_options(to_plain(job))) for job in line.jobs]
    typed = [dict(map(split_override, job)) for job in line.job_overrides]
    options: list[str] = []
    for key in line.swept_keys:
        name = f"{key}.name"
        pairs = {(items.get(key), job.get(name)) for items, job in zip(typed, jobs, strict=True)}
        if key in jobs[0]:
            options.append("model.name" if key == "model.backbones" else key)
        elif len(pairs) == len({job_name for _, job_name in pairs}) > 1:
            options.append(name)
        else:
            options += [k for k in jobs[0] if any(job[k] != jobs[0][k] for job in jobs)]
    return tuple(dict.fromkeys(options))


def affects_name(override: str) -> bool:
    """Whether an override distinguishes sweeps: it can change a result."""
    key, _ = split_override(override)
    neutral = key in ("tracking", "cache") or key in RESULT_NEUTRAL_OPTIONS
    return not (neutral or is_hydra_option(override))
