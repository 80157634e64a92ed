"""The winner, what its choice is worth, targets and plans."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fashion_exp.comparison.best_run import index_of_best, optimism, reaches, to_separate
from fashion_exp.comparison.run_data import RunData
from tests.comparison.made_runs import answers, made_run


def equals(tmp_path: Path, count: int, validation: int = 200) -> list[RunData]:
    """Runs whose models guess equally well: any difference is luck."""
    rng = np.random.default_rng(3)
    return [
        made_run(
            tmp_path / str(place), f"run {place}",
            (rng.random((1, validation)) < 0.8).astype(float),
            (rng.random((1, 500)) < 0.8).astype(float),
        )
        for place in range(count)
    ]  # fmt: skip


def test_validation_chooses_the_winner_whatever_the_test_says(tmp_path: Path) -> None:
    good, bad = answers(0, 3, 200, 0.9), answers(0, 3, 200, 0.6)
    runs = [
        made_run(tmp_path / "a", "a", bad, good),
        made_run(tmp_path / "b", "b", good, bad),
    ]
    assert index_of_best(runs) == 1 and index_of_best(runs, "loss") == 1


def test_the_best_of_many_equals_loses_its_luck(tmp_path: Path) -> None:
    found = optimism(equals(tmp_path, 20), 0.95)
    assert found.optimism is not None and 0.02 < found.optimism < 0.08
    assert found.interval.estimate is not None and abs(found.interval.estimate - 0.8) < 0.03


def test_a_run_alone_was_not_chosen(tmp_path: Path) -> None:
    assert optimism(equals(tmp_path, 1), 0.95).optimism == 0


def test_targets_are_met_missed_or_undecided(tmp_path: Path) -> None:
    (run,) = equals(tmp_path, 1)
    said = {t: reaches(run, "test", t, 0.95).verdict.verdict for t in (0.6, 0.8, 0.95)}
    assert said == {0.6: "met", 0.8: "undecided", 0.95: "not met"}
    assert reaches(run, "test", 0.8, 0.95).verdict.method == "clopper_pearson"


def test_a_plan_asks_for_images_or_for_seeds(tmp_path: Path) -> None:
    one = equals(tmp_path / "one", 2)
    plan = to_separate(*one, "test", 0.05)
    assert plan is not None and plan.unit == "images"
    several = [
        made_run(tmp_path / f"s{i}", f"s{i}", answers(i, 5, 100, 0.8), answers(i, 5, 300, p))
        for i, p in enumerate((0.8, 0.7))
    ]
    plan = to_separate(*several, "test", 0.05)
    assert plan is not None and plan.unit == "seeds"
