"""Class activation maps: how much each part of an image adds to the score of a class."""

from __future__ import annotations

import math
from typing import Any

import torch

from fashion_exp.errors import InputError
from fashion_exp.models.classifier import Classifier, channel_axis

MAX_OFFSET = 1.0
"""Cells. A larger measured offset means that the middle cell depends on the whole image."""


def activation_maps(
    model: Classifier, images: torch.Tensor, classes: torch.Tensor
) -> list[torch.Tensor]:
    """Signed contributions (n, h, w), float32, of the cells of the last feature map of each
    backbone to the score of one class for each image; positive ones support the class.

    `images` are uint8 as the model takes them, `classes` (n,) indices. The score is the logit
    minus the mean of all logits, since a softmax does not change if a constant is added to all. A
    map is the product of activation and gradient, summed over the channels; for a linear head on
    the mean of the feature map it is that cell's exact share of the score, apart from the bias. A
    transformer with a class token reads the other tokens in its last block only, so its map is
    that of the block's input.

    Source: Draelos & Carin 2020, arXiv:2011.08891 (HiResCAM); Zhou et al. 2016, CVPR (CAM).

    Raises `InputError` for a network whose features have no places in the image.
    """
    (inputs,) = model.inputs(images)
    pairs = [*zip(model.backbones, inputs, strict=True)]
    with torch.enable_grad():
        computed = [_held_features(backbone, own) for backbone, own in pairs]
        logits = model.head(torch.cat([features for _, features in computed], dim=1))
        score = logits.gather(1, classes[:, None])[:, 0] - logits.mean(dim=1)
        held = [activation for activation, _ in computed]
        gradients = torch.autograd.grad(score.sum(), held)
    return [
        _to_grid(backbone, activation.detach() * gradient).float()
        for backbone, activation, gradient in zip(model.backbones, held, gradients, strict=True)
    ]


def _held_features(model: Classifier, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The activation that the map is made of, a leaf of the graph, and the features (n, width)."""
    network = model.network
    held: list[torch.Tensor] = []

    def hold(activation: torch.Tensor) -> torch.Tensor:
        held.append(activation.detach().clone().requires_grad_())
        return held[0]

    def hold_input(_: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (hold(inputs[0]), *inputs[1:])

    hooks = []
    if getattr(network, "num_prefix_tokens", 0) and hasattr(network, "blocks"):
        hooks.append(network.blocks[-1].register_forward_pre_hook(hold_input))
    try:
        features = model.feature_map(images)
        if not held and isinstance(features, torch.Tensor):
            features = hold(features)
        if not held:
            raise _no_map(model)
        return held[0], model.pool(features)
    finally:
        for hook in hooks:
            hook.remove()


def cell_offset(model: Classifier, size: int, channels: int) -> tuple[float, float]:
    """How far below and right of its place the content of a cell of the feature map lies, in cells.

    A cell of a 7 × 7 map is drawn over a seventh of the image, but what it computes from may lie
    beside: convolutions with stride 2 and symmetric padding on an even size move it up and left,
    together by half a cell. It is measured as the center of the squared gradient of the middle
    cell. Tokens of transformers are at their place.
    """
    generator = torch.Generator().manual_seed(0)
    images = 255 * torch.rand(4, channels, size, size, generator=generator)
    with torch.enable_grad():
        images.requires_grad_()
        features = model.feature_map(images)
        if not isinstance(features, torch.Tensor) or features.ndim != 4:
            return 0.0, 0.0
        features = features.movedim(channel_axis(features, model.map_channels), 1)
        rows, columns = features.shape[2:]
        middle = features[:, :, rows // 2, columns // 2]
        weights = torch.randn(middle.shape, generator=generator)  # no channels cancel each other
        (gradient,) = torch.autograd.grad((weights * middle).sum(), images)
    energy = gradient.square().sum((0, 1))
    energy /= energy.sum().clamp(min=1e-30)
    centers = (torch.arange(size) + 0.5) / size
    center = (energy.sum(1) @ centers * rows, energy.sum(0) @ centers * columns)
    nominal = (rows // 2 + 0.5, columns // 2 + 0.5)
    down, right = (float(a) - b for a, b in zip(center, nominal, strict=True))
    return (down, right) if max(abs(down), abs(right)) <= MAX_OFFSET else (0.0, 0.0)


def _to_grid(model: Classifier, contributions: torch.Tensor) -> torch.Tensor:
    """(n, h, w) from a feature map of any layout; class and register tokens are left out."""
    if contributions.ndim == 4:
        return contributions.sum(channel_axis(contributions, model.map_channels))
    if contributions.ndim == 3:
        tokens = contributions.sum(2)
        patches = getattr(model.network, "patch_embed", None)
        grid = getattr(patches, "grid_size", None) or (0, 0)
        if not 0 < math.prod(grid) <= tokens.shape[1]:  # a network that halves its grid by stages
            side = math.isqrt(tokens.shape[1])
            grid = (side, side)
        prefix = tokens.shape[1] - math.prod(grid)
        if prefix <= max(getattr(model.network, "num_prefix_tokens", 0) or 0, 0):
            return tokens[:, prefix:].unflatten(1, tuple(grid))
    raise _no_map(model)


def _no_map(model: Classifier) -> InputError:
    return InputError(
        f"{type(model.network).__name__}: this network has no class activation map, because its "
        "features have no places in the image; use method=occlusion"
    )
