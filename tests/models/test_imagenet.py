"""The ImageNet classifier in a file of weights gives what the whole network gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fashion_exp.models.compat import import_timm
from fashion_exp.models.imagenet import CLASSES, find_classifier, imagenet_descriptions
from fashion_exp.models.plan import ModelPlan
from fashion_exp.models.weights import find_weights


def plan_of(path: Path) -> ModelPlan:
    weights = find_weights("test_efficientnet", str(path))
    return ModelPlan(weights, "backbone", 64, 3, (0.5,) * 3, (0.5,) * 3, "bilinear")


@torch.inference_mode()
def test_probabilities_equal_those_of_the_whole_network(tmp_path: Path) -> None:
    network = import_timm().create_model("test_efficientnet", num_classes=CLASSES).eval()
    save_file(network.state_dict(), tmp_path / "whole.safetensors")
    classifier = find_classifier("test_efficientnet", plan_of(tmp_path / "whole.safetensors"))
    assert classifier is not None
    images = torch.rand(2, 3, 64, 64)
    features = network.forward_head(network.forward_features(images), pre_logits=True)
    expected = network(images).softmax(1)
    assert torch.allclose(classifier.probabilities(features), expected, atol=1e-5)


@pytest.mark.parametrize("classes", [0, 10])
def test_weights_without_the_classifier_have_none(classes: int, tmp_path: Path) -> None:
    network = import_timm().create_model("test_efficientnet", num_classes=classes)
    save_file(network.state_dict(), tmp_path / "part.safetensors")
    plan = plan_of(tmp_path / "part.safetensors")
    assert find_classifier("test_efficientnet", plan) is None
    without_weights = replace(plan, weights=find_weights("test_efficientnet", "none"))
    assert find_classifier("test_efficientnet", without_weights) is None


def test_descriptions_are_those_of_the_classes() -> None:
    descriptions = imagenet_descriptions()
    assert len(descriptions) == CLASSES
    assert descriptions[610].startswith("jersey, T-shirt, tee shirt: ")
    assert descriptions[774].startswith("sandal: ")
