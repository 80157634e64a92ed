"""Gradient checkpointing saves memory and changes nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils import checkpoint

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.experiment.trainee import build_trainee
from fashion_exp.models.plan import plan_model
from fashion_exp.models.weights import find_weights
from fashion_exp.training.device import Compute
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow

OPTION = "training.gradient_checkpointing=true"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("test_resnet", ("training.precision=fp32", "model.drop_path=0.5")),
        ("test_resnet", ("training.precision=bf16",)),
        ("test_efficientnet", ("training.precision=fp32",)),  # a batch norm ends its blocks
    ],
)
def test_recomputed_activations_change_no_bit_of_a_run(
    name: str,
    options: tuple[str, ...],
    tiny: Callable[..., TinyRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The network has batch norms, whose statistics must not be updated a second time."""
    calls = []
    function = checkpoint.checkpoint

    def count(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return function(*args, **kwargs)

    monkeypatch.setattr(checkpoint, "checkpoint", count)
    network = ("model=timm", f"model.name={name}", "model.weights=none", *options)
    plain = tiny(*network)
    assert not calls
    run = tiny(*network, OPTION)
    assert calls and run.text("history.csv") == plain.text("history.csv")
    assert run.predictions("test").equals(plain.predictions("test"))
    assert run.facts["job_hash"] == plain.facts["job_hash"]


def kept_bytes(name: str, *overrides: str) -> int:
    """Bytes that a forward pass keeps for the gradients."""
    (cfg,) = parse_command_line(
        ["model=timm", f"model.name={name}", "model.weights=none", *overrides]
    ).jobs
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, find_weights(name, "none"), 160)
    model = build_trainee(cfg, plan, 3, Compute(torch.device("cpu"), "fp32", 1)).model.train()
    sizes: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes[tensor.data_ptr()] = tensor.nbytes
        return tensor

    images = torch.zeros((4, 3, 160, 160), dtype=torch.uint8)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = model(images)
    assert logits.requires_grad
    return sum(sizes.values())


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
def test_fewer_activations_are_kept(name: str) -> None:
    assert kept_bytes(name, OPTION) < 0.8 * kept_bytes(name)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model.freeze=backbone",), "has no effect: the backbone is frozen"),
        (("model.name=vgg11",), "vgg11 has no blocks that timm can compute again"),
        (("training.compile=true",), "torch.compile chooses itself"),
    ],
)
def test_network_that_cannot_recompute_is_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kept_bytes("vgg11" if "vgg11" in message else "test_resnet", OPTION, *overrides)
