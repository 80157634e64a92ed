"""Options that have no effect on a head that is solved instead of trained by epochs."""

from __future__ import annotations

from functools import cache
from typing import Any

from fashion_exp.configuration.schema import (
    Config,
    Head,
    OnFrozen,
    OptimConfig,
    ScheduleConfig,
    flatten_options,
    to_plain,
)
from fashion_exp.errors import InputError

GRADIENT_OPTIONS = (
    *(f"optim.{name}" for name in OptimConfig.__dataclass_fields__),
    *(f"schedule.{name}" for name in ScheduleConfig.__dataclass_fields__),
    *(
        f"training.{name}"
        for name in (
            "epochs", "batch_size", "accumulate", "label_smoothing", "clip_norm", "early_stopping",
            "keep", "compile", "ema_decay", "sampling", "loss", "focal_gamma",
        )
    ),
    "model.dropout",
    "model.unfreeze",
    "augmentation.per_class",
    "augmentation.mixup_alpha",
    "augmentation.cutmix_alpha",
)  # fmt: skip
"""Options that only training by epochs reads."""


@cache
def options_without_effect(head: str) -> tuple[str, ...]:
    """The options that a head does not read; none for a head that is trained by epochs."""
    solved = [choice.value for choice in Head if choice.is_solved]
    if head not in solved:
        return ()
    weights = () if head == Head.logistic.value else ("training.class_weights",)
    return (*GRADIENT_OPTIONS, *weights)


def check_solved_head(cfg: Config) -> None:
    """Raises `InputError` for options that a solved head cannot have or does not read."""
    if not cfg.model.head.is_solved:
        return
    head = f"model.head={cfg.model.head.value}"
    if cfg.model.freeze not in ("auto", "backbone"):
        raise InputError(
            f"model.freeze={cfg.model.freeze}: {head} is solved on the features of a frozen "
            "backbone; set model.freeze=backbone, or model.head=own to train the backbone too"
        )
    options = dict(flatten_options(to_plain(cfg)))
    for option in options_without_effect(cfg.model.head.value):
        default = _defaults().get(option)
        if (options[option] or None) != (default or None):  # null, 0 and {} mean the same here
            raise _no_effect(option, options[option], head, default)
    for option in _unread_seeds(cfg):
        if options[option] != cfg.seed:
            raise _no_effect(option, options[option], head, cfg.seed)
    augmentation = cfg.augmentation
    if augmentation.operations and augmentation.on_frozen is OnFrozen.apply:
        raise InputError(
            f"augmentation.on_frozen=apply: {head} has no epochs to show new views in; set "
            "augmentation.on_frozen=views for a fixed number of views, or skip"
        )
    if cfg.repeats > 1 and not cfg.split.redraw and cfg.model.weights != "none":
        raise InputError(
            f"repeats={cfg.repeats} with split.redraw=false: {head} depends on its training images "
            "alone, so all repeats would be equal; set repeats=1 or split.redraw=true"
        )


def _unread_seeds(cfg: Config) -> tuple[str, ...]:
    """The order of images decides the folds that choose C, and nothing else."""
    has_folds = cfg.model.head is Head.logistic and cfg.model.c is None
    return ("seeds.dropout",) if has_folds else ("seeds.dropout", "seeds.order")


def _no_effect(option: str, value: Any, head: str, default: Any) -> InputError:
    text = "null" if default is None else default
    return InputError(
        f"{option}={value} has no effect here: {head} is solved, not trained by epochs; leave it "
        f"at {text}, or set model.head=own"
    )


@cache
def _defaults() -> dict[str, Any]:
    """The value of each option when nothing is chosen. YAML reads 1e-3 as text."""
    from fashion_exp.configuration.choices import default_values  # few runs need it

    return {
        name: float(value) if name == "optim.lr" else value
        for name, value in default_values().items()
    }
