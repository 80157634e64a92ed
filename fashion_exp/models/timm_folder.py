"""Writes a classifier as a folder that `timm.create_model("local-dir:…")` loads."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from fashion_exp.errors import InputError
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.one_vs_rest import OneVsRest
from fashion_exp.models.plan import ModelPlan
from fashion_exp.models.registry import find_builder

CROP_MODES = {"crop": "center", "pad": "border", "stretch": "squash"}


def save_timm_folder(
    folder: Path, model: Classifier, name: str, plan: ModelPlan, fit: str, classes: tuple[str, ...],
    temperature: float,
) -> None:  # fmt: skip
    """Writes config.json and model.safetensors; the last layer is divided by the temperature.

    Raises `InputError` for a model that timm's network does not express.
    """
    if find_builder(name):
        raise InputError(f"{name} is no model of timm; export it with --format onnx or pt2")
    if any(isinstance(layer, OneVsRest) for layer in model.head.modules()):
        raise InputError(
            "timm's networks have softmax probabilities, but training.loss=bce has others; export "
            "the model with --format onnx or pt2"
        )
    import timm
    from timm.models import save_for_hf

    network = timm.create_model(name, num_classes=len(classes), in_chans=plan.channels)
    classifier = network.get_classifier()
    linear = [layer for layer in model.head.modules() if isinstance(layer, nn.Linear)]
    last = linear[-1]
    loaded = network.load_state_dict(model.network.state_dict(), strict=False)
    fits = (
        len(linear) == 1
        and isinstance(classifier, nn.Linear)
        and classifier.weight.shape == last.weight.shape
        and not loaded.unexpected_keys
        and {network.get_parameter(key) for key in loaded.missing_keys}
        <= {*classifier.parameters()}
    )
    if not fits:
        raise InputError(
            f"the model has another head than timm's {name} (model.head, model.hidden); export it "
            "with --format onnx or pt2"
        )
    with torch.no_grad():
        classifier.weight.copy_(last.weight / temperature)
        classifier.bias.copy_(last.bias / temperature)
    # timm reads preprocessing from here only.
    network.pretrained_cfg = {
        **network.pretrained_cfg,
        "input_size": (plan.channels, plan.size, plan.size),
        "mean": plan.mean,
        "std": plan.std,
        "interpolation": plan.interpolation,
        "crop_pct": 1.0,
        "crop_mode": CROP_MODES[fit],
        "test_input_size": None,
        "test_crop_pct": None,
    }
    config = {"num_classes": len(classes), "label_names": list(classes)}
    arguments = {"in_chans": plan.channels} if plan.channels != 3 else None
    save_for_hf(network, str(folder), config, arguments, safe_serialization=True)
