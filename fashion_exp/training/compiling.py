"""The model as one program for its device, by PyTorch's compiler."""

from __future__ import annotations

import os
import shutil

import torch
from torch import nn


def compiled(model: nn.Module) -> nn.Module:
    """The same parameters behind a faster forward and backward pass.

    Each shape is compiled for itself: an epoch has two, that of its last batch among them.
    """
    return torch.compile(model, dynamic=False)  # type: ignore[return-value]


def missing_compiler(device: torch.device) -> str:
    """What a machine lacks to compile for a device; empty if nothing."""
    asked = [os.environ["CXX"]] if "CXX" in os.environ else ["g++", "clang++"]
    if not any(shutil.which(name) for name in asked):
        return f"a C++ compiler ({' or '.join(asked)})"
    if device.type == "cuda" and not _has_triton():
        return "the package triton"
    return ""


def _has_triton() -> bool:
    from torch.utils._triton import has_triton

    return bool(has_triton())
