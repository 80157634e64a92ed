"""Factors, confounds, missing grid points and matched pairs."""

from __future__ import annotations

import shlex
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from fashion_exp.comparison.factors import (
    describe_confounds,
    find_factors,
    level_name,
    matched_pairs,
    missing_grid_commands,
)
from fashion_exp.comparison.run_data import RunData
from tests.comparison.synthetic_runs import make_run, random_correctness

SCORES = random_correctness(0, 1, 20, 0.8)


def write(
    tmp_path: Path,
    name: str,
    updates: int = 40,
    facts: dict[str, str] | None = None,
    **options: Any,
) -> RunData:
    """A run with options whose dots are written as two underscores."""
    dotted = {key.replace("__", "."): value for key, value in options.items()}
    folder = tmp_path / name
    return make_run(folder, name, SCORES, SCORES, options=dotted, updates=updates, facts=facts)


@pytest.fixture
def grid(tmp_path: Path) -> list[RunData]:
    points = product((1e-3, 1e-4), (0.0, 0.5))
    return [
        write(tmp_path, f"{index}", optim__lr=lr, model__dropout=dropout)
        for index, (lr, dropout) in enumerate(points)
    ]


def test_names_runs_that_differ_in_several_factors(tmp_path: Path) -> None:
    runs = [
        write(tmp_path, "v1", optim__lr=5e-3, model__dropout=0.0),
        write(tmp_path, "v2", optim__lr=2e-4, model__dropout=0.5),
        write(tmp_path, "v3", optim__lr=2e-4, model__dropout=0.0),
    ]
    (sentence,) = describe_confounds(runs, ["v1", "v2", "v3"], find_factors(runs))
    assert sentence == "v1 and v2 differ in 2 settings: model.dropout, optim.lr."


def test_options_that_change_together_are_one_factor(tmp_path: Path) -> None:
    both: dict[str, Any] = {"model__name": "resnet50", "model__weights": "imagenet"}
    runs = [write(tmp_path, name, **(both if name == "b" else {})) for name in "abc"]
    (factor,) = find_factors(runs)
    assert factor.name == "model" and set(factor.options) == {"model.name", "model.weights"}
    assert describe_confounds(runs, list("abc"), [factor]) == [
        "model.name, model.weights changed together in all of these runs: their effects cannot be "
        "separated."
    ]


def test_every_setting_in_which_two_runs_differ_is_named(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "model__name": "resnet50",
        "optim__lr": 2e-4,
        "model__freeze": "none",
        "model__preprocessing": "dataset",
        "model__depth": None,
    }
    common: dict[str, Any] = {
        "model__freeze": "auto",
        "model__preprocessing": "weights",
        "model__depth": 1,
        "dataset__image_size": None,
    }
    runs = [
        write(tmp_path, "a", facts={"freeze": "backbone", "input": INPUT}, **common),
        write(
            tmp_path, "b", facts={"freeze": "none", "input": INPUT.replace("224", "64")},
            **common | options,
        ),
    ]  # fmt: skip
    (sentence,) = describe_confounds(runs, ["a", "b"], find_factors(runs))
    assert sentence == (
        "a and b differ in 5 settings: model.name, optim.lr, model.freeze, model.preprocessing, "
        "dataset.image_size."
    )


INPUT = "224 px, 3 channels, bicubic, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
RESOLVED = {
    "precision": "auto_bf16",
    "device": "cpu",
    "freeze": "backbone",
    "weights_sha256": "0123abcd",
    "input": INPUT,
    "augmentation": "none",
    "data_fingerprint": "beef",
}


@pytest.mark.parametrize(
    ("option", "typed", "resolved"),
    [
        ("training__precision", "auto", "auto_bf16"),
        ("training__device", "auto", "cpu"),
        ("training__threads", None, 2),
        ("model__freeze", "auto", "backbone"),
        ("model__weights", "auto", "imagenet"),
        ("model__preprocessing", "weights", "dataset"),
        ("dataset__image_size", None, 224),
        ("dataset__mean", None, [0.485, 0.456, 0.406]),
        ("dataset__interpolation", None, "bicubic"),
        ("dataset__root", "photos", "/data/photos"),
        ("dataset__classes", None, ["dress", "shirt"]),
        ("augmentation__operations", [], [{"name": "HorizontalFlip"}]),
        ("seeds__order", 0, 0),
        ("confidence", 0.95, 0.9),
    ],
)
def test_a_typed_value_that_resolves_to_the_same_is_no_factor(
    option: str, typed: Any, resolved: Any, tmp_path: Path
) -> None:
    runs = [
        write(tmp_path, f"{index}", facts=RESOLVED, **{option: value})
        for index, value in enumerate((typed, resolved))
    ]
    assert find_factors(runs) == []


@pytest.mark.parametrize(
    ("facts", "option"),
    [
        ({"precision": "fp32"}, "training.precision"),
        ({"device": "cuda:0"}, "training.device"),
        ({"freeze": "none"}, "model.freeze"),
        ({"weights_sha256": "random"}, "model.weights"),
        ({"input": INPUT.replace("224", "64")}, "dataset.image_size"),
        ({"input": INPUT.replace("0.485", "0.5")}, "dataset.mean"),
        ({"data_fingerprint": "f00d"}, "photos"),
    ],
)
def test_the_same_typed_value_that_resolves_differently_is_a_factor(
    facts: dict[str, str], option: str, tmp_path: Path
) -> None:
    common: dict[str, Any] = {
        "training__precision": "auto",
        "training__device": "auto",
        "model__freeze": "auto",
        "model__weights": "auto",
        "dataset__image_size": None,
        "dataset__mean": None,
    }
    runs = [
        write(tmp_path, "a", facts=RESOLVED, **common),
        write(tmp_path, "b", facts=RESOLVED | facts, **common),
    ]
    assert [factor.options for factor in find_factors(runs)] == [(option,)]


TYPED: dict[str, Any] = {
    "dataset__image_size": None, "dataset__mean": None, "dataset__std": None,
    "dataset__interpolation": None, "model__preprocessing": "weights", "model__backbones": None,
}  # fmt: skip


def test_runs_of_other_backbones_differ_in_these_and_not_in_what_their_weights_bring(
    tmp_path: Path,
) -> None:
    other = "260 px, 3 channels, bicubic, mean 0.5 0.5 0.5, std 0.5 0.5 0.5"
    runs = [
        write(tmp_path, "a", facts=RESOLVED, **TYPED | {"model__name": "a"}),
        write(
            tmp_path, "b", facts=RESOLVED | {"input": other, "weights_sha256": "feed"},
            **TYPED | {"model__name": "b"},
        ),
        write(
            tmp_path, "ab",
            facts=RESOLVED | {"input": f"{INPUT} + {other}", "weights_sha256": "0123abcd+feed"},
            **TYPED | {"model__name": "a+b", "model__backbones": ["a", "b"]},
        ),
    ]  # fmt: skip
    for compared in (runs, runs[:2], runs[1:]):
        (factor,) = find_factors(compared)
        assert factor.options == ("model.name",)
        assert level_name(factor, compared, 1) == compared[1].options["model.name"]


@pytest.mark.parametrize(
    ("changes", "facts", "option"),
    [
        ({"dataset__image_size": 64}, {"input": INPUT.replace("224", "64")}, "dataset.image_size"),
        ({}, {"weights_sha256": "random"}, "model.weights"),
    ],
)
def test_what_was_typed_beside_another_network_is_named(
    changes: dict[str, Any], facts: dict[str, str], option: str, tmp_path: Path
) -> None:
    runs = [
        write(tmp_path, "a", facts=RESOLVED, **TYPED | {"model__name": "a"}),
        write(tmp_path, "b", facts=RESOLVED | facts, **TYPED | {"model__name": "b"} | changes),
    ]
    (factor,) = find_factors(runs)
    assert set(factor.options) == {"model.name", option}


def test_seeds_that_follow_the_seed_are_not_listed_beside_it(tmp_path: Path) -> None:
    runs = [write(tmp_path, f"{n}", seed=n, seeds__order=n, seeds__dropout=n) for n in (0, 1)]
    assert [factor.options for factor in find_factors(runs)] == [("seed",)]


def test_a_run_of_an_earlier_version_does_not_differ_in_what_it_did_not_record(
    tmp_path: Path,
) -> None:
    common: dict[str, Any] = {"dataset__mean": None, "dataset__image_size": None}
    old = write(tmp_path, "old", facts={"input": "224 px, 3 channels, bicubic"}, **common)
    new = write(tmp_path, "new", facts={"input": INPUT}, later__option=1, **common)
    assert find_factors([old, new]) == find_factors([new, old]) == []


def test_grid_point_that_the_program_refuses_is_not_recommended(tmp_path: Path) -> None:
    runs = [
        write(tmp_path, f"{index}", model__dropout=dropout, optim__lr=lr)
        for index, (dropout, lr) in enumerate([(0.0, 1e-3), (0.0, 1e-4), (1.5, 1e-3)])
    ]
    assert missing_grid_commands(runs, find_factors(runs)) == []  # a dropout of 1.5


def test_runs_differ_in_a_solved_head_alone_not_in_options_it_does_not_read(
    tmp_path: Path,
) -> None:
    solved = write(tmp_path, "solved", model__head="logistic", optim__lr=1e-3)
    trained = [
        write(tmp_path, f"{lr}", model__head="own", optim__lr=lr, training__epochs=8)
        for lr in (2e-3, 3e-3)
    ]
    assert [f.options for f in find_factors([solved, trained[0]])] == [("model.head",)]
    runs = [solved, *trained]
    lr, head = find_factors(runs)
    assert (head.options, lr.options) == (("model.head",), ("optim.lr",))
    assert missing_grid_commands(runs, [lr, head]) == []
    assert describe_confounds(runs, ["a", "b", "c"], [lr, head]) == []


def test_class_weights_act_on_one_of_the_solved_heads_only(tmp_path: Path) -> None:
    weighted, without = (
        write(tmp_path, head, model__head=head, training__class_weights=weights)
        for head, weights in (("logistic", "balanced"), ("knn", "none"))
    )
    assert [f.options for f in find_factors([weighted, without])] == [("model.head",)]
    assert weighted.settings["training.class_weights"] == "balanced"


def test_missing_grid_point_is_the_command_that_runs_it(grid: list[RunData]) -> None:
    assert missing_grid_commands(grid, find_factors(grid)) == []
    (command,) = missing_grid_commands(grid[:3], find_factors(grid[:3]))
    arguments = shlex.split(command)
    assert arguments[0] == "scripts/run"
    assert sorted(arguments[1:]) == ["model.dropout=0.5", "optim.lr=0.0001"]


def test_reports_training_budgets_of_more_than_twice_the_smallest(tmp_path: Path) -> None:
    runs = [write(tmp_path, f"{updates}", updates=updates) for updates in (100, 200, 201)]
    assert describe_confounds(runs[:2], ["short", "long"], []) == []
    (sentence,) = describe_confounds(runs[::2], ["short", "long"], [])
    assert "short has 100 updates, long 201" in sentence


def test_matched_pairs_differ_in_one_factor_only(grid: list[RunData]) -> None:
    matched = {m.factor.name: set(m.pairs) for m in matched_pairs(grid, find_factors(grid))}
    assert matched == {"lr": {(2, 0), (3, 1)}, "dropout": {(1, 0), (3, 2)}}


def test_options_that_a_sweep_sets_are_not_factors(tmp_path: Path) -> None:
    runs = [write(tmp_path, name, sweep__parent=name) for name in ("a", "b")]
    assert find_factors(runs) == []


@pytest.mark.parametrize("value", [[256], True, "a b"])
def test_command_of_a_run_is_quoted_for_the_shell(tmp_path: Path, value: Any) -> None:
    run = write(tmp_path, "run", model__hidden=value)
    assert shlex.split(run.command) == ["scripts/run", f"model.hidden={value}"]
