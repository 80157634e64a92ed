"""Estimates memory and disk, and refuses experiments that need more before they begin."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from fashion_exp.configuration.schema import Config, Keep
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.experiment.context import trains_on_features
from fashion_exp.models.build import measure_model
from fashion_exp.models.plan import ModelPlan
from fashion_exp.process import memory_bytes

_OPTIMIZER_TENSORS = 3
"""Tensors of a parameter's size beside the parameter: its gradient, and two of Adam's."""
_VIEW_BYTES = 200
"""Of an entry in the list of an epoch's training views."""
_ROW_BYTES = 200
"""Of a prediction, beside its probabilities."""


@dataclass(frozen=True)
class Resources:
    """What an experiment needs, in bytes."""

    model: int
    """Parameters, gradients, their average, and the state of the optimizer."""
    activations: int
    """Results of the layers for one batch."""
    tables: int
    """Lists of training views and predictions."""
    disk: int
    """Checkpoints and predictions; pixels and features are checked when they are stored."""

    @property
    def memory(self) -> int:
        return self.model + self.activations + self.tables


def estimate_resources(cfg: Config, plan: ModelPlan, images: ImageTable) -> Resources:
    """An estimate from the numbers of images, classes, parameters and trainings."""
    classes, training = len(images.classes), cfg.training
    size = measure_model(cfg.model, plan, classes)
    tensors = _OPTIMIZER_TENSORS + (training.ema_decay is not None)
    number = 2 if training.precision.value.endswith("bf16") else 4
    # With gradient checkpointing, between the two: the lower one refuses nothing that fits.
    keeps_none = plan.freeze == "backbone" or training.gradient_checkpointing
    activations = size.largest_activation if keeps_none else size.activations
    trainings = cfg.repeats * (cfg.split.folds or 1)
    views = classes * (cfg.augmentation.per_class or 0)
    rows = len(images) * trainings
    predictions = rows * (_ROW_BYTES + 8 * classes)
    checkpoint = 4 * size.trainable * (2 if training.keep is Keep.best else 1)
    return Resources(
        model=4 * (size.parameters + tensors * size.trainable) * training.processes,
        activations=0
        if trains_on_features(cfg, plan)
        else min(training.batch_size, max(len(images), views)) * activations * number,
        tables=views * _VIEW_BYTES + predictions,
        disk=checkpoint * trainings + predictions,
    )


def check_resources(
    cfg: Config, plan: ModelPlan, images: ImageTable, device: torch.device, outputs: Path
) -> None:
    """Raises `InputError`, with the figures, if memory or disk cannot suffice."""
    need, memory = estimate_resources(cfg, plan, images), memory_bytes()
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
    if need.memory > memory:
        raise InputError(
            f"this experiment needs about {_gb(need.memory)} of memory (model {_gb(need.model)}, "
            f"activations of a batch {_gb(need.activations)}, tables {_gb(need.tables)}), and this "
            f"machine has {_gb(memory)}; lower training.batch_size, dataset.image_size, "
            "model.width, augmentation.per_class or repeats"
        )
    disk = next(path for path in (outputs, *outputs.parents) if path.exists())
    free = shutil.disk_usage(disk).free
    if need.disk > free:
        raise InputError(
            f"outputs={outputs}: this experiment writes about {_gb(need.disk)} of checkpoints and "
            f"predictions, and {_gb(free)} are free; lower repeats or choose another outputs=FOLDER"
        )


def _gb(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.2g} MB"
