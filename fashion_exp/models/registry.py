"""Networks of our own, by name. Every other name is looked up in timm."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

Builder = Callable[..., nn.Module]
"""Called with `in_chans` and the options of `ModelConfig` that the network has. The module has
`num_features`, `forward_features(images)` and `forward_head(features, pre_logits=True)`, like the
networks of timm, and may have their `group_matcher()`, which says what a layer is."""

MODELS: dict[str, Builder] = {}


def register_model(builder: Builder) -> Builder:
    """Makes a network available as `model.name=<name of the function>`."""
    MODELS[builder.__name__] = builder
    return builder
