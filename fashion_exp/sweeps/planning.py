"""Decisions and output before the first job of a sweep."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from fashion_exp.configuration.schema import network_of, single_backbones
from fashion_exp.models.weights import find_weights
from fashion_exp.reporting.formats import data_size, duration, pluralize
from fashion_exp.sweeps.estimate import estimate_cost

if TYPE_CHECKING:
    from fashion_exp.configuration.schema import Config
    from fashion_exp.evaluation.run_dir import State
    from fashion_exp.sweeps.jobs import SweepJob

STATE_NOTES: dict[State, str] = {
    "finished": "finished",
    "started": "to continue (interrupted)",
    "failed": "to run again (failed)",
    "pruned": "to continue (pruned by a search)",
    "queued": "to run",
}


def resolve_weights(jobs: Sequence[Config], console: Console) -> dict[str, str]:
    """What `model.weights=auto` means for each model of the sweep: "imagenet" or "none".

    Resolved once, so that all jobs agree even if the weights hub becomes unreachable meanwhile.
    """
    backbones = [backbone for job in jobs for backbone in single_backbones(job.model)]
    models = {network_of(b.name) for b in backbones if b.weights == "auto"}
    sources = {}
    for model in sorted(models):
        weights = find_weights(model, "auto")
        console.print(f"weights of {model}: {weights.description}", soft_wrap=True)
        if weights.advice:
            console.print(f"no pretrained weights: {weights.advice}", soft_wrap=True)
        sources[model] = "imagenet" if weights.path else "none"
    return sources


def print_plan(jobs: Sequence[SweepJob], folder: Path, outputs: Path, console: Console) -> None:
    """Prints the number of jobs by state, and the estimated cost of the unfinished ones."""
    states = Counter(job.state for job in jobs)
    counts = [f"{states[state]} {note}" for state, note in STATE_NOTES.items() if states[state]]
    plan = f"{pluralize(len(jobs), 'job')}: {', '.join(counts)}; in {folder}"
    console.print(plan, soft_wrap=True)
    if unfinished := [job for job in jobs if job.state != "finished"]:
        console.print(_cost_message(unfinished, outputs), soft_wrap=True)


def _cost_message(jobs: Sequence[SweepJob], outputs: Path) -> str:
    cost = estimate_cost(jobs, outputs)
    parts = []
    if cost.seconds:
        parts.append(
            f"estimate from earlier runs: {duration(cost.seconds)} of training, one job after the "
            f"other, and {data_size(cost.bytes)}"
        )
    if cost.unknown_models:
        parts.append(f"no earlier runs to estimate {', '.join(cost.unknown_models)} from")
    disk = next(path for path in (outputs, *outputs.parents) if path.exists())
    free = shutil.disk_usage(disk).free
    if cost.bytes > free:
        parts.append(f"only {data_size(free)} of disk space are free")
    return "; ".join(parts)
