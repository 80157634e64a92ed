"""The paper's basic CNN, among timm's models. An own model is a function like the last one."""

from __future__ import annotations

from typing import Any

import torch
from timm.models import register_model
from torch import nn


class BasicCNN(nn.Module):
    """`depth` convolutions 3×3 with ReLU; 2×2 max pooling between them; flatten.

    Channels start at `width` and double. With depth 1 and a dense last layer this is the paper's
    network: no pooling, no normalisation. Flattened is pixel by pixel, as Keras does and as the
    feature maps lie in memory.
    """

    def __init__(self, in_chans: int = 3, depth: int = 1, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_chans
        for level in range(depth):
            layers += [nn.MaxPool2d(2)] if level else []
            layers += [nn.Conv2d(channels, width * 2**level, 3), nn.ReLU(inplace=True)]
            channels = width * 2**level
        self.convolutions = nn.Sequential(*layers)
        self.num_features = channels

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.convolutions(images)

    def forward_head(self, features: torch.Tensor, pre_logits: bool = True) -> torch.Tensor:
        assert pre_logits, "the last layer is the Classifier's"
        return features.permute(0, 2, 3, 1).flatten(1)


@register_model
def basic_cnn(
    pretrained: bool = False,
    pretrained_cfg: Any = None,
    pretrained_cfg_overlay: Any = None,
    cache_dir: Any = None,
    num_classes: int = 0,
    in_chans: int = 3,
    depth: int = 1,
    width: int = 32,
) -> BasicCNN:
    """The arguments are those that timm hands to every model of its registry."""
    assert not pretrained and num_classes == 0
    return BasicCNN(in_chans, depth, width)
