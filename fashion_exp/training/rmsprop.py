"""RMSprop on a CPU in one pass over the weights, where PyTorch takes five."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_LONG_AGO = 1e12
"""Steps after which Adam's bias corrections are 1."""


class RMSprop(torch.optim.RMSprop):
    """`torch.optim.RMSprop` without momentum and not centred, the same but for rounding.

    A head of millions of weights and a small batch is bound by the optimizer's reading and writing.
    PyTorch has fused steps for Adam and SGD only; Adam whose mean forgets at once (β₁ = 0) and
    whose corrections for a young average are over is RMSprop. The state is PyTorch's own.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            learned = [p for p in group["params"] if p.grad is not None]
            gradients = [p.grad for p in learned]
            torch._fused_adam_(
                learned, gradients, gradients, [self._squares(p) for p in learned], [],
                [torch.tensor(_LONG_AGO)] * len(learned), lr=group["lr"], beta1=0.0,
                beta2=group["alpha"], weight_decay=group["weight_decay"], eps=group["eps"],
                amsgrad=False, maximize=group["maximize"],
            )  # fmt: skip

    def _squares(self, parameter: torch.Tensor) -> torch.Tensor:
        """The running mean of the gradient's squares, with one more step on its count."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["square_avg"] = torch.zeros_like(parameter)
        state["step"] += 1
        squares: torch.Tensor = state["square_avg"]
        return squares
