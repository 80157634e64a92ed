"""Layers get the learning rates that timm would give those of a network with its own classifier."""

from __future__ import annotations

import pytest
import timm
from timm.optim import param_groups_layer_decay
from torch import nn

from fashion_exp.models.basic_cnn import BasicCNN
from fashion_exp.models.layers import layer_groups


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
