"""Dropout that costs little on a CPU."""

from __future__ import annotations

import torch
from torch import nn

_STEPS = 2**16


class Dropout(nn.Dropout):
    """`nn.Dropout`, with 16 random bits for each element where the tensor is on a CPU.

    PyTorch draws a whole random number for each element there: half a step of the basic CNN, whose
    flattened layer has 9 million in a batch. p is met to 1/65,536, and the scale is of the p that
    is met, so that the expectation stays exact. Drawn from PyTorch's default generator.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        dropped = round(self.p * _STEPS)
        if not self.training or not 0 < dropped < _STEPS or input.device.type != "cpu":
            return super().forward(input)
        words = torch.empty((input.numel() + 3) // 4, dtype=torch.int64)
        bits = words.random_(-(2**63), None).view(torch.int16)[: input.numel()]
        kept = (bits >= dropped - _STEPS // 2).view(input.shape)
        return input * (kept.to(input.dtype) * (_STEPS / (_STEPS - dropped)))
