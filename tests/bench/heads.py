"""Sweeps of 24 and of 240 heads on cached features vs. one of their jobs, and a job's overhead.

The grids have learning rates, dropout rates and split ratios, the larger one also weight decays.
The heads are linear, on the averaged features of a small network, so that the sweep itself
dominates the time. The overhead of a job is what 216 more jobs take beside their training.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.bench.reuse import dataset_overrides
from tests.bench.runner import Figure, ratio_figure, run_command

GRID = ("optim.lr=1e-4,2e-4,5e-4,1e-3", "model.dropout=0,0.3,0.5", "split.train_ratio=0.5,0.8")
GRID_JOBS = 24
LARGE_GRID = (*GRID, "optim.weight_decay=0,1e-6,1e-5,1e-4,3e-4,1e-3,3e-3,1e-2,3e-2,1e-1")
LARGE_GRID_JOBS = 240
SMALL_GRID = (*GRID[:2], "optim.weight_decay=0,1e-2,1e-1")
SMALL_GRID_JOBS = 36
"""In place of the large grid with `quick`."""


def measure(quick: bool) -> list[Figure]:
    many, jobs = (SMALL_GRID, SMALL_GRID_JOBS) if quick else (LARGE_GRID, LARGE_GRID_JOBS)
    names = "one job, s", f"{GRID_JOBS} jobs, s", f"{jobs} jobs, s"
    seconds: dict[str, list[float]] = {name: [] for name in names}
    overheads = []
    for _ in range(1 if quick else 3):
        with tempfile.TemporaryDirectory() as outputs:
            overrides = (*_overrides(quick), f"outputs={outputs}")
            run_command(*overrides)  # creates the database and caches pixels and features
            overrides = (*overrides, "cache.trainings=false")
            seconds[names[0]].append(run_command(*overrides))
            few = run_command("-m", *overrides, *GRID, "sweep.name=few")
            seconds[names[1]].append(few)
            more = run_command("-m", *overrides, *many, "sweep.name=many")
            seconds[names[2]].append(more)
            few_training = _training_seconds(Path(outputs), "few", GRID_JOBS)
            many_training = _training_seconds(Path(outputs), "many", jobs)
            overhead = (more - many_training) - (few - few_training)
            overheads.append(overhead / (jobs - GRID_JOBS))
    parts = {name: tuple(values) for name, values in seconds.items()}
    at_most = (None, None, None) if quick else (2.0, 10.0, 0.1)
    return [
        ratio_figure("24 heads vs. one, features cached", parts, names[1::-1], at_most=at_most[0]),
        ratio_figure(
            f"{jobs} heads vs. one, features cached", parts, (names[2], names[0]),
            at_most=at_most[1],
        ),
        Figure("overhead of a job of a multirun", tuple(overheads), "s", at_most=at_most[2]),
    ]  # fmt: skip


def _overrides(quick: bool) -> tuple[str, ...]:
    return (
        "model=timm", "model.name=mobilenetv3_small_050", "model.weights=none",
        "model.freeze=backbone", *dataset_overrides(quick), "repeats=1",
        f"training.epochs={2 if quick else 20}",
    )  # fmt: skip


def _training_seconds(outputs: Path, sweep: str, jobs: int) -> float:
    """Training time of all jobs of a sweep together."""
    results = list(outputs.glob(f"sweeps/{sweep}/*/result.json"))
    assert len(results) == jobs
    return sum(float(json.loads(file.read_text())["seconds"]) for file in results)
