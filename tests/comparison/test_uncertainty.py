"""Failed trainings, the table of uncertainty, and the Bayesian check of a comparison."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fashion_exp.comparison.bayes import posterior_table
from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.run_data import RunData
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.comparison.uncertainty import training_failures, uncertainty_table
from fashion_exp.stats.proportions import clopper_pearson
from tests.comparison.synthetic_runs import make_run, random_correctness


def two_runs(folder: Path, models: int = 5, redrawn: bool = False) -> list[RunData]:
    return [
        make_run(
            folder / name, name, *(random_correctness(seed, models, 60, accuracy) for _ in "vt"),
            redrawn=redrawn,
        )
        for name, seed, accuracy in (("a", 1, 0.9), ("b", 2, 0.6))
    ]  # fmt: skip


def test_collapsed_and_diverged_trainings_of_a_sweep_are_counted(tmp_path: Path) -> None:
    sweep = tmp_path / "sweeps" / "s"
    right = random_correctness(1, 4, 40, 0.8)
    right[0] = np.arange(40) % 2 == 0  # predicts the first class for every image
    run = make_run(sweep / "a", "a", right, random_correctness(2, 4, 40, 0.8))
    (sweep / "b").mkdir()
    (sweep / "b" / "options.json").write_text("{}")
    (sweep / "b" / "failure.json").write_text(json.dumps({"kind": "Diverged", "reason": "nan"}))
    (sentence,) = training_failures(Comparison([run], ComparisonSettings()))
    assert "2 of 5 trainings (1 predict one class only, 1 diverged), 40.0 %" in sentence
    interval = clopper_pearson(2, 5)
    assert interval.low is not None and f"({100 * interval.low:.1f}" in sentence


def test_uncertainty_has_a_row_per_run_and_advice_for_the_best(tmp_path: Path) -> None:
    comparison = Comparison(two_runs(tmp_path), ComparisonSettings())
    table = uncertainty_table(comparison)
    assert [row[0] for row in table.rows] == ["a", "b"]
    assert table.header[-2:] == ["5 more trainings", "100 more photos"]
    assert "(1.0 s)" in table.rows[0][-2] and "(no training)" in table.rows[0][-1]
    assert table.notes[-1].startswith("Next for a: 100 more test photos narrow its interval by")


def test_one_training_is_advised_to_repeat(tmp_path: Path) -> None:
    table = uncertainty_table(Comparison(two_runs(tmp_path, models=1), ComparisonSettings()))
    assert "a has one training" in table.notes[-1]


def test_equal_scores_are_no_certainty(tmp_path: Path) -> None:
    right = np.ones((3, 60), dtype=bool)
    run = make_run(tmp_path, "a", right, right)
    table = uncertainty_table(Comparison([run], ComparisonSettings()))
    assert table.rows == [["a", *["\N{EN DASH}"] * 6]]
    assert table.notes[-1].startswith("a: no variance among the scores")


@pytest.mark.parametrize(("models", "redrawn"), [(1, False), (5, False), (5, True)])
def test_posterior_agrees_with_a_clear_verdict(tmp_path: Path, models: int, redrawn: bool) -> None:
    runs = two_runs(tmp_path, models, redrawn)
    (row,) = posterior_table(Comparison(runs, ComparisonSettings())).rows
    assert row[:2] == ["a", "b"] and row[-1] == "better"
    shares = [float(cell.removesuffix(" %")) for cell in row[2:5]]
    assert shares[0] > 97 and sum(shares) == pytest.approx(100, abs=0.2)
    (loss,) = posterior_table(Comparison(runs, ComparisonSettings(metric="loss"))).rows
    assert float(loss[2].removesuffix(" %")) > 97  # of a lower loss
