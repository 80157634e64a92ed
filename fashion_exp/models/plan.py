"""Resolved model settings, before anything is loaded: weights, input format, frozen part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fashion_exp.configuration.schema import (
    DatasetConfig,
    ModelConfig,
    OptimConfig,
    Preprocessing,
    single_backbones,
)
from fashion_exp.errors import InputError
from fashion_exp.models.views import photo_size

if TYPE_CHECKING:
    from fashion_exp.models.weights import Weights


@dataclass(frozen=True)
class ModelPlan:
    """The plan of a network; of the first one, if several stand side by side."""

    weights: Weights
    freeze: str
    """"backbone", "none", or the last frozen stage; in the last phase, if there are several."""
    size: int
    """Side of the square input, px."""
    channels: int
    mean: tuple[float, ...]
    """Per channel, for pixels in [0, 1]."""
    std: tuple[float, ...]
    interpolation: str
    beside: tuple[ModelPlan, ...] = ()
    """The plans of the other networks, in the order of `model.backbones`."""
    phases: tuple[tuple[int, str], ...] = ()
    """The first epoch, from 0, and the frozen part of each phase of `model.unfreeze`."""
    test_views: str = "none"
    """Views of a photo over which predictions are averaged."""

    @property
    def frozen_part(self) -> str:
        """In words: "backbone", or "backbone, from epoch 4 on none"."""
        first, *later = self.phases or ((0, self.freeze),)
        return ", ".join([first[1], *(f"from epoch {s + 1} on {part}" for s, part in later)])

    @property
    def freeze_option(self) -> str:
        """The option that `freeze` comes from."""
        return "model.unfreeze" if self.phases else "model.freeze"

    @property
    def reads_features(self) -> bool:
        """Whether the model is made for stored features: of several networks, or several views."""
        return bool(self.beside) or self.test_views != "none"

    @property
    def photo_size(self) -> int:
        """Side of the square photo whose views are evaluated, px."""
        return photo_size(self.test_views, self.size)

    @property
    def photo_formats(self) -> tuple[tuple[int, str], ...]:
        """As `input_formats`, of the photos that are evaluated."""
        return tuple(dict.fromkeys((p.photo_size, p.interpolation) for p in self.networks))

    @property
    def networks(self) -> tuple[ModelPlan, ...]:
        """The plan of each network by itself."""
        return (replace(self, beside=()), *self.beside)

    @property
    def weights_identity(self) -> str:
        """Short identifier of all weights, in the order of the networks."""
        return "+".join(plan.weights.identity for plan in self.networks)

    @property
    def weights_sha256(self) -> str:
        """The hashes of all files of weights, or "random", in the order of the networks."""
        return "+".join(plan.weights.sha256 or "random" for plan in self.networks)

    @property
    def trained_on(self) -> frozenset[str]:
        """Ids of our images that any of the weights were trained on."""
        return frozenset[str]().union(*(plan.weights.trained_on for plan in self.networks))

    @property
    def input_formats(self) -> tuple[tuple[int, str], ...]:
        """The different sizes, px, and interpolations that the networks read photos in."""
        return tuple(dict.fromkeys((plan.size, plan.interpolation) for plan in self.networks))


def plan_backbones(
    cfg: ModelConfig, dataset: DatasetConfig, optim: OptimConfig, weights: Sequence[Weights],
    native_size: int,
) -> ModelPlan:  # fmt: skip
    """The plan of one network, or of several side by side, each with its own input format.

    `weights` are those of each backbone. Raises `InputError` as `plan_model`, and unless several
    backbones are frozen.
    """
    singles = single_backbones(cfg)
    if len(singles) > 1:
        _require_frozen(cfg, singles, weights)
    first, *beside = (
        plan_model(single, dataset, optim, loaded, native_size)
        for single, loaded in zip(singles, weights, strict=True)
    )
    plan = replace(first, beside=tuple(beside))
    if plan.test_views != "none" and plan.freeze != "backbone":
        raise InputError(
            f"model.test_views={plan.test_views} needs a frozen backbone, whose features of the "
            "views are stored; set model.freeze=backbone or model.test_views=none"
        )
    return plan


def _require_frozen(
    cfg: ModelConfig, singles: Sequence[ModelConfig], weights: Sequence[Weights]
) -> None:
    if cfg.freeze not in ("auto", "backbone") or cfg.unfreeze:
        option, value = ("unfreeze", cfg.unfreeze) if cfg.unfreeze else ("freeze", cfg.freeze)
        raise InputError(
            f"model.{option}={value}: several backbones stand side by side only frozen; set "
            "model.freeze=backbone, or train one of them: model.name=NAME without model.backbones"
        )
    for single, loaded in zip(singles, weights, strict=True):
        if loaded.path is None and (cfg.freeze == "auto" or single.weights != "none"):
            raise InputError(
                f"model.backbones: {single.name}: {loaded.why_random}, and "
                "frozen random backbones learn nothing; give its weights with "
                f"'model.backbone_weights={{{single.name}: FILE}}', or force it with "
                "model.weights=none model.freeze=backbone"
            )


def plan_model(
    cfg: ModelConfig, dataset: DatasetConfig, optim: OptimConfig, weights: Weights, native_size: int
) -> ModelPlan:
    """Input format and frozen part; the weights' metadata take precedence over defaults.

    Raises `InputError` if dataset options contradict the weights without
    `model.preprocessing=dataset`, or if a backbone with random weights would be frozen.
    """
    freeze = _freeze(cfg, weights)
    phases = _phases(cfg, freeze) if cfg.unfreeze else ()
    freeze = phases[-1][1] if phases else freeze
    for name in ("backbone_lr_factor", "layer_decay"):
        if freeze == "backbone" and (value := getattr(optim, name)) != 1:
            raise InputError(
                f"optim.{name}={value:g} has no effect: the backbone is frozen; set "
                "model.freeze=none to train it"
            )
    input_format: dict[str, Any] = {
        "size": dataset.image_size,
        "mean": None if dataset.mean is None else tuple(dataset.mean),
        "std": None if dataset.std is None else tuple(dataset.std),
        "interpolation": dataset.interpolation.value if dataset.interpolation else None,
    }
    if weights.input is not None and cfg.preprocessing is Preprocessing.weights:
        _reject_contradiction(input_format, vars(weights.input))
        input_format = vars(weights.input)
    neutral = (0.5,) * dataset.channels
    return ModelPlan(
        weights,
        freeze,
        input_format["size"] or native_size,
        dataset.channels,
        _for_channels(input_format["mean"] or neutral, dataset.channels),
        _for_channels(input_format["std"] or neutral, dataset.channels),
        input_format["interpolation"] or "bilinear",
        test_views=cfg.test_views.value,
        phases=phases,
    )


def _phases(cfg: ModelConfig, freeze: str) -> tuple[tuple[int, str], ...]:
    if freeze == "none":
        raise InputError(
            "model.unfreeze has no effect: nothing is frozen at the start; set "
            "model.freeze=backbone and model.weights"
        )
    later = sorted((int(epochs), part) for epochs, part in cfg.unfreeze.items())
    return ((0, freeze), *later)


def _reject_contradiction(requested: dict[str, Any], trained: dict[str, Any]) -> None:
    for name, value in requested.items():
        if value is not None and value != trained[name]:
            option = "image_size" if name == "size" else name
            raise InputError(
                f"dataset.{option}={value}: the weights were trained with {trained[name]}; remove "
                f"the option, or to use {value} anyway: model.preprocessing=dataset"
            )


def _freeze(cfg: ModelConfig, weights: Weights) -> str:
    if cfg.freeze == "auto":
        return "none" if weights.path is None else "backbone"
    if cfg.freeze != "none" and weights.path is None and cfg.weights != "none":
        raise InputError(
            f"model.freeze={cfg.freeze}: {weights.why_random}, and a frozen "
            "random backbone learns nothing; set model.freeze=auto or model.weights=FILE, or "
            "model.weights=none to force it"
        )
    return cfg.freeze


def _for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """The values, or their mean for each channel if their number differs (grayscale input)."""
    return values if len(values) == channels else (sum(values) / len(values),) * channels
