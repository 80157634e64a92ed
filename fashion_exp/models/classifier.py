"""The module shared by all models: pixels → features → logits, optionally partly frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fashion_exp.errors import InputError, suggest

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@dataclass(frozen=True)
class ParameterCounts:
    total: int
    trainable: int
    frozen: int
    head: int


class Classifier(nn.Module):
    """A timm network without its last layer, followed by our head.

    Maps uint8 images (n, channels, size, size) to logits (n, classes). `features` and `head` can
    be called separately, so that features of a frozen network are computed only once.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, network: nn.Module, new_head: bool, pool: str, mean: Sequence[float],
        std: Sequence[float], stage: str = "",
    ) -> None:  # fmt: skip
        """`stage` is the layer that features are taken from, averaged over the image; by default
        they are what the network's own classifier reads."""
        super().__init__()
        self.network: Any = network  # timm's models share forward_features and forward_head
        self.head: nn.Module = nn.Identity()
        self._new_head, self._pool = new_head, pool
        self._stage = _stage_index(network, stage) if stage else None
        self._frozen: tuple[nn.Module, ...] = ()
        self._held: tuple[nn.Module, ...] = ()
        self._trainable: tuple[nn.Parameter, ...] = ()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1) * 255, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(images))

    @property
    def backbones(self) -> Sequence[Classifier]:
        """The networks that give the features, each with the input of its own."""
        return [self]

    @property
    def evaluation_head(self) -> nn.Module:
        """From features to logits where the model is evaluated and used."""
        return self.head

    def inputs(self, images: torch.Tensor) -> list[list[torch.Tensor]]:
        """For each test-time view, what each backbone reads of `images`: uint8 (n, channels, size,
        size)."""
        return [[images]]

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The head's input, (n, width)."""
        return self.pool(self.feature_map(images))

    def feature_map(self, images: torch.Tensor) -> torch.Tensor:
        """What the network computes before it pools: (n, C, h, w), (n, h, w, C) or (n, tokens, C),
        depending on the network."""
        inputs = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        if self._stage is not None:
            feature_map: torch.Tensor = self.network.forward_intermediates(
                inputs, indices=[self._stage], stop_early=True, intermediates_only=True
            )[0]
            return feature_map
        feature_map = self.network.forward_features(inputs)
        return feature_map

    @property
    def map_channels(self) -> int:
        """Channels of the feature map."""
        if self._stage is not None:
            return int(self.network.feature_info[self._stage]["num_chs"])
        return int(self.network.num_features)

    def pool(self, feature_map: torch.Tensor) -> torch.Tensor:
        """From the feature map to the head's input, (n, width)."""
        if self._stage is not None:
            return feature_map.mean((2, 3))
        if not self._new_head:
            features: torch.Tensor = self.network.forward_head(feature_map, pre_logits=True)
            return features.flatten(1)
        if self._pool == "avg" and feature_map.ndim > 2:
            axis = channel_axis(feature_map, self.map_channels)
            return feature_map.mean([a for a in range(1, feature_map.ndim) if a != axis])
        return feature_map.flatten(1)

    def remove_later_stages(self) -> None:
        """Removes the layers behind the stage that features are taken from."""
        if self._stage is not None:
            self.network.prune_intermediate_layers([self._stage], prune_norm=True, prune_head=True)

    def freeze(self, up_to: str, option: str = "model.freeze") -> None:
        """Freezes the network ("backbone"), nothing ("none"), or all layers up to a named stage.

        Frozen modules stay in evaluation mode, which fixes batch-norm statistics and disables
        dropout. Raises `InputError`, which names the option, for a stage that the network does not
        have.
        """
        for parameter in self._parameters_up_to(up_to, option):
            parameter.requires_grad = False
        self._trainable = tuple(p for p in self.network.parameters() if p.requires_grad)
        self._frozen = self._held = () if up_to == "none" else self._frozen_modules()

    def hold(self, up_to: str) -> int:
        """Freezes more than `freeze` did, until the next call; returns the number of parameters of
        the network that are trained. A checkpoint has what is held too."""
        held = set(map(id, self._parameters_up_to(up_to, "model.unfreeze")))
        for parameter in self._trainable:
            parameter.requires_grad = id(parameter) not in held
        self._held = self._frozen_modules()
        return sum(p.numel() for p in self._trainable if p.requires_grad)

    def _frozen_modules(self) -> tuple[nn.Module, ...]:
        """The modules without a trained parameter, with all that is in them."""
        if not any(parameter.requires_grad for parameter in self.network.parameters()):
            return tuple(self.network.modules())
        frozen = [module for module in self.network.modules() if _is_frozen(module)]
        return tuple(dict.fromkeys(part for module in frozen for part in module.modules()))

    def _parameters_up_to(self, up_to: str, option: str) -> list[nn.Parameter]:
        if up_to == "none":
            return []
        stages = {name: module for name, module in self.network.named_modules() if name}
        if up_to == "backbone":
            return list(self.network.parameters())
        if up_to in stages:
            return _parameters_up_to(self.network, stages[up_to])
        names = [name for name, child in self.network.named_children() if [*child.parameters()]]
        raise InputError(
            f"{option}={up_to}: not auto, backbone, none or a stage of the network; "
            f"{suggest(up_to, stages) or 'stages: ' + ', '.join(names)}"
        )

    def train(self, mode: bool = True) -> Classifier:
        super().train(mode)
        for module in self._held:
            module.training = False
        return self

    @torch.no_grad()
    def single_value_norms(self, size: int, channels: int) -> list[str]:
        """Batch-norm layers that see one value per channel of one image, and are trained.

        Their statistics need a second image in every batch.
        """
        layers: list[str] = []

        def note(name: str, inputs: torch.Tensor) -> None:
            if inputs.shape[1:].numel() == inputs.shape[1]:
                layers.append(name)

        hooks = [
            module.register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs[0]))
            for name, module in self.named_modules()
            if isinstance(module, BATCH_NORMS) and module not in self._frozen
        ]
        if not hooks:
            return []
        was_training = self.training
        self.eval()
        try:
            device = self.mean.device
            self(torch.zeros(1, channels, size, size, dtype=torch.uint8, device=device))
        finally:
            self.train(was_training)
            for hook in hooks:
                hook.remove()
        return layers

    def trainable_state(self) -> dict[str, torch.Tensor]:
        """The tensors that training can change: the content of a checkpoint."""
        frozen = {
            id(tensor)
            for module in self._frozen
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))
        }
        state = self.state_dict(keep_vars=True)
        return {name: tensor for name, tensor in state.items() if id(tensor) not in frozen}

    @property
    def backbone_parameters(self) -> list[int]:
        """The number of parameters of each of `backbones`."""
        return [sum(p.numel() for p in part.network.parameters()) for part in self.backbones]

    def parameter_counts(self) -> ParameterCounts:
        head = sum(p.numel() for p in self.head.parameters())
        total = sum(self.backbone_parameters) + head
        trainable = sum(p.numel() for p in self.parameters() if p.requires_grad)
        return ParameterCounts(total, trainable, total - trainable, head)


def _stage_index(network: nn.Module, stage: str) -> int:
    """The position of a stage in timm's list. Raises `InputError` for a stage that is not there."""
    stages = [str(entry["module"]) for entry in getattr(network, "feature_info", None) or ()]
    if stage in stages and hasattr(network, "forward_intermediates"):
        return stages.index(stage)
    if not stages or not hasattr(network, "forward_intermediates"):
        raise InputError(f"stage {stage}: this network has no stages to take features from")
    raise InputError(
        f"stage {stage}: not in this network; "
        f"{suggest(stage, stages) or 'stages: ' + ', '.join(stages)}"
    )


def channel_axis(feature_map: torch.Tensor, channels: int) -> int:
    """Convolutional networks give (n, C, h, w); transformers (n, tokens, C) or (n, h, w, C)."""
    return 1 if feature_map.ndim == 4 and feature_map.shape[1] == channels else feature_map.ndim - 1


def _parameters_up_to(network: nn.Module, stage: nn.Module) -> list[nn.Parameter]:
    """Parameters in the order of definition, up to the stage's last one."""
    parameters = list(network.parameters())
    stage_ids = {id(parameter) for parameter in stage.parameters()}
    last = max((i for i, p in enumerate(parameters) if id(p) in stage_ids), default=-1)
    return parameters[: last + 1]


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
