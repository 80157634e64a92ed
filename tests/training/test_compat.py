"""The private APIs of PyTorch that `training/compat.py` uses still exist."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import torch
from torch.utils import _triton

from fashion_exp.training.compat import fused_adam, without_compiler


def test_fused_adam_has_the_expected_signature() -> None:
    arguments = [
        argument.name for argument in torch.ops.aten._fused_adam_.default._schema.arguments
    ]
    assert arguments == [
        "self", "grads", "exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs", "state_steps", "lr", "beta1",
        "beta2", "weight_decay", "eps", "amsgrad", "maximize", "grad_scale", "found_inf",
    ]  # fmt: skip


def test_fused_adam_equals_adam() -> None:
    weights = torch.arange(4.0)
    reference = torch.nn.Parameter(weights.clone())
    optimizer = torch.optim.Adam([reference], lr=0.1, betas=(0.8, 0.9), weight_decay=0.2)
    reference.grad = torch.tensor([1.0, -2.0, 3.0, 0.5])
    optimizer.step()
    means, squares = torch.zeros(4), torch.zeros(4)
    fused_adam(
        [weights], [reference.grad], [means], [squares], [torch.ones(())], lr=0.1, beta1=0.8,
        beta2=0.9, weight_decay=0.2, eps=1e-8, maximize=False,
    )  # fmt: skip
    assert torch.allclose(weights, reference)


def test_has_triton_needs_no_arguments() -> None:
    parameters = inspect.signature(_triton.has_triton).parameters.values()
    assert all(p.default is not inspect.Parameter.empty for p in parameters)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_optimizer_without_compiler_hooks_takes_the_same_steps(
    kind: type[torch.optim.Optimizer],
) -> None:
    weights = [torch.nn.Parameter(torch.arange(4.0)) for _ in range(2)]
    classes = (kind, without_compiler(kind))
    for weight, optimizer_class in zip(weights, classes, strict=True):
        optimizer = optimizer_class([{"params": [weight], "lr": 0.1}], lr=0.1)  # type: ignore[call-arg]
        for gradient in (1.0, -2.0):
            weight.grad = torch.full((4,), gradient)
            optimizer.step()
            optimizer.zero_grad()
        state = optimizer.state_dict()
        optimizer.load_state_dict(state)
    assert torch.equal(weights[0], weights[1]) and weights[1].grad is None


@pytest.mark.slow
def test_training_step_does_not_import_the_compiler() -> None:
    code = (
        "import sys, torch\n"
        "from fashion_exp.training.compat import without_compiler\n"
        "weight = torch.nn.Parameter(torch.ones(2))\n"
        "optimizer = without_compiler(torch.optim.Adam)([weight], lr=0.1, fused=True)\n"
        "weight.sum().backward(); optimizer.step(); optimizer.zero_grad(); optimizer.state_dict()\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
