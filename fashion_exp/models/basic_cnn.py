"""The paper's basic CNN."""

from __future__ import annotations

import torch
from torch import nn


class BasicCNN(nn.Module):
    """`depth` 3×3 convolutions with ReLU, 2×2 max pooling between them, then flatten.

    The number of channels starts at `width` and doubles. With depth 1 and a dense last layer this
    is the paper's network: no pooling, no normalization. Features are flattened pixel by pixel, as
    in Keras and in channels-last memory.
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

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """timm's description of the layers: each convolution is one."""
        return {"blocks": r"^convolutions\.(\d+)"}

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.convolutions(images)

    def forward_head(self, features: torch.Tensor, pre_logits: bool = True) -> torch.Tensor:
        assert pre_logits, "the last layer belongs to the Classifier"
        return features.permute(0, 2, 3, 1).flatten(1)


def basic_cnn(in_chans: int = 3, depth: int = 1, width: int = 32) -> BasicCNN:
    return BasicCNN(in_chans, depth, width)
