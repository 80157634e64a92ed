"""A sweep of 24 heads (4 rates × 3 dropouts × 2 ratios) against one of its jobs, features warm;
and what a job of a multirun takes beside its training.

The heads are linear, on a small network's averaged features: what is measured is the sweep.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.bench.reuse import photos
from tests.bench.runner import Figure, command, ratio

GRID = ("optim.lr=1e-4,2e-4,5e-4,1e-3", "model.dropout=0,0.3,0.5", "split.train_ratio=0.5,0.8")
SMALL_GRID = ("optim.lr=1e-4,2e-4", "model.dropout=0", "split.train_ratio=0.5,0.8")


def measure(quick: bool) -> list[Figure]:
    seconds: dict[str, list[float]] = {"24 jobs": [], "one job": []}
    beside = []
    for _ in range(1 if quick else 3):
        with tempfile.TemporaryDirectory() as outputs:
            line = (*_line(quick), f"outputs={outputs}")
            command(*line)  # the database, pixels and features are there from now on
            line = (*line, "cache.trainings=false")
            seconds["one job"].append(command(*line))
            all_of_them = command("-m", *line, *GRID, "sweep.name=all")
            seconds["24 jobs"].append(all_of_them)
            few = command("-m", *line, *SMALL_GRID, "sweep.name=few")
            trained = _trained(Path(outputs), "all") - _trained(Path(outputs), "few")
            beside.append((all_of_them - few - trained) / (24 - 4))
    parts = {name: tuple(values) for name, values in seconds.items()}
    jobs = ratio("24 heads over one of them, features warm", parts)
    return [
        jobs if quick else replace(jobs, at_most=6.0),
        Figure(
            "a job of a multirun, beside its training", tuple(beside), "s",
            at_most=None if quick else 0.5,
        ),
    ]  # fmt: skip


def _line(quick: bool) -> tuple[str, ...]:
    return (
        "model=timm", "model.name=mobilenetv3_small_050", "model.weights=none",
        "model.freeze=backbone", *photos(quick), "repeats=1",
        f"training.epochs={2 if quick else 20}",
    )  # fmt: skip


def _trained(outputs: Path, sweep: str) -> float:
    """Seconds that the trainings of a sweep took together."""
    files = list(outputs.glob(f"sweeps/{sweep}/*/result.json"))
    assert files
    return sum(float(json.loads(file.read_text())["seconds"]) for file in files)
