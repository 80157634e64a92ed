"""Frozen networks that the trainings of a process share, built once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from fashion_exp.models.classifier import Classifier

MAX_NETWORKS = 2
"""The least recently built ones are forgotten."""


@dataclass
class _Built:
    model: Classifier
    """Without a head."""
    width: int
    random_states: dict[int, torch.Tensor] = field(default_factory=dict)
    """The state of the random numbers after the network was drawn, by seed."""


_built: dict[str, _Built] = {}


def share_network(
    key: str, seed: int, build: Callable[[], tuple[Classifier, int]], draw: Callable[[], object]
) -> tuple[Classifier, int]:
    """The result of `build`, with the network of an earlier call with the same key.

    The random numbers continue as after `build`, so that a head gets the same initial weights.
    `draw` only draws the random numbers of `build`. The network must not be changed.
    """
    built = _built.get(key)
    if built is None:
        built = _built[key] = _Built(*build())
        built.random_states[seed] = torch.get_rng_state()
        for oldest in list(_built)[:-MAX_NETWORKS]:
            del _built[oldest]
    elif seed not in built.random_states:
        draw()
        built.random_states[seed] = torch.get_rng_state()
    torch.set_rng_state(built.random_states[seed])
    model = copy.copy(built.model)
    model._modules, model._buffers = dict(model._modules), dict(model._buffers)
    return model, built.width
