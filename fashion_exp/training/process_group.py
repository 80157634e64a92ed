"""Data-parallel training: the processes of a group, each with a shard of every batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

Rows = TypeVar("Rows", np.ndarray, torch.Tensor)


class ProcessLostError(RuntimeError):
    """Another process of the group has ended, so this one cannot continue."""


@dataclass(frozen=True)
class ProcessGroup:
    """This process's position among those that train together. The default is a single process."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Rank among the processes of this machine: the index of this process's GPU."""

    @property
    def is_main_process(self) -> bool:
        """Whether this process writes files, tracks and shows progress."""
        return self.rank == 0

    def shard(self, batch: Rows) -> Rows:
        """Every `size`th row of a batch; row 0 with a loss weight of 0 if the shard is empty."""
        rows = batch[self.rank :: self.size]
        return rows if len(rows) else batch[:1]

    def loss_weight(self, labels: torch.Tensor, class_weights: torch.Tensor | None) -> float:
        """Weight of this shard's mean loss in the mean loss of the whole batch.

        `labels` are those of the whole batch: classes, or the share of each class in each image.
        `Criterion` divides by the sum of the images' weights, so the shards' weights are
        proportional to these sums.
        """
        if self.size == 1:
            return 1.0
        if class_weights is None:
            weights = torch.ones(len(labels))
        else:
            weights = class_weights[labels] if labels.ndim == 1 else labels @ class_weights
        return float(weights[self.rank :: self.size].sum() / weights.sum())

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces each gradient by its sum over the processes, identical in all of them."""
        self.all_reduce(*(p.grad for p in parameters if p.grad is not None))

    def all_reduce(self, *values: torch.Tensor) -> None:
        """Replaces each value by its sum over the processes."""
        self._run(dist.all_reduce, values)

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Copies the main process's buffers, such as batch-norm statistics, to all processes."""
        self._run(lambda buffer, **options: dist.broadcast(buffer, 0, **options), model.buffers())

    def gather(self, shard: torch.Tensor, rows: int) -> torch.Tensor:
        """Results for all `rows` in their order, from the results for each process's shard."""
        if self.size == 1:
            return shard
        whole = torch.zeros(rows, *shard.shape[1:])
        target = whole[self.rank :: self.size]
        target.copy_(shard[: len(target)])
        self.all_reduce(whole)
        return whole

    def broadcast(self, message: str) -> str:
        """The main process's message, in all processes."""
        messages = [message]
        if self.size > 1:
            dist.broadcast_object_list(messages, 0, device=torch.device("cpu"))
        return messages[0]

    def barrier(self) -> None:
        """Waits until all processes have reached this call."""
        self.all_reduce(torch.zeros(()))

    def _run(self, operation: Callable[..., Any], tensors: Iterable[torch.Tensor]) -> None:
        """Runs a collective operation on all tensors concurrently, if there are other processes."""
        if self.size == 1:
            return
        try:
            for handle in [operation(tensor, async_op=True) for tensor in tensors]:
                handle.wait()
        except RuntimeError as error:
            raise ProcessLostError(f"another of the {self.size} processes has ended") from error


def join_process_group() -> ProcessGroup:
    """Joins the group of PyTorch's launcher; the first call waits for all processes.

    Collective operations use gloo on CPUs and nccl on GPUs.
    """
    local_rank = int(os.environ["LOCAL_RANK"])
    if not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(local_rank % torch.cuda.device_count())
        dist.init_process_group()
    return ProcessGroup(dist.get_rank(), dist.get_world_size(), local_rank)


def leave_process_group() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
