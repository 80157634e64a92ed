"""Heads that are solved on features: their modules, before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from fashion_exp.configuration.schema import Head, ModelConfig

Forward = Callable[[torch.Tensor], torch.Tensor]

DEFAULT_NEIGHBORS = 10
DEFAULT_C_GRID = tuple(10 ** (exponent / 2) for exponent in range(-8, 1))
DEFAULT_C_FOLDS = 5


def describe_head(cfg: ModelConfig, c: float | None = None) -> str:
    """A solved head in words; `c` is the value that was chosen, if it is known."""
    if cfg.head is Head.knn:
        count = cfg.neighbors or DEFAULT_NEIGHBORS
        return f"{count} nearest neighbors by cosine similarity of standardized features"
    if cfg.head is Head.prototype:
        return "nearest class mean of standardized features"
    value = cfg.c or c
    text = "logistic regression, C" + (f" = {value:.3g}" if value else "")
    if cfg.c is None:
        folds = cfg.c_folds or DEFAULT_C_FOLDS
        text += f" chosen by {folds}-fold cross-validation in the training part"
    return text


def _in_float32(forward: Forward, features: torch.Tensor) -> torch.Tensor:
    """The result without autocast: differences of large terms would lose their digits in bf16."""
    device = features.device.type
    if not torch.is_autocast_enabled(device):
        return forward(features)
    with torch.autocast(device, enabled=False):
        return forward(features.float())


class SolvedLinear(nn.Linear):
    """A linear layer with a standardization folded into it. Always computed in float32."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return _in_float32(super().forward, features)

    @torch.no_grad()
    def fill(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        self.weight.copy_(weight)
        self.bias.copy_(bias)


class NearestNeighbors(nn.Module):
    """Logits from the classes of the nearest training images, by cosine similarity of the features
    after standardization by the training images.

    An image is as near as the nearest of its views, and has one vote. The softmax of the logits is
    (votes + 1) / (neighbors + classes): the share of each class among the nearest images, with
    Laplace's correction, so that no probability is 0. docs/heads.md compares other distances.
    """

    rows: torch.Tensor
    """(images · views, width), standardized, of length 1; views of an image are neighbors."""
    votes: torch.Tensor
    """(images, classes), one-hot."""
    mean: torch.Tensor
    """(width,)"""
    scale: torch.Tensor
    """(width,)"""

    def __init__(self, width: int, classes: int, neighbors: int) -> None:
        super().__init__()
        self.neighbors = neighbors
        self.register_buffer("rows", torch.zeros(0, width))
        self.register_buffer("votes", torch.zeros(0, classes))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def fill(
        self, features: torch.Tensor, labels: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor
    ) -> None:
        """Takes the training images: features (images · views, width) and labels (images,), and the
        mean and the scale (width,) that standardize their features."""
        classes = self.votes.shape[1]
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.rows = self._directions(features.to(self.rows))
        self.votes = functional.one_hot(labels, classes).to(self.votes)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return _in_float32(self._logits, features)

    def _logits(self, features: torch.Tensor) -> torch.Tensor:
        similarity = self._directions(features) @ self.rows.T
        if (views := len(self.rows) // len(self.votes)) > 1:
            similarity = similarity.unflatten(1, (-1, views)).amax(2)
        nearest = similarity.topk(self.neighbors, dim=1).indices
        counts = self.votes[nearest].sum(1)
        return ((counts + 1) / (self.neighbors + self.votes.shape[1])).log()

    def _directions(self, features: torch.Tensor) -> torch.Tensor:
        return functional.normalize((features - self.mean) / self.scale)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        """A checkpoint has as many rows as its training had. Those of earlier versions have no
        standardization: they used the features as they are."""
        for name in ("mean", "scale"):
            state.setdefault(prefix + name, getattr(self, name))
        for name in ("rows", "votes"):
            if (saved := state.get(prefix + name)) is not None:
                setattr(self, name, getattr(self, name).new_zeros(saved.shape))
        super()._load_from_state_dict(state, prefix, *args)
