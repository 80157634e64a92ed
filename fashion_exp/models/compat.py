"""Private conventions of timm. The highest version checked is timm 1.0.31.

`tests/models/test_compat.py` fails when a later version no longer follows them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

StateDict = dict[str, torch.Tensor]


def checkpoint_filter(network: nn.Module) -> Callable[..., Any] | None:
    """The function in the network's module that converts checkpoints of other origin."""
    module = sys.modules[type(network).__module__]
    return getattr(module, "checkpoint_filter_fn", None) or getattr(module, "_filter_fn", None)


def convert_checkpoint(state: StateDict, network: nn.Module) -> StateDict:
    """A checkpoint in the network's own format."""
    convert = checkpoint_filter(network)
    if convert is None:
        return state
    try:
        converted: StateDict = convert(state, network)
    except TypeError:  # some filters take the state alone
        converted = convert(state)
    return converted
