"""Tracking on against off: the seconds of training of two runs that differ in nothing else.

MLflow's import is start-up's, and what is recorded at the end is no training's.
"""

from __future__ import annotations

from functools import partial

from tests.bench.runner import Figure, in_turn, ratio
from tests.bench.runs import training_seconds


def measure(quick: bool) -> list[Figure]:
    epochs = 6 if quick else 25
    words = ("dataset.per_class=150", "dataset.image_size=64", f"training.epochs={epochs}",
             "repeats=1")  # fmt: skip
    on, off = (partial(training_seconds, *words, f"tracking={t}") for t in ("mlflow", "none"))
    parts = in_turn({"on, s": on, "off, s": off}, 2 if quick else 7)
    on_over_off, most = "training with tracking against without", None if quick else 1.02
    return [ratio(on_over_off, parts, at_most=most)]
