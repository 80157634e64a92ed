"""Optimizers of torch by name, with a separate learning rate for the backbone."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn

from fashion_exp.errors import InputError, suggest
from fashion_exp.extensions.registry import own_pieces
from fashion_exp.training.compat import without_compiler
from fashion_exp.training.rmsprop import RMSprop


def build_optimizer(
    name: str,
    head: nn.Module,
    backbone: Sequence[tuple[list[nn.Parameter], float]],
    *,
    lr: float,
    backbone_lr_factor: float,
    weight_decay: float,
    momentum: float | None,
    options: Mapping[str, Any],
) -> torch.optim.Optimizer:
    """An optimizer of all trainable parameters: the backbone's groups first, the head's last.

    `backbone` has groups of parameters, each with its share of the backbone's rate. The step is
    fused where an implementation exists for these parameters. Raises `InputError` for an unknown
    class or argument, and for a class whose step cannot train these parameters.
    """
    kind = _optimizer_class(name)
    _refuse_closure(kind)
    arguments = _typed_options(kind, options) | {"lr": lr, "weight_decay": weight_decay}
    if momentum is not None:
        arguments["momentum"] = momentum
    accepted = inspect.signature(kind).parameters
    for argument in arguments:
        if argument not in accepted and not (argument == "weight_decay" and weight_decay == 0):
            raise InputError(
                f"optim.options.{argument}: {name} has no such argument; "
                f"{suggest(argument, accepted)}"
            )
    groups: list[dict[str, Any]] = [
        {"params": parameters, "lr": lr * backbone_lr_factor * share}
        for parameters, share in backbone
        if parameters
    ]
    groups.append({"params": list(head.parameters()), "lr": lr})
    kind, fused = _fused_variant(kind, arguments, groups[-1]["params"][0].device.type)
    used = {name: value for name, value in arguments.items() if name in accepted}
    try:
        optimizer = without_compiler(kind)(groups, **fused | used)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"optim: {name} refuses its arguments: {_first_line(error)}; {_OTHER_OPTIMIZERS}"
        ) from None
    _try_step(kind, fused | used, groups[-1]["params"][0].device)
    return optimizer


def check_optimizer(name: str, options: Mapping[str, Any]) -> None:
    """Raises `InputError` for what `build_optimizer` would refuse for every model."""
    kind = _optimizer_class(name)
    _refuse_closure(kind)
    _typed_options(kind, options)


_OTHER_OPTIMIZERS = "change optim.options, or choose optim=adam, adamw, sgd or rmsprop"


def _refuse_closure(kind: type[torch.optim.Optimizer]) -> None:
    """The training loop computes a loss once per update, so it has no closure to offer."""
    closure = inspect.signature(kind.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise InputError(
            f"optim.name={kind.__name__}: needs to compute the loss several times per update, "
            "which this training loop does not do; choose optim=adam, adamw, sgd or rmsprop"
        )


def _try_step(
    kind: type[torch.optim.Optimizer], arguments: Mapping[str, Any], device: torch.device
) -> None:
    """One update of a small layer, because some mistakes show in the first step only."""
    layer = [nn.Parameter(torch.zeros(shape, device=device)) for shape in ((2, 2), (2,))]
    for parameter in layer:
        parameter.grad = torch.zeros_like(parameter)
    try:
        without_compiler(kind)(layer, **arguments).step()
    except (ValueError, TypeError, RuntimeError, OverflowError, AssertionError) as error:
        raise InputError(
            f"optim.name={kind.__name__}: cannot train this model ({_first_line(error)}); "
            f"{_OTHER_OPTIMIZERS}"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _optimizer_class(name: str) -> type[torch.optim.Optimizer]:
    base = torch.optim.Optimizer
    classes: dict[str, type[torch.optim.Optimizer]] = {
        key: kind
        for key, kind in inspect.getmembers(torch.optim, inspect.isclass)
        if issubclass(kind, base) and kind is not base
    }
    own = own_pieces("optimizer")
    if (kind := own.get(name)) and not (inspect.isclass(kind) and issubclass(kind, base)):
        raise InputError(f"optim.name={name}: must be a subclass of torch.optim.Optimizer")
    known = own | classes
    if name not in known:
        raise InputError(f"optim.name={name}: no class of torch.optim; {suggest(name, known)}")
    chosen: type[torch.optim.Optimizer] = known[name]
    return chosen


def _typed_options(kind: type[torch.optim.Optimizer], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options in the types that the class documents; raises `InputError` if they have others.

    Unknown options are left as they are.
    """
    hints = get_type_hints(kind.__init__)
    typed = dict(options)
    for option, value in options.items():
        if option not in hints:
            continue
        adapter = TypeAdapter(hints[option], config=ConfigDict(arbitrary_types_allowed=True))
        try:
            typed[option] = adapter.validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise InputError(
                f"optim.options.{option}={value}: {kind.__name__} does not take this value "
                f"({reason[:1].lower()}{reason[1:]})"
            ) from None
    return typed


def _fused_variant(
    kind: type[torch.optim.Optimizer], arguments: Mapping[str, Any], device: str
) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    """The class and argument of a fused step, unless the user chose an implementation.

    On a GPU PyTorch's default updates all parameters at once, which is as fast for optimizers
    without a fused step.
    """
    if {"fused", "foreach", "differentiable", "capturable"} & set(arguments):
        return kind, {}
    if "fused" in inspect.signature(kind).parameters:
        is_supported = device == "cpu" or (device == "cuda" and kind is not torch.optim.Adagrad)
        return kind, {"fused": True} if is_supported else {}
    is_plain = not arguments.get("momentum") and not arguments.get("centered")
    if kind is torch.optim.RMSprop and is_plain and device == "cpu":
        return RMSprop, {}
    return kind, {}
