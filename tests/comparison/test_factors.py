"""What differs between runs, what is missing to tell it apart, and matched pairs."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_exp.comparison.factors import confounds, factors, matched_pairs, missing_cells
from fashion_exp.comparison.run_data import RunData
from tests.comparison.made_runs import answers, made_run

SCORES = answers(0, 1, 20, 0.8)


def run(tmp_path: Path, name: str, **knobs: Any) -> RunData:
    dotted = {key.replace("__", "."): value for key, value in knobs.items() if key != "updates"}
    updates = knobs.get("updates", 40)
    return made_run(tmp_path / name, name, SCORES, SCORES, knobs=dotted, updates=updates)


def test_runs_that_differ_in_several_factors_are_told_so_by_name(tmp_path: Path) -> None:
    v1 = run(tmp_path, "v1", optim__lr=5e-3, model__dropout=0.0)
    v2 = run(tmp_path, "v2", optim__lr=2e-4, model__dropout=0.5)
    v3 = run(tmp_path, "v3", optim__lr=2e-4, model__dropout=0.0)
    runs = [v1, v2, v3]
    told = confounds(runs, ["v1", "v2", "v3"], factors(runs))
    assert "v1 and v2 differ in 2 factors: dropout, lr." in told and len(told) == 1


def test_knobs_that_change_together_are_one_factor(tmp_path: Path) -> None:
    both = {"model__name": "resnet50", "model__weights": "imagenet"}
    runs = [run(tmp_path, "a"), run(tmp_path, "b", **both)]
    (found,) = factors(runs)
    assert found.name == "model" and set(found.knobs) == {"model.name", "model.weights"}
    assert "cannot be told apart" in confounds(runs, ["a", "b"], [found])[0]


def test_a_missing_cell_is_a_command_that_would_fill_it(tmp_path: Path) -> None:
    grid = list(product((1e-3, 1e-4), (0.0, 0.5)))
    runs = [run(tmp_path, f"{i}", optim__lr=lr, model__dropout=p) for i, (lr, p) in enumerate(grid)]
    assert missing_cells(runs, factors(runs)) == []
    (line,) = missing_cells(runs[:3], factors(runs[:3]))
    assert line.startswith("scripts/run ") and "optim.lr=0.0001" in line
    assert "model.dropout=0.5" in line and line.count("dropout") == 1


def test_budgets_that_differ_much_are_said(tmp_path: Path) -> None:
    runs = [run(tmp_path, "short", updates=100), run(tmp_path, "long", updates=201)]
    assert "short made 100 updates, long 201" in confounds(runs, ["short", "long"], [])[0]
    even = [run(tmp_path, "a", updates=100), run(tmp_path, "b", updates=200)]
    assert confounds(even, ["a", "b"], []) == []


def test_a_main_effect_rests_on_pairs_that_differ_in_nothing_else(tmp_path: Path) -> None:
    grid = list(product((1e-3, 1e-4), (0.0, 0.5)))
    runs = [run(tmp_path, f"{i}", optim__lr=lr, model__dropout=p) for i, (lr, p) in enumerate(grid)]
    matched = {m.factor.name: set(m.pairs) for m in matched_pairs(runs, factors(runs))}
    assert matched == {"lr": {(2, 0), (3, 1)}, "dropout": {(1, 0), (3, 2)}}


def test_seeds_of_the_driver_are_no_factors(tmp_path: Path) -> None:
    runs = [run(tmp_path, "a", sweep__parent="1"), run(tmp_path, "b", sweep__parent="2")]
    assert factors(runs) == []


@pytest.mark.parametrize("value", [[256], True, "a b"])
def test_a_command_can_be_pasted_into_a_shell(tmp_path: Path, value: Any) -> None:
    one = run(tmp_path, "one", model__hidden=value)
    words = __import__("shlex").split(one.command)
    assert words[0] == "scripts/run" and len(words) == 2 and np.all(words[1].startswith("model"))
