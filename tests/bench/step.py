"""Fine-tuning ResNet50 with augmented images vs. the bare training step.

Model, batch size, precision and optimizer are the same. The bare step has its batch in memory.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console

from fashion_exp.data.augment import Augmentation, ImageViews, deterministic_augmentation
from fashion_exp.data.batches import TrainingImages, oversample
from fashion_exp.reporting.progress import Progress
from fashion_exp.training.fit import fit
from fashion_exp.training.losses import Criterion
from fashion_exp.training.process_group import ProcessGroup
from tests.bench.networks import CLASSES, Workload, bare_step_rate, build_workload, random_pixels
from tests.bench.runner import Figure, alternate, ratio_figure


@dataclass(frozen=True)
class PixelArray:
    """Images in memory."""

    images: np.ndarray
    key: str = "random"

    def __getitem__(self, row: int) -> np.ndarray:
        image: np.ndarray = self.images[row]
        return image


def measure(quick: bool) -> list[Figure]:
    size, steps, turns = (128, 2, 3) if quick else (224, 12, 5)
    workload = build_workload("resnet50", size, 20, "auto", ("augmentation=light",))
    batches = _augmented_batches(workload, steps)
    bare_step_rate(workload, 2)  # warm-up
    parts = alternate(
        {
            "fine-tuning, images/s": lambda: _fine_tuning_rate(workload, batches),
            "bare step, images/s": lambda: bare_step_rate(workload, steps),
        },
        turns,
    )
    return [ratio_figure("fine-tuning ResNet50 vs. its bare step", parts, at_least=0.95)]


def _augmented_batches(workload: Workload, steps: int) -> TrainingImages:
    """Batches of an epoch with so many steps, with light augmentation."""
    count, size = workload.batch_size * steps, workload.plan.size
    shape = (size, size, 3)
    views = ImageViews(
        PixelArray(random_pixels(count, size)),
        [str(number) for number in range(count)],
        fixed=deterministic_augmentation("augmentation.evaluation", [], shape),
        random=Augmentation("augmentation.operations", workload.cfg.augmentation.operations, shape),
    )
    labels = np.arange(count) % CLASSES
    return TrainingImages(
        rows=np.arange(count),
        labels=labels,
        views=oversample(labels, per_class=None),
        read=views.augmented(seed=0),
        batch_size=workload.batch_size,
        seed=0,
        workers=0,
    )


def _fine_tuning_rate(workload: Workload, batches: TrainingImages) -> float:
    """Images per second of an epoch of our training loop, with its progress display."""
    show = Progress(Console(file=io.StringIO())).epoch(1, 1, batches.steps)

    def on_step(
        epoch: int, step: int, views: int, loss_sum: torch.Tensor, correct: torch.Tensor
    ) -> None:
        show(step, views, loss_sum, correct)

    (result,) = fit(
        workload.model,
        batches,
        workload.new_optimizer(),
        Criterion(),
        lambda time: 1.0,
        workload.compute,
        ProcessGroup(),
        epochs=range(1),
        accumulate=1,
        clip_norm=None,
        average=None,
        seed_of_epoch=lambda epoch: epoch,
        on_step=on_step,
    )
    return result.views / result.seconds
