"""What the claims about training share: a network, its optimizer, and pixels in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.schema import Config
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.layers import layer_groups
from fashion_exp.models.plan import ModelPlan, plan_model
from fashion_exp.models.weights import find_weights
from fashion_exp.training.device import Compute, choose_compute, is_depthwise, threads_per_process
from fashion_exp.training.optimizers import build_optimizer

CLASSES = 3


@dataclass(frozen=True)
class Workload:
    """A network with random weights on its device, and the config that trains it."""

    cfg: Config
    plan: ModelPlan
    model: Classifier
    compute: Compute

    @property
    def batch_size(self) -> int:
        return self.cfg.training.batch_size

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Random images, uint8 (n, channels, size, size), and their labels, on the CPU."""
        images = torch.from_numpy(random_pixels(self.batch_size, self.plan.size))
        return images.permute(0, 3, 1, 2), torch.arange(self.batch_size) % CLASSES

    def new_optimizer(self) -> torch.optim.Optimizer:
        optim = self.cfg.optim
        return build_optimizer(
            name=optim.name,
            head=self.model.head,
            backbone=layer_groups(self.model.network, optim.layer_decay),
            lr=optim.lr,
            backbone_lr_factor=optim.backbone_lr_factor,
            weight_decay=optim.weight_decay,
            momentum=optim.momentum,
            options=optim.options,
        )


def build_workload(
    name: str, size: int, batch_size: int, precision: str = "auto", overrides: tuple[str, ...] = ()
) -> Workload:
    """A timm network for images of `size` px, on the automatically chosen device."""
    arguments = [
        "model=timm", f"model.name={name}", "model.weights=none", f"dataset.image_size={size}",
        f"training.batch_size={batch_size}", *overrides,
    ]  # fmt: skip
    cfg = parse_command_line(arguments).jobs[0]
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, find_weights(name, "none"), size)
    model = build_model(cfg.model, plan, CLASSES, seed=0)
    assert not is_depthwise(model.network), "Compute.depthwise would have to be set"
    compute = choose_compute("auto", precision, threads_per_process(1))
    return Workload(cfg, plan, model.to(compute.device), compute)


def random_pixels(count: int, size: int) -> np.ndarray:
    """uint8 (count, size, size, 3)."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def bare_step_rate(workload: Workload, steps: int) -> float:
    """Images per second of forward pass, backward pass and update, on one batch in memory."""
    images, labels = (workload.compute.move(tensor) for tensor in workload.batch())
    model, criterion = workload.model.train(), nn.CrossEntropyLoss()
    optimizer = workload.new_optimizer()
    start = time.perf_counter()
    for _ in range(steps):
        with workload.compute.precision(images):
            loss = criterion(model(images).float(), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    loss.item()  # waits for the device
    return workload.batch_size * steps / (time.perf_counter() - start)
