"""A series of decisions shares one error rate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fashion_exp.api.judging import judge as judge_tables
from fashion_exp.commands import judge
from fashion_exp.comparison.budget import decide_in_budget
from fashion_exp.comparison.gate import Gate
from fashion_exp.errors import InputError
from fashion_exp.stats.series import next_level
from tests.judging.tables import random_table


def decide(folder: Path, capsys: pytest.CaptureFixture[str], seed: int, accuracy: float,
           *options: str) -> dict[str, object]:  # fmt: skip
    """The decision on a candidate, in the series "s" of the outputs in `folder`."""
    random_table(0, 0.6).to_csv(folder / "base.csv", index=False)
    random_table(seed, accuracy).to_csv(folder / "new.csv", index=False)
    files = [str(folder / "new.csv"), str(folder / "base.csv")]
    judge.run([*files, "--baseline", "base", "--gate", "better", "--budget", "s", "--json",
               "--outputs", str(folder), *options])  # fmt: skip
    gate: dict[str, object] = json.loads(capsys.readouterr().out)["gate"]
    return gate


def test_each_decision_is_tested_at_what_earlier_decisions_leave(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes: list[bool] = []
    for seed, accuracy in ((1, 0.6), (2, 0.95), (3, 0.6), (4, 0.6)):
        gate = decide(tmp_path, capsys, seed, accuracy)
        assert gate["alpha"] == pytest.approx(next_level(outcomes))
        assert gate["budget"] == {"name": "s", "number": seed, "alpha": 0.05}
        outcomes.append(gate["decision"] == "keep")
    assert outcomes == [False, True, False, False]
    assert len((tmp_path / "budgets" / "s.jsonl").read_text().splitlines()) == 4


def test_the_same_predictions_are_one_decision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = decide(tmp_path, capsys, 1, 0.95)
    decide(tmp_path, capsys, 2, 0.6)
    assert decide(tmp_path, capsys, 1, 0.95) == first
    assert len((tmp_path / "budgets" / "s.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("option", [("--exact",), ("--rope", "0.02")])
def test_other_settings_are_another_decision(
    option: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(tmp_path, capsys, 1, 0.6)
    assert decide(tmp_path, capsys, 1, 0.6, *option)["budget"]["number"] == 2  # type: ignore[index]


def test_the_direction_of_a_score_and_the_recipe_are_part_of_a_decision(tmp_path: Path) -> None:
    items = random_table(0, 0.6)[["id"]]
    tables = {"new": items.assign(score=np.arange(120.0)), "old": items.assign(score=1.0)}
    numbers = []
    for lower_is_better, same_recipe in ((False, False), (True, False), (False, True)):
        judgement = judge_tables(tables, baseline="old", lower_is_better=lower_is_better)
        decision = decide_in_budget(judgement, Gate("better"), "s", tmp_path,
                                    same_recipe=same_recipe)  # fmt: skip
        assert decision.budget is not None
        numbers.append(decision.budget["number"])
    assert numbers == [1, 2, 3]


def test_a_series_keeps_its_alpha(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decide(tmp_path, capsys, 1, 0.6)
    with pytest.raises(InputError, match=r"its alpha is 0.05, not 0.1; keep it"):
        decide(tmp_path, capsys, 2, 0.6, "--alpha", "0.1")


def test_refuses_names_that_are_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="letters, digits"):
        decide(tmp_path, capsys, 1, 0.6, "--budget", "../s")
    with pytest.raises(InputError, match="no effect without --gate"):
        judge.run(["a.csv", "b.csv", "--budget", "s"])
