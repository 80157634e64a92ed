"""What is decided and told before the first job of a sweep."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from fashion_exp.configuration.schema import Config
from fashion_exp.models.weights import find_weights
from fashion_exp.reporting.formats import counted, duration
from fashion_exp.sweeps.estimate import forecast
from fashion_exp.sweeps.jobs import Planner, SweepJob


def decide_weights(jobs: Sequence[Config], console: Console) -> dict[str, str]:
    """What `model.weights=auto` means for each model of the sweep: imagenet or none.

    Asked once, so that a hub that comes or goes between two jobs cannot make them differ.
    """
    models = {job.model.name for job in jobs if job.model.weights == "auto"}
    found = {model: find_weights(model, "auto") for model in sorted(models)}
    for model, weights in found.items():
        console.print(f"weights of {model}: {weights.source}", soft_wrap=True, highlight=False)
    return {model: "imagenet" if weights.path else "none" for model, weights in found.items()}


def tell_plan(jobs: Sequence[SweepJob], planner: Planner, console: Console) -> None:
    """How many jobs there are, what is there already, and what the rest will take."""
    states = Counter(job.state for job in jobs)
    parts = [
        f"{states['finished']} finished before" if states["finished"] else "",
        f"{states['begun']} interrupted, which go on" if states["begun"] else "",
        f"{states['failed']} failed, which are run again" if states["failed"] else "",
        f"{states['pruned']} pruned by a search, which go on" if states["pruned"] else "",
        f"{states['queued']} to run" if states["queued"] else "",
    ]
    listed = ", ".join(filter(None, parts))
    told = f"{counted(len(jobs), 'job')}: {listed}; in {planner.sweep}"
    console.print(told, soft_wrap=True, highlight=False)
    left = [job for job in jobs if job.state != "finished"]
    if left:
        console.print(_in_words(left, planner.outputs), soft_wrap=True, highlight=False)


def _in_words(jobs: Sequence[SweepJob], outputs: Path) -> str:
    """What the jobs will take of time and disk."""
    found = forecast(jobs, outputs)
    told = []
    if found.seconds:
        told.append(
            f"by earlier runs of this kind about {duration(found.seconds)} of training, one after "
            f"the other, and {found.size / 1e6:,.0f} MB"
        )
    if found.unknown:
        told.append(f"nothing to estimate {', '.join(found.unknown)} by: no run of this kind yet")
    free = shutil.disk_usage(next(p for p in (outputs, *outputs.parents) if p.exists())).free
    if found.size > free:
        told.append(f"the disk has {free / 1e6:,.0f} MB left")
    return "; ".join(told)
