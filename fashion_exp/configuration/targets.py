"""Options that labels of several classes cannot be combined with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fashion_exp.configuration.schema import (
    ClassWeights,
    Config,
    Head,
    Loss,
    PhotoViews,
    Sampling,
    Targets,
)
from fashion_exp.errors import InputError

ONE_CLASS_SOURCES = ("garments", "fashion_mnist")
"""Data sources whose images have one class each."""


def check_targets(cfg: Config) -> None:
    """Raises `InputError` for options that `training.targets` has no meaning for."""
    targets = cfg.training.targets
    if targets is Targets.single:
        return
    name = f"training.targets={targets.value}"
    if cfg.dataset.name in ONE_CLASS_SOURCES:
        raise InputError(
            f"{name}: the images of dataset={cfg.dataset.name} have one class each; use "
            "dataset=csv, folder or clothing"
        )
    allowed = (Head.own, Head.new, *([Head.logistic] if targets is Targets.soft else []))
    if cfg.model.head not in allowed:
        names = ", ".join(head.value for head in allowed)
        raise InputError(
            f"model.head={cfg.model.head.value}: cannot be solved with {name}; set model.head to "
            f"one of {names}"
        )
    if targets is Targets.several:
        _refuse_measures_of_one_class(cfg)


def _refuse_measures_of_one_class(cfg: Config) -> None:
    training = cfg.training
    refused = {
        f"training.loss={training.loss}": training.loss != Loss.cross_entropy,
        f"training.label_smoothing={training.label_smoothing:g}": training.label_smoothing > 0,
        "training.class_weights=balanced": training.class_weights is ClassWeights.balanced,
        "training.sampling=balanced": training.sampling is Sampling.balanced,
        f"augmentation.per_class={cfg.augmentation.per_class}": cfg.augmentation.per_class,
        f"model.test_views={cfg.model.test_views.value}": (
            cfg.model.test_views is not PhotoViews.none
        ),
        f"recipe={cfg.recipe.name}": cfg.recipe.name is not None,
        "tracking.log_model=true": cfg.tracking.log_model,
    }
    for option, is_set in refused.items():
        if is_set:
            raise InputError(
                f"{option}: is for photos with one right class; leave it out with "
                "training.targets=several, whose loss is binary cross-entropy"
            )


def check_same_targets(jobs: Sequence[Config]) -> None:
    """Raises `InputError` for jobs that would be ranked by different measures."""
    names = list(dict.fromkeys(job.training.targets.value for job in jobs))
    if len(names) > 1:
        raise InputError(
            f"training.targets={','.join(names)}: cannot be swept, because what counts as right "
            "differs; run a sweep for each value"
        )


def refuse_several(cfg: Config, run: Path) -> None:
    """Raises `InputError` for a run whose models predict several classes at once."""
    if cfg.training.targets is Targets.several:
        raise InputError(
            f"{run}: was trained with training.targets=several; predict, evaluate, compare and "
            "report take it, the other uses of a trained model need training.targets=single or soft"
        )
