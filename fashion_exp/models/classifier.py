"""One module for every model: pixels → features → logits, with a part of it frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fashion_exp.errors import InputError, suggest


@dataclass(frozen=True)
class ParameterReport:
    total: int
    trainable: int
    frozen: int
    head: int


class Classifier(nn.Module):
    """A network without its last layer, and a head of ours on what it gives.

    Takes uint8 images (n, channels, size, size); gives logits (n, classes). `features` and `head`
    are the two halves, so that features of a frozen network can be computed once.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, network: nn.Module, new_head: bool, pool: str, mean: Sequence[float],
        std: Sequence[float],
    ) -> None:  # fmt: skip
        super().__init__()
        self.network: Any = network  # timm's models share forward_features and forward_head
        self.head: nn.Module = nn.Identity()
        self._new_head, self._pool = new_head, pool
        self._frozen: tuple[nn.Module, ...] = ()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1) * 255, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """What the head reads, (n, width)."""
        inputs = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        feature_map: torch.Tensor = self.network.forward_features(inputs)
        if not self._new_head:
            features: torch.Tensor = self.network.forward_head(feature_map, pre_logits=True)
            return features.flatten(1)
        if self._pool == "avg" and feature_map.ndim > 2:
            channels = _channel_axis(feature_map, self.network.num_features)
            others = [axis for axis in range(1, feature_map.ndim) if axis != channels]
            return feature_map.mean(others)
        return feature_map.flatten(1)

    def freeze(self, upto: str) -> None:
        """Freezes the network ("backbone"), nothing ("none"), or all up to a named stage.

        Frozen parts stay in evaluation mode, so that their batch-norm statistics and dropout do.
        Raises `InputError` for a stage that the network does not have.
        """
        if upto == "none":
            return
        stages = {name: module for name, module in self.network.named_modules() if name}
        if upto == "backbone":
            chosen = list(self.network.parameters())
        elif upto in stages:
            chosen = _parameters_up_to(self.network, stages[upto])
        else:
            raise InputError(
                f"model.freeze={upto}: neither auto, backbone, none nor a stage of the network; "
                f"{suggest(upto, stages) or 'stages: ' + ', '.join(_outermost(stages))}"
            )
        for parameter in chosen:
            parameter.requires_grad = False
        self._frozen = tuple(module for module in self.network.modules() if _is_frozen(module))

    def train(self, mode: bool = True) -> Classifier:
        super().train(mode)
        for module in self._frozen:
            module.training = False
        return self

    @property
    def backbone_frozen(self) -> bool:
        return not any(parameter.requires_grad for parameter in self.network.parameters())

    def learned_state(self) -> dict[str, torch.Tensor]:
        """The part of the state that training can change: what a checkpoint has to hold."""
        untouched = {id(tensor) for module in self._frozen for tensor in _own_tensors(module)}
        return {
            name: tensor
            for name, tensor in self.state_dict(keep_vars=True).items()
            if id(tensor) not in untouched
        }

    def report(self) -> ParameterReport:
        sizes = [(p.numel(), p.requires_grad) for p in self.parameters()]
        total = sum(size for size, _ in sizes)
        trainable = sum(size for size, learns in sizes if learns)
        head = sum(parameter.numel() for parameter in self.head.parameters())
        return ParameterReport(total, trainable, total - trainable, head)


def _channel_axis(feature_map: torch.Tensor, channels: int) -> int:
    """Convolutional networks give (n, C, h, w); transformers (n, tokens, C) or (n, h, w, C)."""
    return 1 if feature_map.ndim == 4 and feature_map.shape[1] == channels else feature_map.ndim - 1


def _parameters_up_to(network: nn.Module, stage: nn.Module) -> list[nn.Parameter]:
    """Parameters in the order of definition, to the last of the stage's."""
    ordered = list(network.parameters())
    own = {id(parameter) for parameter in stage.parameters()}
    last = max((i for i, parameter in enumerate(ordered) if id(parameter) in own), default=-1)
    return ordered[: last + 1]


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def _own_tensors(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _outermost(stages: dict[str, nn.Module]) -> list[str]:
    return [name for name, module in stages.items() if "." not in name and any(module.parameters())]
