"""An exponential moving average of the weights over the updates of a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

INITIAL_UPDATES = 10
"""n in (1 + n) / (n + 10): the decay is limited in the first updates."""


class WeightAverage:
    """The average of tensors that a training changes; after each update a ← d·a + (1 − d)·tensor.

    d is `decay`, or (1 + n) / (10 + n) after n updates if that is less, as in TensorFlow's
    `ExponentialMovingAverage`: otherwise the initial weights would dominate a short training.
    Batch-norm statistics are averaged too; counters are copied.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], decay: float) -> None:
        self._tensors, self._decay = dict(tensors), decay
        self._values = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        self._updates = 0

    def update(self) -> None:
        """Adds the current values of the tensors."""
        decay = min(self._decay, (1 + self._updates) / (INITIAL_UPDATES + self._updates))
        pairs = [(self._values[name], tensor) for name, tensor in self._tensors.items()]
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        averages, current = ([pair[side] for pair in floats] for side in (0, 1))
        get_ema_multi_avg_fn(decay)(averages, current, self._updates)
        for value, tensor in pairs:
            if not value.is_floating_point():
                value.copy_(tensor)
        self._updates += 1

    def restore(self, values: Mapping[str, torch.Tensor], updates: int) -> None:
        """Continues from the average after a number of updates."""
        for name, value in values.items():
            self._values[name].copy_(value)
        self._updates = updates

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the tensors have the averaged values."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, tensor in self._tensors.items():
            value = self._values[name]
            tensor.data, value.data = value.data, tensor.data
