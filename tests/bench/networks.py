"""What the claims about training share: a network, its optimizer, and pixels in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import Config
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan, plan_model
from fashion_exp.models.weights import find_weights
from fashion_exp.training.device import Compute, choose_compute, is_depthwise, threads_per_process
from fashion_exp.training.fit import Batches, fit
from fashion_exp.training.optimizers import build_optimizer
from fashion_exp.training.process_group import ProcessGroup

CLASSES = 3


@dataclass(frozen=True)
class Learning:
    """A random network of some size and what trains it."""

    cfg: Config
    plan: ModelPlan
    model: Classifier
    compute: Compute

    @property
    def batch(self) -> int:
        return self.cfg.training.batch_size


def learning(name: str, size: int, batch: int, precision: str = "auto", *more: str) -> Learning:
    words = ["model=timm", f"model.name={name}", "model.weights=none", f"dataset.image_size={size}"]
    cfg = parse_command_line([*words, f"training.batch_size={batch}", *more]).jobs[0]
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, find_weights(name, "none"), size)
    model = build_model(cfg.model, plan, CLASSES, seed=0)
    compute = choose_compute("auto", precision, threads_per_process(1))
    assert not is_depthwise(model.network)
    return Learning(cfg, plan, model.to(compute.device), compute)


def pixels(count: int, size: int) -> np.ndarray:
    """uint8 (count, size, size, 3), noise."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def batch_of(learned: Learning) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.from_numpy(pixels(learned.batch, learned.plan.size)).permute(0, 3, 1, 2)
    return images, torch.arange(learned.batch) % CLASSES


class Again:
    """One batch in memory, so often an epoch."""

    def __init__(self, batch: tuple[torch.Tensor, torch.Tensor], steps: int) -> None:
        self._batch, self.steps = batch, steps

    def __len__(self) -> int:
        return len(self._batch[1]) * self.steps

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for _ in range(self.steps):
            yield self._batch


def bare_steps(learned: Learning, steps: int) -> float:
    """Images a second of forward, backward and update alone, on a batch in memory."""
    images, labels = (learned.compute.move(t) for t in batch_of(learned))
    model, criterion = learned.model.train(), nn.CrossEntropyLoss()
    optimizer = _optimizer(learned)
    began = time.perf_counter()
    for _ in range(steps):
        with learned.compute.precision(images):
            loss = criterion(model(images).float(), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    loss.item()
    return learned.batch * steps / (time.perf_counter() - began)


def fitted(learned: Learning, batches: Batches, tick: Callable[..., None]) -> float:
    """Images a second of an epoch of our loop."""
    (epoch,) = fit(
        learned.model, batches, _optimizer(learned), nn.CrossEntropyLoss(), lambda time: 1.0,
        learned.compute, ProcessGroup(), epochs=range(1), accumulate=1, clip_norm=None,
        seed_of_epoch=lambda epoch: epoch, tick=tick,
    )  # fmt: skip
    return epoch.views / epoch.seconds


def _optimizer(learned: Learning) -> torch.optim.Optimizer:
    model = learned.model
    return build_optimizer(head=model.head, backbone=model.network, **vars(learned.cfg.optim))
