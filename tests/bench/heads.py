"""A sweep of 24 heads on cached features vs. one of its jobs, and the overhead of a job.

The grid has 4 learning rates, 3 dropout rates and 2 split ratios. The heads are linear, on the
averaged features of a small network, so that the sweep itself dominates the time.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.bench.reuse import dataset_overrides
from tests.bench.runner import Figure, ratio_figure, run_command

GRID = ("optim.lr=1e-4,2e-4,5e-4,1e-3", "model.dropout=0,0.3,0.5", "split.train_ratio=0.5,0.8")
GRID_JOBS = 24
SMALL_GRID = ("optim.lr=1e-4,2e-4", "model.dropout=0", "split.train_ratio=0.5,0.8")
SMALL_GRID_JOBS = 4


def measure(quick: bool) -> list[Figure]:
    seconds: dict[str, list[float]] = {"24 jobs, s": [], "one job, s": []}
    overheads = []
    for _ in range(1 if quick else 3):
        with tempfile.TemporaryDirectory() as outputs:
            overrides = (*_overrides(quick), f"outputs={outputs}")
            run_command(*overrides)  # creates the database and caches pixels and features
            overrides = (*overrides, "cache.trainings=false")
            seconds["one job, s"].append(run_command(*overrides))
            large = run_command("-m", *overrides, *GRID, "sweep.name=large")
            seconds["24 jobs, s"].append(large)
            small = run_command("-m", *overrides, *SMALL_GRID, "sweep.name=small")
            large_training = _training_seconds(Path(outputs), "large")
            small_training = _training_seconds(Path(outputs), "small")
            overhead = (large - large_training) - (small - small_training)
            overheads.append(overhead / (GRID_JOBS - SMALL_GRID_JOBS))
    parts = {name: tuple(values) for name, values in seconds.items()}
    at_most = (None, None) if quick else (6.0, 0.5)
    return [
        ratio_figure("24 heads vs. one, features cached", parts, at_most=at_most[0]),
        Figure("overhead of a job of a multirun", tuple(overheads), "s", at_most=at_most[1]),
    ]


def _overrides(quick: bool) -> tuple[str, ...]:
    return (
        "model=timm", "model.name=mobilenetv3_small_050", "model.weights=none",
        "model.freeze=backbone", *dataset_overrides(quick), "repeats=1",
        f"training.epochs={2 if quick else 20}",
    )  # fmt: skip


def _training_seconds(outputs: Path, sweep: str) -> float:
    """Training time of all jobs of a sweep together."""
    results = list(outputs.glob(f"sweeps/{sweep}/*/result.json"))
    assert len(results) in (GRID_JOBS, SMALL_GRID_JOBS)
    return sum(float(json.loads(file.read_text())["seconds"]) for file in results)
