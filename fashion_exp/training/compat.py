"""Private APIs of PyTorch. The highest version checked is torch 2.15.0.

`tests/training/test_compat.py` fails when a later version no longer has it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch


def fused_adam(
    parameters: list[torch.Tensor],
    gradients: list[torch.Tensor],
    means: list[torch.Tensor],
    squares: list[torch.Tensor],
    steps: list[torch.Tensor],
    *,
    lr: float,
    beta1: float,
    beta2: float,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """One step of Adam (Kingma and Ba, 2015) in a single pass over the weights, in place.

    `means` and `squares` are the running averages of the gradients and of their squares.
    """
    torch._fused_adam_(
        parameters, gradients, means, squares, [], steps, lr=lr, beta1=beta1, beta2=beta2,
        weight_decay=weight_decay, eps=eps, amsgrad=False, maximize=maximize,
    )  # fmt: skip


def has_triton() -> bool:
    """Whether the compiler's GPU backend is installed and usable."""
    from torch.utils import _triton

    return bool(_triton.has_triton())


def without_compiler(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """The same optimizer class, without the hooks that import PyTorch's compiler.

    The hooks only matter if the optimizer itself is compiled, which it never is here. Importing the
    compiler takes about a second.
    """
    for name in ("add_param_group", "state_dict", "load_state_dict", "zero_grad"):
        method = inspect.unwrap(getattr(torch.optim.Optimizer, name))
        vars(method)["__dynamo_disable"] = method
    plain_step: Callable[..., Any] = inspect.unwrap(kind.step)

    def step(self: torch.optim.Optimizer, closure: Callable[[], float] | None = None) -> Any:
        with torch.set_grad_enabled(bool(self.defaults.get("differentiable"))):
            return plain_step(self, closure)

    return type(kind.__name__, (kind,), {"step": step})
