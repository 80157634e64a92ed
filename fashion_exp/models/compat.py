"""Private conventions of timm 1.0.31, torchvision 0.29.2 and PyTorch 2.15.0, the highest checked.

`tests/models/test_compat.py` fails when a later version no longer follows them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch._compile import _disable_dynamo

StateDict = dict[str, torch.Tensor]


def import_timm() -> ModuleType:
    """timm, without PyTorch's compiler, which takes a second more.

    torchvision, which timm imports, takes two functions from the compiler when it is imported:
    `disable`, which marks a function of its own, and `is_compile_supported`, which it calls later.
    It gets stand-ins that import the compiler when they are called.
    """
    if "timm" in sys.modules or "torch._dynamo" in sys.modules:
        return importlib.import_module("timm")
    compiler, utils = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    vars(compiler).update(__path__=[], utils=utils, disable=_disable_later)
    vars(utils).update(is_compile_supported=_is_compile_supported)
    stand_ins = {module.__name__: module for module in (compiler, utils)}
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module("timm")
    finally:
        for name in stand_ins:
            del sys.modules[name]
        vars(torch).pop("_dynamo", None)


def _disable_later(function: Any = None, recursive: bool = True, **options: Any) -> Any:
    return _disable_dynamo(function, recursive)


def _is_compile_supported(device: str) -> bool:
    return bool(importlib.import_module("torch._dynamo.utils").is_compile_supported(device))


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
