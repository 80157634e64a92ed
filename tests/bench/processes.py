"""Training ResNet18 with two processes vs. one, both on all cores."""

from __future__ import annotations

from functools import partial

from tests.bench.runner import Figure, alternate, ratio_figure, training_seconds


def measure(quick: bool) -> list[Figure]:
    size, per_class, turns = (64, 60, 1) if quick else (128, 150, 3)
    overrides = (
        "model=timm", "model.name=resnet18", "model.weights=none", "augmentation=light",
        f"dataset.per_class={per_class}", f"dataset.image_size={size}", "training.epochs=2",
        "repeats=1", "tracking=none",
    )  # fmt: skip
    names = {1: "one process, s", 2: "two processes, s"}
    measurements = {
        name: partial(training_seconds, *overrides, f"training.processes={count}")
        for count, name in names.items()
    }
    parts = alternate(measurements, turns)
    return [ratio_figure(f"speed of two processes vs. one, ResNet18 at {size} px", parts)]
