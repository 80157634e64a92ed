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
    matched_pairs,
    missing_grid_commands,
)
from fashion_exp.comparison.run_data import RunData
from tests.comparison.synthetic_runs import make_run, random_correctness

SCORES = random_correctness(0, 1, 20, 0.8)


def write(tmp_path: Path, name: str, updates: int = 40, **options: Any) -> RunData:
    """A run with options whose dots are written as two underscores."""
    dotted = {key.replace("__", "."): value for key, value in options.items()}
    return make_run(tmp_path / name, name, SCORES, SCORES, options=dotted, updates=updates)


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
    assert sentence == "v1 and v2 differ in 2 factors: dropout, lr."


def test_options_that_change_together_are_one_factor(tmp_path: Path) -> None:
    both: dict[str, Any] = {"model__name": "resnet50", "model__weights": "imagenet"}
    runs = [write(tmp_path, "a"), write(tmp_path, "b", **both)]
    (factor,) = find_factors(runs)
    assert factor.name == "model" and set(factor.options) == {"model.name", "model.weights"}
    assert "cannot be separated" in describe_confounds(runs, ["a", "b"], [factor])[0]


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
