"""Training loop and prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from fashion_exp.training.device import Compute
from fashion_exp.training.losses import Criterion
from fashion_exp.training.process_group import ProcessGroup


class Batches(Protocol):
    """Batches of an epoch: inputs of this process's shard, labels of the whole batch, or the share
    of each class in each input."""

    def __len__(self) -> int: ...
    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]: ...


class Average(Protocol):
    """Of the weights, over the updates."""

    def update(self) -> None: ...


class FeatureExtractor(Protocol):
    def eval(self) -> object: ...
    def features(self, images: torch.Tensor) -> torch.Tensor: ...


@dataclass(frozen=True)
class EpochResult:
    """Results of one epoch, measured on the training views while the model changed."""

    epoch: int
    loss: float
    """Mean of the criterion over the views."""
    accuracy: float
    lr: float
    """Of the head, at the last update."""
    updates: int
    seconds: float
    views: int


StepCallback = Callable[[int, int, int, torch.Tensor, torch.Tensor], None]
"""Called when an epoch starts and after every step with: epoch, from 0; steps done; views seen in
this epoch; and this process's sums of loss and of correct predictions, on the device."""


def fit(
    model: nn.Module,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    criterion: Criterion,
    lr_factor: Callable[[float], float],
    compute: Compute,
    group: ProcessGroup,
    *,
    epochs: range,
    accumulate: int,
    clip_norm: float | None,
    average: Average | None,
    seed_of_epoch: Callable[[int], int],
    on_step: StepCallback,
) -> Iterator[EpochResult]:
    """Trains and yields after each epoch, so that the caller can evaluate, save or stop.

    An epoch depends on its number and the state of model and optimizer alone. `lr_factor` maps time
    in epochs to a factor of each parameter group's rate. Losses and updates of several processes
    equal those of one, except for rounding, dropout and batch-norm statistics.
    """
    class_weights = None if criterion.weight is None else criterion.weight.cpu()
    for epoch in epochs:
        start = time.perf_counter()
        torch.manual_seed(seed_of_epoch(epoch) + group.rank)  # dropout
        model.train()
        loss_sum = torch.zeros((), device=compute.device)
        correct = torch.zeros((), device=compute.device, dtype=torch.int64)
        views, updates, pending = 0, 0, 0
        on_step(epoch, 0, 0, loss_sum, correct)
        for step, (inputs, batch_labels) in enumerate(batches.epoch(epoch), start=1):
            if pending == 0:
                set_learning_rate(optimizer, lr_factor(epoch + views / len(batches)))
            weight = group.loss_weight(batch_labels, class_weights)
            inputs, labels = compute.move(inputs), compute.move(group.shard(batch_labels))
            with compute.precision(inputs):
                logits = model(inputs)
                loss = criterion(logits.float(), labels) * weight
            (loss / accumulate).backward()
            views, pending = views + len(batch_labels), pending + 1
            if pending == accumulate or views == len(batches):
                group.sum_gradients(model.parameters())
                if clip_norm is not None:
                    nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
                optimizer.step()
                optimizer.zero_grad()
                if average is not None:
                    average.update()
                updates, pending = updates + 1, 0
            loss_sum += loss.detach() * len(batch_labels)
            correct += criterion.count_right(logits.detach(), labels) * (weight > 0)
            on_step(epoch, step, views, loss_sum, correct)
        group.all_reduce(loss_sum, correct)
        group.broadcast_buffers(model)
        mean_loss = float(loss_sum) / views
        seconds = time.perf_counter() - start
        lr = optimizer.param_groups[-1]["lr"]
        yield EpochResult(epoch, mean_loss, float(correct) / views, lr, updates, seconds, views)


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("full_lr", group["lr"]) * factor


@torch.inference_mode()
def predict(
    model: nn.Module, batches: Iterator[torch.Tensor], compute: Compute, several: bool = False
) -> torch.Tensor:
    """Class probabilities (n, classes), float32 on the CPU, in the order of the inputs.

    With `several`, each class has a probability of its own. They are nan for an input with a logit
    that is not finite.
    """
    model.eval()
    probabilities = []
    for inputs in batches:
        with compute.precision(inputs):
            logits = model(compute.move(inputs))
        logits = logits.float().cpu()
        is_finite = logits.isfinite().all(1, keepdim=True)
        shares = logits.sigmoid() if several else logits.softmax(1)
        probabilities.append(shares.masked_fill(~is_finite, torch.nan))
    return torch.cat(probabilities)


@torch.inference_mode()
def extract_features(
    model: FeatureExtractor, images: torch.Tensor, compute: Compute
) -> torch.Tensor:
    """The head's input for a batch, (n, width) on the CPU, in the network's output dtype."""
    model.eval()
    with compute.precision(images):
        return model.features(compute.move(images)).cpu()
