"""Suggestions for options, groups and choices: the right one, or none."""

from __future__ import annotations

import pytest

from fashion_exp.configuration.catalog import settable_options
from fashion_exp.configuration.choices import groups
from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.configuration.suggestions import similar_options, suggest_choice
from fashion_exp.errors import InputError, close_matches, edit_distance

GOOD = {
    "lr": "optim.lr",
    "LR": "optim.lr",
    "training.lr": "optim.lr",
    "optim.lrr": "optim.lr",
    "optm.lr": "optim.lr",
    "optim.learning_rate": "optim.lr",
    "learning_rate": "optim.lr",
    "learningrate": "optim.lr",
    "epochs": "training.epochs",
    "training.epoch": "training.epochs",
    "num_epochs": "training.epochs",
    "max-epochs": "training.epochs",
    "optim.epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "batchsize": "training.batch_size",
    "train_batch_size": "training.batch_size",
    "num_workers": "training.workers",
    "weights": "model.weights",
    "model_name": "model.name",
    "model.dropot": "model.dropout",
    "classes": "dataset.classes",
    "dataset.class": "dataset.classes",
    "root": "dataset.root",
    "data.root": "dataset.root",
    "img_size": "dataset.image_size",
    "model.image_size": "dataset.image_size",
    "train_ratio": "split.train_ratio",
    "momentum": "optim.momentum",
    "random_seed": "seed",
    "early_stop": "training.early_stopping",
    "tracking_uri": "tracking.uri",
    "output": "outputs",
    "optimizer": "optim",
    "scheduler": "schedule",
    "data": "dataset",
    "augment": "augmentation",
    "launcher": "hydra/launcher",
    "loss": "training.loss",
    "mixup": "augmentation.mixup_alpha",
}
NONE = [
    "training.dropblock", "dropblock", "bs", "wd", "lr_scheduler", "schedule.type", "patience",
    "fp16", "amp", "gpus", "k", "verbose", "arch", "pretrained", "dataset.path", "output_dir",
    "early_stopping.patience", "run_name", "seed.split", "cache.size", "", ".", "x" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize(("typed", "meant"), GOOD.items())
def test_first_suggestion_is_what_was_meant(typed: str, meant: str) -> None:
    assert similar_options(typed, settable_options(), groups())[0] == meant


@pytest.mark.parametrize("typed", NONE, ids=lambda typed: typed[:30])
def test_no_suggestion_rather_than_a_wrong_one(typed: str) -> None:
    assert similar_options(typed, settable_options(), groups()) == []


def test_options_that_only_a_sweep_sets_are_not_suggested() -> None:
    assert similar_options("parent", settable_options()) == []


@pytest.mark.parametrize(
    ("typed", "choices", "meant"),
    [
        ("staus", ["status", "list", "delete"], ["status"]),
        ("shwo", ["show", "list"], ["show"]),
        ("lst", ["list", "clear", "verify"], ["list"]),
        ("Adam", ["adam", "adamw"], ["adam"]),
        ("proc", ["inline", "processes"], ["processes"]),
        ("serve", ["sweep", "compare", "report"], []),
        ("resnet18", ["resnet50", "vgg16"], []),
        ("vgg19", ["vgg16"], []),
        ("ui", ["data", "ci"], []),
        ("step", ["sweep"], []),
    ],
)
def test_close_matches_are_typing_errors(typed: str, choices: list[str], meant: list[str]) -> None:
    assert close_matches(typed, choices) == meant


def test_edit_distance_counts_each_kind_of_typing_error_once() -> None:
    assert [edit_distance("lr", word) for word in ("lr", "lrr", "l", "ls", "rl", "abcdef")] == [
        0, 1, 1, 1, 1, 3,
    ]  # fmt: skip


def test_other_models_and_optimizers_are_named_with_how_to_choose_them() -> None:
    assert "model=timm model.name=vgg19" in suggest_choice("model", "vgg19", ["vgg16"])
    assert "optim.name=Lion" in suggest_choice("optim", "Lion", ["adam"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lr=1e-3", "did you mean optim.lr?"),
        ("training.dropblock=1", "`options dropblock` searches all options"),
        ("training.keep=bets", "did you mean best?"),
        ("split=hold-out", "did you mean holdout?"),
    ],
)
def test_mistyped_override_names_what_was_meant(override: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_command_line([override])
    assert message in str(error.value) and "\n" not in str(error.value)
