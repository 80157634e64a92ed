"""Test-time views: several crops or mirror images of one photo, over which predictions average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

CROP_SHARE = 0.875
"""Side of a crop as a share of the photo's; the share that most networks of timm state."""


@dataclass(frozen=True)
class View:
    """A square of a square photo, px from its upper left corner, mirrored or not."""

    top: int
    left: int
    size: int
    mirrored: bool = False

    def of_image(self, image: np.ndarray) -> np.ndarray:
        """For an array (side, side, channels)."""
        part = image[self.top : self.top + self.size, self.left : self.left + self.size]
        return np.ascontiguousarray(part[:, ::-1]) if self.mirrored else part

    def of_batch(self, images: torch.Tensor) -> torch.Tensor:
        """For a tensor (n, channels, side, side)."""
        part = images[..., self.top : self.top + self.size, self.left : self.left + self.size]
        return part.flip(3) if self.mirrored else part


def photo_size(name: str, size: int) -> int:
    """Side of the photo, px, whose views are inputs of `size` px."""
    return round(size / CROP_SHARE) if name == "five_crops" else size


def views_of(name: str, size: int) -> tuple[View, ...]:
    """The views that `model.test_views` names."""
    if name == "flip":
        return View(0, 0, size), View(0, 0, size, mirrored=True)
    if name == "five_crops":
        last = photo_size(name, size) - size
        corners = [(0, 0), (0, last), (last, 0), (last, last), (last // 2, last // 2)]
        return tuple(View(top, left, size) for top, left in corners)
    return (View(0, 0, size),)


class ViewMean(nn.Module):
    """The head's answer for features of several views side by side, (n, views × width).

    The class probabilities are averaged over the views; returns their logarithms, (n, classes),
    which a softmax turns into them.
    """

    def __init__(self, head: nn.Module, views: int) -> None:
        super().__init__()
        self.head, self.views = head, views

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        by_view = features.unflatten(1, (self.views, -1)).flatten(0, 1)
        logits = self.head(by_view).float().unflatten(0, (-1, self.views))
        return logits.log_softmax(2).logsumexp(1) - np.log(self.views)
