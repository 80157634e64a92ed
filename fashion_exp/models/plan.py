"""What a model will be, decided once before anything is loaded: weights, input, frozen part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fashion_exp.configuration.schema import DatasetConfig, ModelConfig, OptimConfig, Preprocessing
from fashion_exp.errors import InputError
from fashion_exp.models.weights import Weights


@dataclass(frozen=True)
class ModelPlan:
    weights: Weights
    freeze: str
    """backbone, none, or the last frozen stage."""
    size: int
    """Edge of the square input, px."""
    channels: int
    mean: tuple[float, ...]
    """Per channel, of pixels in [0, 1]."""
    std: tuple[float, ...]
    interpolation: str


def plan_model(
    cfg: ModelConfig, dataset: DatasetConfig, optim: OptimConfig, weights: Weights, native_size: int
) -> ModelPlan:
    """Input geometry and frozen part, from the weights' own metadata where there are weights.

    Raises `InputError` where the data set's knobs contradict the weights without
    `model.preprocessing=dataset`, and where a random backbone would be frozen unasked.
    """
    freeze = _freeze(cfg, weights)
    if freeze == "backbone" and optim.backbone_lr_factor != 1:
        raise InputError(
            f"optim.backbone_lr_factor={optim.backbone_lr_factor:g} cannot act: the backbone is "
            "frozen; model.freeze=none trains it"
        )
    wanted: dict[str, Any] = {
        "size": dataset.image_size,
        "mean": None if dataset.mean is None else tuple(dataset.mean),
        "std": None if dataset.std is None else tuple(dataset.std),
        "interpolation": dataset.interpolation.value if dataset.interpolation else None,
    }
    if weights.input is not None and cfg.preprocessing is Preprocessing.weights:
        own = vars(weights.input)
        _refuse_contradiction(wanted, own)
        wanted = own
    neutral = (0.5,) * dataset.channels
    return ModelPlan(
        weights,
        freeze,
        wanted["size"] or native_size,
        dataset.channels,
        _for_channels(wanted["mean"] or neutral, dataset.channels),
        _for_channels(wanted["std"] or neutral, dataset.channels),
        wanted["interpolation"] or "bilinear",
    )


def _refuse_contradiction(wanted: dict[str, Any], own: dict[str, Any]) -> None:
    for name, value in wanted.items():
        if value is not None and value != own[name]:
            knob = "image_size" if name == "size" else name
            raise InputError(
                f"dataset.{knob}={value}: the weights were trained with {own[name]}; leave it "
                "out, or insist with model.preprocessing=dataset"
            )


def _freeze(cfg: ModelConfig, weights: Weights) -> str:
    if cfg.freeze == "auto":
        return "none" if weights.path is None else "backbone"
    if cfg.freeze != "none" and weights.path is None and cfg.weights != "none":
        raise InputError(
            f"model.freeze={cfg.freeze}: the weights are random ({weights.source}), and a random "
            "backbone learns nothing while it is frozen; model.freeze=auto, model.weights=FILE, "
            "or type model.weights=none to insist"
        )
    return cfg.freeze


def _for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """RGB statistics for a grey input: their mean."""
    return values if len(values) == channels else (sum(values) / len(values),) * channels
