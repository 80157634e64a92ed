"""Estimates the time and disk space that jobs need from finished runs of the same kind."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import pandas as pd

from fashion_exp.configuration.schema import flatten_options, to_plain
from fashion_exp.errors import InputError
from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import RunDir

if TYPE_CHECKING:
    from fashion_exp.sweeps.jobs import SweepJob

COST_OPTIONS = (
    "model.name", "model.depth", "model.width", "model.head", "model.freeze", "model.unfreeze",
    "model.test_views", "training.gradient_checkpointing", "dataset.name", "dataset.root",
    "dataset.manifest", "dataset.per_class", "dataset.image_size",
)  # fmt: skip
"""Runs that agree in these options and in the device take about as long for an epoch."""


@dataclass(frozen=True)
class CostEstimate:
    """Covers the jobs for which a finished run of the same kind exists."""

    seconds: float
    """Training time of all jobs, one after the other."""
    bytes: float
    unknown_models: tuple[str, ...]
    """Models of the jobs without such a run."""


def estimate_cost(jobs: Sequence[SweepJob], outputs: Path) -> CostEstimate:
    """Extrapolates the median cost of the finished trainings in `outputs` of each job's kind.

    The first training with a frozen backbone also computes the features, which the others reuse.
    """
    measured = _measured_costs(outputs)
    seconds, size, unknown = 0.0, 0.0, dict[str, None]()
    for job in jobs:
        options = dict(flatten_options(to_plain(job.cfg)))
        costs = measured.get(_cost_key(options, job.compute.device.type))
        if costs is None:
            unknown[job.cfg.model.name] = None
            continue
        epoch_seconds, training_bytes = map(median, zip(*costs, strict=True))
        trainings = count_trainings(options)
        seconds += trainings * job.cfg.training.epochs * epoch_seconds
        size += trainings * training_bytes
    return CostEstimate(seconds, size, tuple(unknown))


def count_trainings(options: Mapping[str, Any]) -> int:
    """The number of trainings in one experiment."""
    return int(options["repeats"] * (options["split.folds"] or 1))


def _measured_costs(outputs: Path) -> dict[str, list[tuple[float, float]]]:
    """Seconds per epoch and bytes of each finished training, by kind of run."""
    costs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for run in (*outputs.glob("runs/*"), *outputs.glob("sweeps/*/*")):
        folder = RunDir(run)
        if not (folder.result_file.exists() and folder.options_file.exists()):
            continue
        with suppress(InputError, OSError, KeyError):  # skip damaged runs
            options = folder.options()
            result = load_result(run)
            device = result.facts.get("device", "").partition(":")[0]
            seconds = pd.read_csv(folder.trainings_file)["seconds"] / options["training.epochs"]
            size = sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
            costs[_cost_key(options, device)] += [(s, size / len(seconds)) for s in seconds]
    return dict(costs)


def _cost_key(options: Mapping[str, Any], device: str) -> str:
    return json.dumps([device, *(options.get(name) for name in COST_OPTIONS)])
