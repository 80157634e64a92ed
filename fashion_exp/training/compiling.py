"""Compilation of a model with `torch.compile`."""

from __future__ import annotations

import os
import shutil

import torch
from torch import nn

from fashion_exp.training.compat import has_triton


def compile_model(model: nn.Module) -> nn.Module:
    """A compiled module that shares the model's parameters.

    Each input shape is compiled separately. An epoch has two: the last batch may be smaller.
    """
    return torch.compile(model, dynamic=False)  # type: ignore[return-value]


def missing_compiler(device: torch.device) -> str:
    """The name of the missing tool that compilation for a device needs; empty if none is."""
    compilers = [os.environ["CXX"]] if "CXX" in os.environ else ["g++", "clang++"]
    if not any(shutil.which(name) for name in compilers):
        return f"a C++ compiler ({' or '.join(compilers)})"
    if device.type == "cuda" and not has_triton():
        return "the package triton"
    return ""
