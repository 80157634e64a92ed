"""A torch optimizer by its name, with a rate of its own for the backbone."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from fashion_exp.errors import InputError, suggest
from fashion_exp.training.rmsprop import RMSprop


def build_optimizer(
    name: str,
    head: nn.Module,
    backbone: nn.Module,
    *,
    lr: float,
    backbone_lr_factor: float,
    weight_decay: float,
    momentum: float | None,
    options: Mapping[str, Any],
) -> torch.optim.Optimizer:
    """The optimizer over all that can learn: the backbone's group first, the head's last.

    Its step is a fused one where PyTorch or we have one for these parameters. Raises `InputError`
    for an unknown class or argument.
    """
    classes = inspect.getmembers(torch.optim, inspect.isclass)
    names = [known for known, kind in classes if _is_optimizer(kind)]
    if name not in names:
        raise InputError(f"optim.name={name}: no class of torch.optim; {suggest(name, names)}")
    kind = getattr(torch.optim, name)
    arguments = dict(options) | {"lr": lr, "weight_decay": weight_decay}
    arguments |= {} if momentum is None else {"momentum": momentum}
    accepted = inspect.signature(kind).parameters
    for argument in arguments:
        if argument not in accepted and not (argument == "weight_decay" and weight_decay == 0):
            raise InputError(
                f"optim.options.{argument}: {name} has no such argument; "
                f"{suggest(argument, accepted)}"
            )
    groups: list[dict[str, Any]] = [
        {"params": [p for p in backbone.parameters() if p.requires_grad],
         "lr": lr * backbone_lr_factor},
        {"params": [p for p in head.parameters() if p.requires_grad], "lr": lr},
    ]  # fmt: skip
    groups = [group for group in groups if group["params"]]
    kind, fused = _fused(kind, arguments, groups[-1]["params"][0].device.type)
    try:
        return kind(groups, **fused | {k: v for k, v in arguments.items() if k in accepted})
    except (ValueError, TypeError) as error:
        raise InputError(f"optim: {name} refuses its arguments: {error}") from None


def _fused(
    kind: type[torch.optim.Optimizer], arguments: Mapping[str, Any], device: str
) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    """The class and the argument that update a parameter in one pass, unless asked otherwise.

    On a GPU PyTorch's default takes all parameters at once, which is as fast for the others.
    """
    if {"fused", "foreach", "differentiable", "capturable"} & set(arguments):
        return kind, {}
    if "fused" in inspect.signature(kind).parameters:
        supported = device == "cpu" or (device == "cuda" and kind is not torch.optim.Adagrad)
        return kind, {"fused": True} if supported else {}
    plain = not arguments.get("momentum") and not arguments.get("centered")
    if kind is torch.optim.RMSprop and plain and device == "cpu":
        return RMSprop, {}
    return kind, {}


def _is_optimizer(kind: type) -> bool:
    return issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
