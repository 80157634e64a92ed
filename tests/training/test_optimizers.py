"""Optimizers have the right class, groups and fused step; ours equals PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fashion_exp.errors import InputError
from fashion_exp.training.optimizers import build_optimizer, check_optimizer


def whole(backbone: nn.Module) -> list[tuple[list[nn.Parameter], float]]:
    """The backbone as one group with its full rate."""
    return [(list(backbone.parameters()), 1.0)]


def build(name: str = "Adam", **options: Any) -> torch.optim.Optimizer:
    return build_optimizer(
        name, nn.Linear(2, 2), whole(nn.Linear(3, 2)), lr=0.1, backbone_lr_factor=0.5,
        weight_decay=0, momentum=None, options=options,
    )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "NAdam", "Adafactor"]
)
def test_backbone_has_its_own_rate(name: str) -> None:
    optimizer = build(name)
    assert type(optimizer).__name__ == name
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.1]


def test_frozen_backbone_has_no_group() -> None:
    optimizer = build_optimizer(
        "SGD", nn.Linear(2, 2), [([], 1.0)], lr=1, backbone_lr_factor=1, weight_decay=0,
        momentum=0.5, options={},
    )  # fmt: skip
    assert [group["momentum"] for group in optimizer.param_groups] == [0.5]


def test_layers_have_their_share_of_the_backbones_rate() -> None:
    layers = [([nn.Parameter(torch.zeros(2))], share) for share in (0.25, 0.5)]
    optimizer = build_optimizer(
        "Adam", nn.Linear(2, 2), layers, lr=0.1, backbone_lr_factor=0.5, weight_decay=0,
        momentum=None, options={},
    )  # fmt: skip
    assert [group["lr"] for group in optimizer.param_groups] == [0.0125, 0.025, 0.1]


@pytest.mark.parametrize(("alpha", "eps"), [(0.99, 1e-8), (0.9, 1e-4)])
@pytest.mark.parametrize("weight_decay", [0, 0.1])
@pytest.mark.slow
def test_fused_rmsprop_equals_pytorch(alpha: float, eps: float, weight_decay: float) -> None:
    """Also for weights in channels-last memory format."""
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        convolution = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)
        networks.append(nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 2)))
    ours = build_optimizer(
        "RMSprop", networks[0], [], lr=1e-2, backbone_lr_factor=1,
        weight_decay=weight_decay, momentum=None, options={"alpha": alpha, "eps": eps},
    )  # fmt: skip
    theirs = torch.optim.RMSprop(networks[1].parameters(), 1e-2, alpha, eps, weight_decay)
    assert type(ours) is not type(theirs)
    images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for _ in range(20):
        for network, optimizer in zip(networks, (ours, theirs), strict=True):
            nn.functional.cross_entropy(network(images), torch.tensor([0, 1] * 3)).backward()
            optimizer.step()
            optimizer.zero_grad()
    for a, b in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize(
    ("name", "options", "fused"),
    [
        ("Adam", {}, True), ("SGD", {}, True), ("Adam", {"foreach": True}, None),
        ("RMSprop", {"centered": True}, None), ("NAdam", {}, None),
    ],
)  # fmt: skip
def test_step_is_fused_where_supported(
    name: str, options: dict[str, bool], fused: bool | None
) -> None:
    optimizer = build(name, **options)
    assert type(optimizer).__name__ == name
    assert optimizer.param_groups[0].get("fused") is fused


def test_rejects_unknown_names_and_arguments() -> None:
    with pytest.raises(InputError, match=r"optim\.name=Adm: .*did you mean Adam"):
        build("Adm")
    with pytest.raises(InputError, match=r"optim\.options\.beta: Adam has no such argument; did"):
        build(beta=1)
    with pytest.raises(InputError, match="refuses its arguments"):
        build(betas=[2, 3])


@pytest.mark.parametrize(
    ("name", "reason"),
    [("SparseAdam", "does not support dense gradients"), ("LBFGS", "several times per update"),
     ("Muon", "2D parameters")],
)  # fmt: skip
def test_optimizer_that_cannot_train_is_refused_before_the_first_batch(
    name: str, reason: str
) -> None:
    with pytest.raises(InputError, match=rf"{name}.*{reason}.*choose optim=adam") as refused:
        build_optimizer(
            name, nn.Conv2d(1, 1, 1), whole(nn.Linear(3, 2)), lr=0.1, backbone_lr_factor=1,
            weight_decay=0, momentum=None, options={},
        )  # fmt: skip
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [("Adamm", {}, "did you mean Adam"), ("LBFGS", {}, "several times per update"),
     ("Adam", {"foreach": "xyz"}, "Adam does not take this value")],
)  # fmt: skip
def test_mistake_is_found_without_a_model(
    name: str, options: dict[str, object], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        check_optimizer(name, options)


def test_rate_that_overflows_in_the_first_step_is_refused() -> None:
    with pytest.raises(InputError, match=r"optim\.name=Rprop: .*overflow"):
        build_optimizer(
            "Rprop", nn.Linear(2, 2), whole(nn.Linear(3, 2)), lr=1e300, backbone_lr_factor=1,
            weight_decay=0, momentum=None, options={},
        )  # fmt: skip


def test_building_draws_no_random_numbers() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    backbone, head = nn.Linear(3, 2), nn.Linear(2, 2)
    drawn = torch.get_rng_state()
    build_optimizer(
        "SGD", head, whole(backbone), lr=0.1, backbone_lr_factor=1, weight_decay=0, momentum=None,
        options={},
    )  # fmt: skip
    assert torch.equal(drawn, torch.get_rng_state()) and not torch.equal(drawn, before)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Adam", {"foreach": "xyz"}, "optim.options.foreach=xyz: Adam does not take this value"),
        ("Adam", {"betas": [0.1]}, "optim.options.betas"),
        ("Adam", {"eps": "a"}, "optim.options.eps=a"),
        ("Adam", {"betas": [0.1, 2.0]}, "Adam refuses its arguments"),
        ("Adam", {"fused": True, "foreach": True}, "Adam refuses its arguments"),
        ("SGD", {"nesterov": "maybe"}, "optim.options.nesterov=maybe"),
    ],
)
def test_option_of_another_type_is_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(name, **options)


def test_option_has_the_type_that_the_class_documents() -> None:
    (group, _) = build("Adam", betas=[0.1, 0.2], foreach="true").param_groups
    assert group["betas"] == (0.1, 0.2) and group["foreach"] is True
