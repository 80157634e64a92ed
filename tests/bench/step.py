"""Full fine-tuning of ResNet50, images made by augmentation, against the step alone.

Same model, batch, precision and optimizer; the bare step has its batch in memory.
"""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from fashion_exp.data.augment import Augmentation, Views, fixed_augmentation
from fashion_exp.data.batches import TrainingImages, multiplied
from fashion_exp.reporting.progress import Progress
from tests.bench.networks import CLASSES, Learning, bare_steps, fitted, learning, pixels
from tests.bench.runner import Figure, in_turn, ratio


def measure(quick: bool) -> list[Figure]:
    steps, turns = (2, 3) if quick else (12, 5)
    learned = learning("resnet50", 128 if quick else 224, 20, "auto", "augmentation=light")
    batches = _photos(learned, learned.batch * steps)
    show = Progress(Console(file=io.StringIO())).epoch(1, 1, steps)

    def tick(epoch: int, step: int, views: int, loss: object, hits: object) -> None:
        show(step, views, lambda: 0.0, lambda: 0.0)

    bare_steps(learned, 2)
    parts = in_turn(
        {
            "fine-tuning, images/s": lambda: fitted(learned, batches, tick),
            "bare step, images/s": lambda: bare_steps(learned, steps),
        },
        turns,
    )
    what = "fine-tuning ResNet50 against its bare step"
    return [ratio(what, parts, at_least=0.95)]


def _photos(learned: Learning, count: int) -> TrainingImages:
    """Light augmentation of stored pixels, as a run has it."""
    shape = (learned.plan.size, learned.plan.size, 3)
    light = Augmentation("light", learned.cfg.augmentation.operations, shape)
    views = Views(
        pixels(count, learned.plan.size),  # type: ignore[arg-type]
        [str(i) for i in range(count)],
        fixed_augmentation("none", [], shape), light,
    )  # fmt: skip
    rows, labels = np.arange(count), np.arange(count) % CLASSES
    return TrainingImages(
        rows, labels, multiplied(labels, None), views.augmented(0), learned.batch, 0, 0
    )
