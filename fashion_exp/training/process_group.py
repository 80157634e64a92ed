"""Processes that train one model together, each on its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

Rows = TypeVar("Rows", np.ndarray, torch.Tensor)


class ProcessLostError(RuntimeError):
    """Another process of the team has ended, so that this one cannot go on."""


@dataclass(frozen=True)
class ProcessGroup:
    """This process's place among those that train together; alone unless said otherwise."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Among the processes of this machine: which of its GPUs is this one's."""

    @property
    def is_main_process(self) -> bool:
        """Whether it is this process that writes, tracks and shows."""
        return self.rank == 0

    def share(self, batch: Rows) -> Rows:
        """Every `size`th of a batch; the first one, which then has no part, where that is none."""
        own = batch[self.rank :: self.size]
        return own if len(own) else batch[:1]

    def part(self, labels: torch.Tensor, class_weights: torch.Tensor | None) -> float:
        """What this process's mean loss counts for in the mean loss of the whole batch.

        The mean of `CrossEntropyLoss` divides by the weights of the labels it saw, so that the
        parts are in proportion to these.
        """
        if self.size == 1:
            return 1.0
        weights = torch.ones(len(labels)) if class_weights is None else class_weights[labels]
        return float(weights[self.rank :: self.size].sum() / weights.sum())

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces each gradient by its sum over the processes, the same to the bit in all."""
        if self.size > 1:
            self._all(dist.all_reduce, [p.grad for p in parameters if p.grad is not None])

    def total(self, *values: torch.Tensor) -> None:
        """Replaces each value by its sum over the processes."""
        if self.size > 1:
            self._all(dist.all_reduce, list(values))

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Gives all the first process's running statistics: each has seen its own images."""
        if self.size > 1:
            self._all(lambda b, **told: dist.broadcast(b, 0, **told), list(model.buffers()))

    def merged(self, found: torch.Tensor, rows: int) -> torch.Tensor:
        """Results for all `rows`, in their order, where `found` has those of each one's share."""
        if self.size == 1:
            return found
        whole = torch.zeros(rows, *found.shape[1:])
        own = whole[self.rank :: self.size]
        own.copy_(found[: len(own)])
        self.total(whole)
        return whole

    def told(self, word: str) -> str:
        """What the first process says, in all of them."""
        words = [word]
        if self.size > 1:
            dist.broadcast_object_list(words, 0, device=torch.device("cpu"))
        return words[0]

    def wait(self) -> None:
        """Until all are here."""
        self.total(torch.zeros(()))

    def _all(self, operation: object, tensors: list[torch.Tensor]) -> None:
        """One collective operation on each tensor, all under way at once."""
        assert callable(operation)
        try:
            for handle in [operation(tensor, async_op=True) for tensor in tensors]:
                handle.wait()
        except RuntimeError as error:
            raise ProcessLostError(f"another of the {self.size} processes has ended") from error


def join_process_group() -> ProcessGroup:
    """The team that PyTorch's launcher started this process for; waits for all when first asked.

    Tensors on a CPU go through gloo, on a GPU through nccl.
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
