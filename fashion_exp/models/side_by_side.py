"""Several frozen networks side by side, or several views of a photo, which one head reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from fashion_exp.errors import InputError
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.views import ViewMean, views_of

if TYPE_CHECKING:
    from fashion_exp.models.plan import ModelPlan


class SideBySide(Classifier):
    """Backbones whose features are joined in the order of the backbones, followed by our head.

    Each backbone is what it would be alone, with its own input format, so its features are equal
    bit for bit. The images of several formats are packed: uint8 (n, channels, 1, pixels) with the
    pixels of each format one after the other, as `data.geometry.PackedGeometry` lays them out.
    Features are not scaled. With test-time views those of all views are joined, view by view.
    """

    def __init__(self, backbones: Sequence[Classifier], plan: ModelPlan) -> None:
        super().__init__(nn.ModuleList(backbones), False, "avg", plan.mean, plan.std)
        formats = plan.photo_formats
        self._sizes = [size for size, _ in formats]
        networks = plan.networks
        self._positions = [formats.index((p.photo_size, p.interpolation)) for p in networks]
        views = [views_of(plan.test_views, network.size) for network in networks]
        self._views = [*zip(*views, strict=True)]  # by view, then by backbone

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.evaluation_head(self.features(images))
        return logits

    @property
    def backbones(self) -> Sequence[Classifier]:
        return list(self.network)

    @property
    def evaluation_head(self) -> nn.Module:
        return self.head if len(self._views) == 1 else ViewMean(self.head, len(self._views))

    def inputs(self, images: torch.Tensor) -> list[list[torch.Tensor]]:
        unpacked = self._unpack(images)
        photos = [unpacked[position] for position in self._positions]
        return [
            [view.of_batch(photo) for view, photo in zip(views, photos, strict=True)]
            for views in self._views
        ]

    def _unpack(self, images: torch.Tensor) -> list[torch.Tensor]:
        if len(self._sizes) == 1:
            return [images]
        parts = images.split([size**2 for size in self._sizes], dim=3)
        return [
            part.unflatten(3, (size, size)).squeeze(2)
            for part, size in zip(parts, self._sizes, strict=True)
        ]

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat(
            [
                backbone.features(inputs)
                for by_backbone in self.inputs(images)
                for backbone, inputs in zip(self.backbones, by_backbone, strict=True)
            ],
            dim=1,
        )

    def feature_map(self, images: torch.Tensor) -> torch.Tensor:
        raise InputError("several networks or views side by side have no common feature map")


@dataclass(frozen=True)
class StoredNetwork:
    """A frozen network whose features are all stored."""

    width: int
    """Of its features."""
    parameters: int


class HeadAlone(SideBySide):
    """A head on stored features, without the frozen networks, which are built if they are asked
    for after all. It cannot be applied to images."""

    def __init__(
        self, stored: Sequence[StoredNetwork], plan: ModelPlan,
        build_backbones: Callable[[], Sequence[Classifier]],
    ) -> None:  # fmt: skip
        super().__init__((), plan)
        self._stored, self._build_backbones = stored, build_backbones

    @property
    def backbones(self) -> Sequence[Classifier]:
        return self._build_backbones()

    @property
    def backbone_parameters(self) -> list[int]:
        return [network.parameters for network in self._stored]
