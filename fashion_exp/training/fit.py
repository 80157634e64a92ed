"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from fashion_exp.training.device import Compute
from fashion_exp.training.process_group import ProcessGroup


class Batches(Protocol):
    """Inputs of this process's share of a batch, labels of the whole batch."""

    def __len__(self) -> int: ...
    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]: ...


class Evaluable(Protocol):
    def eval(self) -> object: ...


class HasFeatures(Evaluable, Protocol):
    def features(self, images: torch.Tensor) -> torch.Tensor: ...


class Diverged(Exception):
    """The loss is no longer a number; the message says when."""


@dataclass(frozen=True)
class EpochResult:
    """Sums over one epoch's training views, as the model was while it learned."""

    epoch: int
    loss: float
    """Mean over views of the criterion."""
    accuracy: float
    lr: float
    updates: int
    seconds: float
    views: int


Tick = Callable[[int, int, int, torch.Tensor, torch.Tensor], None]
"""Told as an epoch begins and after every step: the epoch, from 0; the steps done; the epoch's
views so far, and what this process has of their summed loss and hits, on the device."""


def fit(
    model: nn.Module,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    criterion: nn.CrossEntropyLoss,
    lr_factor: Callable[[float], float],
    compute: Compute,
    team: ProcessGroup,
    *,
    epochs: range,
    accumulate: int,
    clip_norm: float | None,
    seed_of_epoch: Callable[[int], int],
    tick: Tick,
) -> Iterator[EpochResult]:
    """Trains epoch by epoch, giving back after each, so that the caller can evaluate, save, stop.

    An epoch is a function of the model and optimizer as they stand and of its number alone.
    `lr_factor` gives the share of each group's full rate at a time in epochs. A team's losses and
    updates are those of one process, but for rounding, dropout and batch-norm's statistics. Raises
    `Diverged` after an epoch whose loss is not finite.
    """
    full_rates = [group.setdefault("full_lr", group["lr"]) for group in optimizer.param_groups]
    class_weights = None if criterion.weight is None else criterion.weight.cpu()
    for epoch in epochs:
        started = time.perf_counter()
        torch.manual_seed(seed_of_epoch(epoch) + team.rank)  # dropout
        model.train()
        loss_sum = torch.zeros((), device=compute.device)
        hits = torch.zeros((), device=compute.device, dtype=torch.int64)
        views, updates, pending = 0, 0, 0
        tick(epoch, 0, 0, loss_sum, hits)
        for step, (inputs, labels) in enumerate(batches.epoch(epoch), start=1):
            if pending == 0:
                for group, rate in zip(optimizer.param_groups, full_rates, strict=True):
                    group["lr"] = rate * lr_factor(epoch + views / len(batches))
            part = team.part(labels, class_weights)
            inputs, own = compute.move(inputs), compute.move(team.share(labels))
            with compute.precision(inputs):
                logits = model(inputs)
                loss = criterion(logits.float(), own) * part
            (loss / accumulate).backward()
            views, pending = views + len(labels), pending + 1
            if pending == accumulate or views == len(batches):
                team.sum_gradients(model.parameters())
                if clip_norm is not None:
                    nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
                optimizer.step()
                optimizer.zero_grad()
                updates, pending = updates + 1, 0
            loss_sum += loss.detach() * len(labels)
            hits += (logits.detach().argmax(1) == own).sum() * (part > 0)
            tick(epoch, step, views, loss_sum, hits)
        team.total(loss_sum, hits)
        team.broadcast_buffers(model)
        mean_loss = float(loss_sum) / views
        if not math.isfinite(mean_loss):
            raise Diverged(f"the training loss became {mean_loss} in epoch {epoch + 1}")
        seconds = time.perf_counter() - started
        lr = optimizer.param_groups[-1]["lr"]
        yield EpochResult(epoch, mean_loss, float(hits) / views, lr, updates, seconds, views)


@torch.inference_mode()
def predict(model: nn.Module, inputs: Iterator[torch.Tensor], compute: Compute) -> torch.Tensor:
    """Class probabilities (n, classes) float32 on the CPU, in the order of the inputs."""
    return torch.cat([p.softmax(1) for p in _apply(model, inputs, compute)])


@torch.inference_mode()
def extract(model: HasFeatures, images: torch.Tensor, compute: Compute) -> torch.Tensor:
    """What the head reads of a batch, (n, width) on the CPU, in the type that the network gave."""
    model.eval()
    with compute.precision(images):
        return model.features(compute.move(images)).cpu()


def _apply(
    model: nn.Module, inputs: Iterator[torch.Tensor], compute: Compute
) -> Iterator[torch.Tensor]:
    model.eval()
    for batch in inputs:
        with compute.precision(batch):
            result = model(compute.move(batch))
        yield result.float().cpu()
