"""Training time with vs. without tracking in MLflow.

Importing MLflow belongs to start-up and recording the final result to evaluation; neither counts.
"""

from __future__ import annotations

from functools import partial

from tests.bench.runner import Figure, alternate, ratio_figure, training_seconds


def measure(quick: bool) -> list[Figure]:
    epochs, turns, at_most = (6, 2, None) if quick else (25, 7, 1.02)
    overrides = (
        "dataset.per_class=150", "dataset.image_size=64", f"training.epochs={epochs}", "repeats=1",
    )  # fmt: skip
    measurements = {
        "with tracking, s": partial(training_seconds, *overrides, "tracking=mlflow"),
        "without tracking, s": partial(training_seconds, *overrides, "tracking=none"),
    }
    parts = alternate(measurements, turns)
    return [ratio_figure("training with vs. without tracking", parts, at_most=at_most)]
