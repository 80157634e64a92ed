"""What the jobs of a sweep will take, by what finished runs of their kind took."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import read_json
from fashion_exp.configuration.schema import flatten_options, to_plain
from fashion_exp.errors import InputError
from fashion_exp.evaluation.results import RunResult, load_result
from fashion_exp.experiment.job import KNOBS_FILE
from fashion_exp.sweeps.jobs import SweepJob

KIND = (
    "model.name", "model.depth", "model.width", "model.freeze", "dataset.name", "dataset.root",
    "dataset.manifest", "dataset.per_class", "dataset.image_size",
)  # fmt: skip
"""Knobs in which a run and a job agree that take about as long for an epoch, on one device."""


@dataclass(frozen=True)
class Forecast:
    """Of the jobs that are like a finished run; `unknown` are the models of the others."""

    seconds: float
    """Of training, one job after the other."""
    size: float
    """Bytes."""
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class _Cost:
    seconds_an_epoch: float
    bytes_a_training: float


def forecast(jobs: Sequence[SweepJob], outputs: Path) -> Forecast:
    """By the mean over the runs below `outputs` of each job's kind."""
    known: dict[str, list[_Cost]] = {}
    for run in (*outputs.glob("runs/*"), *outputs.glob("sweeps/*/*")):
        if not ((run / "result.json").exists() and (run / KNOBS_FILE).exists()):
            continue
        with suppress(InputError):  # of a damaged run nothing is learned
            told = read_json(run / KNOBS_FILE)
            result = load_result(run)
            device = result.facts.get("device", "").partition(":")[0]
            known.setdefault(_kind(told, device), []).append(_cost(result, told))
    seconds, size, unknown = 0.0, 0.0, dict[str, None]()
    for job in jobs:
        costs = known.get(_kind(dict(flatten_options(to_plain(job.cfg))), job.compute.device.type))
        if costs is None:
            unknown[job.cfg.model.name] = None
            continue
        trainings = trainings_of(job.cfg.repeats, job.cfg.split.folds)
        epochs = trainings * job.cfg.training.epochs
        seconds += epochs * sum(one.seconds_an_epoch for one in costs) / len(costs)
        size += trainings * sum(one.bytes_a_training for one in costs) / len(costs)
    return Forecast(seconds, size, tuple(unknown))


def trainings_of(repeats: int, folds: int | None) -> int:
    """How many trainings an experiment consists of."""
    return repeats * (folds or 1)


def _kind(told: Mapping[str, Any], device: str) -> str:
    return json.dumps([device, *(told.get(name) for name in KIND)])


def _cost(result: RunResult, told: Mapping[str, Any]) -> _Cost:
    trainings = trainings_of(told["repeats"], told["split.folds"])
    size = sum(file.stat().st_size for file in result.output.rglob("*") if file.is_file())
    seconds = result.seconds / (trainings * told["training.epochs"])
    return _Cost(seconds, size / trainings)
