"""RMSprop on a CPU in one pass over the weights; PyTorch's own takes five."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from fashion_exp.training.compat import fused_adam

_STEPS_WITHOUT_CORRECTION = 1e12
"""Step count at which Adam's bias corrections are 1."""


class RMSprop(torch.optim.RMSprop):
    """`torch.optim.RMSprop` without momentum and not centered, equal up to rounding.

    Memory traffic of the optimizer bounds the step of a head with millions of weights and a small
    batch. PyTorch has fused steps for Adam and SGD only. RMSprop is Adam with β₁ = 0 and without
    bias correction. The state has the same layout as that of `torch.optim.RMSprop`.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if not parameters:  # all are frozen for now
                continue
            gradients = [p.grad for p in parameters]
            fused_adam(
                parameters, gradients, gradients, [self._next_squares(p) for p in parameters],
                [torch.tensor(_STEPS_WITHOUT_CORRECTION)] * len(parameters), lr=group["lr"],
                beta1=0.0, beta2=group["alpha"], weight_decay=group["weight_decay"],
                eps=group["eps"], maximize=group["maximize"],
            )  # fmt: skip

    def _next_squares(self, parameter: torch.Tensor) -> torch.Tensor:
        """Counts a step and returns the running mean of squared gradients."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["square_avg"] = torch.zeros_like(parameter)
        state["step"] += 1
        squares: torch.Tensor = state["square_avg"]
        return squares
