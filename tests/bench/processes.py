"""Two processes against one: seconds of training ResNet18 on all cores either way."""

from __future__ import annotations

from functools import partial

from tests.bench.runner import Figure, in_turn, ratio
from tests.bench.runs import training_seconds


def measure(quick: bool) -> list[Figure]:
    size, images, turns = (64, 60, 1) if quick else (128, 150, 3)
    words = ("model=timm", "model.name=resnet18", "model.weights=none", "augmentation=light",
             f"dataset.per_class={images}", f"dataset.image_size={size}", "training.epochs=2",
             "repeats=1", "tracking=none")  # fmt: skip
    one, two = (partial(training_seconds, *words, f"training.processes={n}") for n in (1, 2))
    parts = in_turn({"one process, s": one, "two processes, s": two}, turns)
    return [ratio(f"speed of two processes, ResNet18 at {size} px", parts)]
