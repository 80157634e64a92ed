"""Layers get the learning rates that timm would give those of a network with its own classifier."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.models.basic_cnn import BasicCNN
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.layers import layer_groups
from fashion_exp.models.plan import plan_model
from fashion_exp.models.weights import find_weights


def shares(network: nn.Module, decay: float) -> dict[str, float]:
    groups = layer_groups(network, decay)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {names[id(p)]: share for parameters, share in groups for p in parameters}


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
def test_shares_equal_timms_for_the_network_with_its_classifier(name: str) -> None:
    whole = timm.create_model(name, num_classes=3)
    names = {id(parameter): key for key, parameter in whole.named_parameters()}
    groups = param_groups_layer_decay(whole, weight_decay_exclude_1d=False, layer_decay=0.5)
    expected = {names[id(p)]: group["lr_scale"] for group in groups for p in group["params"]}
    classifier = [key for key in expected if key.startswith(("fc", "head.", "classifier"))]
    assert [expected.pop(key) for key in classifier] == [1.0, 1.0]
    assert shares(timm.create_model(name, num_classes=0), 0.5) == pytest.approx(expected)


def test_share_halves_from_each_layer_to_the_one_below() -> None:
    network = BasicCNN(depth=3)
    values = shares(network, 0.5)
    assert [values[f"convolutions.{i}.weight"] for i in (0, 3, 6)] == [0.125, 0.25, 0.5]


def test_decay_of_one_gives_one_group_of_the_trainable_parameters() -> None:
    network = BasicCNN(depth=2)
    network.convolutions[0].requires_grad_(False)
    ((parameters, share),) = layer_groups(network, 1.0)
    assert share == 1 and len(parameters) == 2
    (halved,) = {group_share for _, group_share in layer_groups(network, 0.5)}
    assert halved == 0.5, "a frozen layer below changes nothing"


def dropped_paths(*overrides: str) -> tuple[Classifier, list[tuple[bool, float]]]:
    """A tiny network, and whether each residual branch can be dropped, and how probably."""
    (cfg,) = parse_command_line(
        ["model=timm", "model.name=test_resnet", "model.weights=none", *overrides]
    ).jobs
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, find_weights("test_resnet", "none"), 32)
    model = build_model(cfg.model, plan, 3, 0).train()
    paths = [module for module in model.modules() if isinstance(module, timm.layers.DropPath)]
    return model, [(path.training, path.drop_prob) for path in paths]


def test_stochastic_depth_rises_to_the_last_branch_and_spares_frozen_ones() -> None:
    model, paths = dropped_paths("model.drop_path=0.3")
    assert [rate for _, rate in paths] == pytest.approx([0.1, 0.2, 0.3])
    assert all(active for active, _ in paths)
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    plain, none = dropped_paths()
    assert not none
    with torch.no_grad():
        assert torch.equal(model.eval()(images), plain.eval()(images))
    _, paths = dropped_paths("model.drop_path=0.3", "model.freeze=layer2")
    assert [active for active, _ in paths] == [False, True, True]


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.name=vgg11",),
        ("model.freeze=backbone",),
        ("model=basic_cnn", "model.name=basic_cnn"),
    ],
)
def test_stochastic_depth_without_effect_is_refused(overrides: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"model\.drop_path=0\.3 has no effect"):
        dropped_paths("model.drop_path=0.3", "dataset.image_size=64", *overrides)
