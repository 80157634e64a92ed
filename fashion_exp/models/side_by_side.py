"""Several frozen networks side by side, whose features one head reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from fashion_exp.errors import InputError
from fashion_exp.models.classifier import Classifier

if TYPE_CHECKING:
    from fashion_exp.models.plan import ModelPlan


class SideBySide(Classifier):
    """Backbones whose features are joined in the order of the backbones, followed by our head.

    Each backbone is what it would be alone, with its own input format, so its features are equal
    bit for bit. The images are packed: uint8 (n, channels, 1, pixels) with the pixels of every
    input format one after the other, as `data.geometry.PackedGeometry` lays them out. Features are
    not scaled.
    """

    def __init__(self, backbones: Sequence[Classifier], plan: ModelPlan) -> None:
        super().__init__(nn.ModuleList(backbones), False, "avg", plan.mean, plan.std)
        formats = plan.input_formats
        self._sizes = [size for size, _ in formats]
        self._positions = [formats.index((p.size, p.interpolation)) for p in plan.networks]

    @property
    def backbones(self) -> Sequence[Classifier]:
        return list(self.network)

    def inputs(self, images: torch.Tensor) -> list[torch.Tensor]:
        if len(self._sizes) == 1:
            return [images] * len(self._positions)
        parts = images.split([size**2 for size in self._sizes], dim=3)
        unpacked = [
            part.unflatten(3, (size, size)).squeeze(2)
            for part, size in zip(parts, self._sizes, strict=True)
        ]
        return [unpacked[position] for position in self._positions]

    def features(self, images: torch.Tensor) -> torch.Tensor:
        pairs = zip(self.backbones, self.inputs(images), strict=True)
        return torch.cat([backbone.features(inputs) for backbone, inputs in pairs], dim=1)

    def feature_map(self, images: torch.Tensor) -> torch.Tensor:
        raise InputError("several networks side by side have no common feature map")
