"""A torch optimizer by its name, with a rate of its own for the backbone."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from fashion_exp.errors import InputError, nearest


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

    Raises `InputError` for an unknown class or argument.
    """
    classes = inspect.getmembers(torch.optim, inspect.isclass)
    names = [known for known, kind in classes if _is_optimizer(kind)]
    if name not in names:
        raise InputError(f"optim.name={name}: no class of torch.optim; {nearest(name, names)}")
    kind = getattr(torch.optim, name)
    arguments = dict(options) | {"lr": lr, "weight_decay": weight_decay}
    arguments |= {} if momentum is None else {"momentum": momentum}
    accepted = inspect.signature(kind).parameters
    for argument in arguments:
        if argument not in accepted and not (argument == "weight_decay" and weight_decay == 0):
            raise InputError(
                f"optim.options.{argument}: {name} has no such argument; "
                f"{nearest(argument, accepted)}"
            )
    groups = [
        {"params": [p for p in backbone.parameters() if p.requires_grad],
         "lr": lr * backbone_lr_factor},
        {"params": [p for p in head.parameters() if p.requires_grad], "lr": lr},
    ]  # fmt: skip
    try:
        return kind(
            [group for group in groups if group["params"]],
            **{k: v for k, v in arguments.items() if k in accepted},
        )
    except (ValueError, TypeError) as error:
        raise InputError(f"optim: {name} refuses its arguments: {error}") from None


def _is_optimizer(kind: type) -> bool:
    return issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
