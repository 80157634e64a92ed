"""From a composed tree of plain values to a `Config`, with one clear line for each mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from fashion_exp.configuration.schema import (
    BESIDE,
    ClassWeights,
    Config,
    Head,
    Loss,
    ModelConfig,
    OnFrozen,
    OptimConfig,
    Sampling,
    flatten_options,
    network_of,
    to_plain,
)
from fashion_exp.configuration.solved_heads import check_solved_head
from fashion_exp.configuration.targets import check_targets
from fashion_exp.configuration.text_options import find_text_option
from fashion_exp.errors import InputError, suggest, validate_fields
from fashion_exp.paths import expand_user, install_command

PACKAGED_NETWORKS = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2")
"""The networks of `models.packaged_weights`, which this package cannot import."""


@dataclass(frozen=True)
class Condition:
    """When an option has an effect, in words and as a test."""

    text: str
    holds: Callable[[Config], bool]


def _is_one_of(option: str, *values: str) -> Condition:
    group, name = option.split(".")
    text = " or ".join(f"{group}={value.lower()}" for value in values)
    return Condition(text, lambda cfg: getattr(getattr(cfg, group), name) in values)


SOURCES = ("garments", "folder", "csv", "clothing", "fashion_mnist")
"""The data sources of this package."""


def _reads_files(*sources: str) -> Condition:
    """One of these sources, or one of `extensions`, which lists files as csv does."""
    text = " or ".join(f"dataset={source}" for source in sources)
    return Condition(
        text,
        lambda cfg: (
            cfg.dataset.name in sources
            or (bool(cfg.extensions) and cfg.dataset.name not in SOURCES)
        ),
    )


_DRAWN = _is_one_of("dataset.name", "garments")
_FILES = _reads_files("folder", "csv", "clothing")
_NEW_HEAD = Condition("model.head=new", lambda cfg: cfg.model.head is Head.new)
_CHOOSES_C = Condition(
    "model.head=logistic without model.c",
    lambda cfg: cfg.model.head is Head.logistic and cfg.model.c is None,
)
_BASIC_CNN = Condition(
    "model=basic_cnn, or a model of extensions that has it",
    lambda cfg: cfg.model.name == "basic_cnn" or bool(cfg.extensions),
)
_TRACKED = _is_one_of("tracking.name", "mlflow")

_RECIPE = Condition("a recipe, such as recipe=best", lambda cfg: cfg.recipe.name is not None)

OPTION_CONDITIONS: dict[str, Condition] = {
    "dataset.root": _reads_files("folder", "csv", "clothing", "fashion_mnist"),
    "dataset.layout": _is_one_of("dataset.name", "folder"),
    "dataset.manifest": _is_one_of("dataset.name", "csv"),
    "dataset.quarantine": _FILES,
    "dataset.groups": _FILES,
    "dataset.download": _is_one_of("dataset.name", "clothing", "fashion_mnist"),
    "dataset.labels": _FILES,
    "dataset.max_left_out": _FILES,
    "dataset.max_megapixels": _FILES,
    "dataset.per_class": _DRAWN,
    "dataset.drawn_size": _DRAWN,
    "dataset.mislabelled": _DRAWN,
    "dataset.ambiguous": _DRAWN,
    "dataset.seed": _DRAWN,
    "augmentation.per_class": Condition(
        "a non-empty augmentation.operations: plain copies would add nothing",
        lambda cfg: bool(cfg.augmentation.operations),
    ),
    "augmentation.views": Condition(
        "augmentation.on_frozen=views", lambda cfg: cfg.augmentation.on_frozen is OnFrozen.views
    ),
    "model.pool": _NEW_HEAD,
    "model.hidden": _NEW_HEAD,
    "model.c": Condition("model.head=logistic", lambda cfg: cfg.model.head is Head.logistic),
    "model.c_grid": _CHOOSES_C,
    "model.c_folds": _CHOOSES_C,
    "model.neighbors": Condition("model.head=knn", lambda cfg: cfg.model.head is Head.knn),
    "model.depth": _BASIC_CNN,
    "model.width": _BASIC_CNN,
    "optim.momentum": _is_one_of("optim.name", "SGD", "RMSprop"),
    "schedule.final_factor": _is_one_of("schedule.name", "cosine"),
    "schedule.step_epochs": _is_one_of("schedule.name", "step"),
    "schedule.gamma": _is_one_of("schedule.name", "step", "exponential"),
    "split.train_ratio": _is_one_of("split.name", "holdout"),
    "split.folds": _is_one_of("split.name", "kfold"),
    "training.focal_gamma": Condition(
        "training.loss=focal", lambda cfg: cfg.training.loss == Loss.focal
    ),
    "recipe.steps": _RECIPE,
    "recipe.backbones": _RECIPE,
    "recipe.weights": _RECIPE,
    "recipe.epochs": _RECIPE,
    "recipe.rope": _RECIPE,
    "recipe.stop": _RECIPE,
    "recipe.minutes": _RECIPE,
    "tracking.uri": _TRACKED,
    "tracking.experiment": _TRACKED,
    "tracking.log_model": _TRACKED,
}
"""Options that have an effect in some combinations only. In the others they are None."""


REQUIRED_OPTIONS = {
    ("dataset", "folder"): ("dataset.root", "FOLDER"),
    ("dataset", "csv"): ("dataset.manifest", "FILE"),
}
"""What a choice needs beside the options that are `???` in its YAML: an option and its kind."""


def validate_config(tree: Mapping[str, Any]) -> Config:
    """The typed config of a composed tree.

    Raises `InputError` for the first value that is out of range, or set where it has no effect.
    """
    tree = _name_backbones(tree)
    check_required(tree)
    cfg = validate_fields(Config, tree, "")
    for option, condition in OPTION_CONDITIONS.items():
        group, name = option.split(".")
        if getattr(getattr(cfg, group), name) is not None and not condition.holds(cfg):
            raise InputError(f"{option} has no effect here: it needs {condition.text}")
    _check_combinations(cfg)
    check_solved_head(cfg)
    check_targets(cfg)
    for option, text in flatten_options(to_plain(cfg)):
        if (kind := find_text_option(option)) and kind.is_path and str(text).startswith("~"):
            expand_user(text, option)
    return cfg


def _name_backbones(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tree with the `model.name` that follows from `model.backbones`, if these are set."""
    model = tree.get("model")
    backbones = model.get("backbones") if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or backbones is None:
        return tree
    name, joined = model.get("name"), BESIDE.join(map(str, backbones))
    if not backbones or len({*backbones}) < len(backbones):
        raise InputError(
            f"model.backbones=[{','.join(map(str, backbones))}]: needs names, each of them once"
        )
    if name not in (None, MISSING, joined):
        from fashion_exp.configuration.choices import groups  # few runs need it

        is_choice = name in [choice.name for choice in groups()["model"]]
        remedy = f"write model=timm in place of model={name}, or " if is_choice else ""
        raise InputError(
            f"model.name={name} has no effect beside model.backbones=[{','.join(backbones)}]; "
            f"{remedy}leave out model.name"
        )
    return {**tree, "model": {**model, "name": joined}}


def check_required(tree: Mapping[str, Any]) -> None:
    """Raises `InputError` that names every option without a value that the choices require.

    `tree` has `MISSING` for options that no choice sets.
    """
    values = dict(flatten_options(tree))
    reasons = {
        option: f"{group}={choice} needs {option}={value}"
        for (group, choice), (option, value) in REQUIRED_OPTIONS.items()
        if values.get(f"{group}.name") == choice and values.get(option) is None
    }
    missing = [option for option, value in values.items() if value == MISSING]
    names = [*reasons, *missing]
    if missing:
        added = " ".join(f"{option}=VALUE" for option in missing)
        reasons[""] = f"add {added} (`help {missing[0]}` describes it), or set "
        reasons[""] += f"{'it' if len(missing) == 1 else 'them'} in the YAML file of the choice"
        if "model.name" in missing:
            reasons[""] += (
                f"; {install_command('weights')} installs {', '.join(PACKAGED_NETWORKS)} with "
                "ImageNet weights"
            )
    if names:
        are = "is" if len(names) == 1 else "are"
        raise InputError(f"{', '.join(names)} {are} missing: {'; '.join(reasons.values())}")


def _check_backbones(model: ModelConfig) -> None:
    if model.backbones is None and BESIDE in model.name:
        names = model.name.split(BESIDE)
        raise InputError(f"model.name={model.name}: write model.backbones=[{','.join(names)}]")
    networks = [network_of(name) for name in model.backbones or ()]
    for name in model.backbone_weights:
        if name not in networks:
            raise InputError(
                f"model.backbone_weights.{name}: no network of model.backbones; "
                f"{suggest(name, networks) or 'leave it out'}"
            )


def _check_combinations(cfg: Config) -> None:
    _check_backbones(cfg.model)
    if "params" in cfg.optim.options:
        raise InputError("optim.options.params: the parameters are those of the model")
    for name in OptimConfig.__dataclass_fields__:
        if name in cfg.optim.options:
            raise InputError(f"optim.options.{name}: is an option of its own; set optim.{name}")
    if not cfg.extensions and cfg.training.loss not in [*Loss]:
        raise InputError(
            f"training.loss={cfg.training.loss}: no such loss; {suggest(cfg.training.loss, Loss)}"
        )
    if cfg.dataset.channels == 2:
        raise InputError("dataset.channels=2: must be 3 (RGB) or 1 (gray)")
    if cfg.split.name == "official" and cfg.split.redraw:
        raise InputError("split.redraw=true: there is one official split; set split.redraw=false")
    if cfg.split.name == "kfold" and cfg.split.folds is None:
        raise InputError("split.folds: split=kfold needs a number of folds, such as 5")
    if cfg.training.sampling is Sampling.balanced:
        _refuse_balancing_twice(cfg)
    for epochs in cfg.model.unfreeze:
        if not (epochs.isascii() and epochs.isdigit() and 0 < int(epochs) < cfg.training.epochs):
            raise InputError(
                f"model.unfreeze: {epochs}: not a number of epochs from 1 to "
                f"{cfg.training.epochs - 1}, one less than training.epochs"
            )
    if cfg.schedule.warmup_epochs > cfg.training.epochs:
        raise InputError(
            f"schedule.warmup_epochs={cfg.schedule.warmup_epochs}: more than "
            f"training.epochs={cfg.training.epochs}"
        )
    if cfg.training.compile and cfg.training.gradient_checkpointing:
        raise InputError(
            "training.gradient_checkpointing=true: torch.compile chooses itself what it computes "
            "again; set training.compile=false"
        )
    if (cfg.dataset.mean is None) != (cfg.dataset.std is None):
        raise InputError("dataset.mean and dataset.std: set both or neither")
    if cfg.training.processes > cfg.training.batch_size:
        raise InputError(
            f"training.processes={cfg.training.processes}: more than "
            f"training.batch_size={cfg.training.batch_size}, so some would have no images"
        )
    for name in ("mean", "std"):
        values = getattr(cfg.dataset, name)
        if values is not None and len(values) != cfg.dataset.channels:
            raise InputError(
                f"dataset.{name}={values}: {len(values)} values for "
                f"dataset.channels={cfg.dataset.channels}"
            )


def _refuse_balancing_twice(cfg: Config) -> None:
    others = {
        "training.class_weights=balanced": cfg.training.class_weights is ClassWeights.balanced,
        f"augmentation.per_class={cfg.augmentation.per_class}": cfg.augmentation.per_class,
    }
    for option, is_set in others.items():
        if is_set:
            raise InputError(
                f"training.sampling=balanced: {option} balances the classes too; choose one"
            )
