"""Networks of our own and of the user's, by name. Every other name is looked up in timm."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from fashion_exp.extensions.registry import own_pieces
from fashion_exp.models.basic_cnn import basic_cnn

Builder = Callable[..., nn.Module]
"""Called with `in_chans` and the options of `ModelConfig` that the network has. The module has
`num_features`, `forward_features(images)` and `forward_head(features, pre_logits=True)`, like the
networks of timm, and may have their `group_matcher()`, which says what a layer is."""

MODELS: dict[str, Builder] = {"basic_cnn": basic_cnn}


def find_builder(name: str) -> Builder | None:
    """None for a network of timm."""
    return MODELS.get(name) or own_pieces("model").get(name)
