"""Ranking, correction for selection, targets and plans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fashion_exp.comparison.best_run import (
    correct_for_selection,
    evaluate_selected_target,
    evaluate_target,
    plan_separation,
    rank_runs,
)
from fashion_exp.comparison.differences import compute_differences
from fashion_exp.comparison.run_data import RunData
from fashion_exp.stats.moderation import VariancePrior
from tests.comparison.synthetic_runs import make_run, random_correctness


def equal_runs(tmp_path: Path, count: int) -> list[RunData]:
    """Runs with the same true accuracy of 80 %."""
    rng = np.random.default_rng(3)
    return [
        make_run(
            tmp_path / str(index),
            f"run {index}",
            (rng.random((1, 200)) < 0.8).astype(float),
            (rng.random((1, 500)) < 0.8).astype(float),
        )
        for index in range(count)
    ]


def test_ranks_by_validation_not_by_test(tmp_path: Path) -> None:
    good, bad = (random_correctness(0, 3, 200, accuracy) for accuracy in (0.9, 0.6))
    runs = [make_run(tmp_path / "a", "a", bad, good), make_run(tmp_path / "b", "b", good, bad)]
    assert rank_runs(runs) == rank_runs(runs, "loss") == [1, 0]
    assert rank_runs([runs[0], runs[0]]) == [0, 1]


@pytest.mark.slow
def test_correction_removes_the_optimism_of_the_best_of_equal_runs(tmp_path: Path) -> None:
    selection = correct_for_selection(equal_runs(tmp_path, 20), 0.95)
    assert selection.optimism is not None and 0.02 < selection.optimism < 0.08
    assert selection.interval.estimate is not None
    assert abs(selection.interval.estimate - 0.8) < 0.03


def test_single_run_has_no_optimism(tmp_path: Path) -> None:
    assert correct_for_selection(equal_runs(tmp_path, 1), 0.95).optimism == 0


def test_target_is_met_undecided_or_not_met(tmp_path: Path) -> None:
    (run,) = equal_runs(tmp_path, 1)
    verdicts = [evaluate_target(run, "test", target, 0.95).verdict for target in (0.6, 0.8, 0.95)]
    assert [verdict.verdict for verdict in verdicts] == ["met", "undecided", "not met"]
    assert verdicts[1].method == "clopper_pearson"


@pytest.mark.slow
def test_target_of_a_selected_run_allows_for_the_selection(tmp_path: Path) -> None:
    runs = equal_runs(tmp_path, 20)
    winner = runs[rank_runs(runs)[0]]
    assert evaluate_target(winner, "validation", 0.78, 0.9).verdict.verdict == "met"
    outcome = evaluate_selected_target(runs, 0.78, 0.9).verdict
    assert (outcome.verdict, outcome.method) == ("undecided", "bbc_cv")


def test_plan_for_a_target_counts_groups(tmp_path: Path) -> None:
    correct = np.repeat(random_correctness(0, 1, 100, 0.85), 3, axis=1)
    copies = [f"group {index // 3}" for index in range(300)]
    run = make_run(tmp_path / "run", "run", correct, correct, groups=copies)
    result = evaluate_target(run, "test", 0.9, 0.95)
    assert result.verdict.n < 110 and result.plan.note.endswith("design effect 3.04")


def test_plan_is_in_images_for_single_models_and_in_seeds_for_several(tmp_path: Path) -> None:
    a, b = equal_runs(tmp_path, 2)
    differences = compute_differences(a, b, "test", "accuracy")
    large, small = (plan_separation(differences, size, 0.05) for size in (0.05, 0.01))
    assert large is not None and small is not None and large.unit == "images"
    assert large.needed is not None and small.needed is not None
    assert large.needed < 1100 and 20 < small.needed / large.needed < 30
    c, d = (
        make_run(
            tmp_path / name,
            name,
            random_correctness(seed, 5, 100, 0.8),
            random_correctness(seed, 5, 300, accuracy),
        )
        for seed, (name, accuracy) in enumerate((("c", 0.8), ("d", 0.7)))
    )
    plan = plan_separation(compute_differences(c, d, "test", "accuracy"), 0.1, 0.05)
    assert plan is not None and plan.unit == "seeds"


def test_plan_for_copies_of_images_counts_them_once(tmp_path: Path) -> None:
    a, b = (random_correctness(seed, 1, 200, 0.8) for seed in (0, 1))
    runs = [make_run(tmp_path / f"{n}", f"{n}", a, x) for n, x in enumerate((a, b))]
    copies = [f"group {index // 3}" for index in range(600)]
    copied = [
        make_run(tmp_path / f"c{n}", f"{n}", a, np.repeat(x, 3, axis=1), groups=copies)
        for n, x in enumerate((a, b))
    ]
    single, three = (
        plan_separation(compute_differences(first, second, "test", "accuracy"), 0.02, 0.05)
        for first, second in (runs, copied)
    )
    assert single is not None and three is not None
    assert single.needed is not None and three.needed is not None
    assert 2.95 < three.needed / single.needed < 3.05 and "design effect" in three.note


def test_plan_for_redrawn_splits_is_in_images(tmp_path: Path) -> None:
    a, b = (random_correctness(seed, 5, 200, 0.8) for seed in (0, 1))
    runs = [make_run(tmp_path / f"{n}", f"{n}", x, x) for n, x in enumerate((a, b))]
    differences = compute_differences(runs[0], runs[1], "validation", "loss")
    assert differences.design == "redrawn"
    plain = plan_separation(differences, 0.05, 0.05)
    moderated = plan_separation(
        differences, 0.05, 0.05, VariancePrior(float(differences.values.var(ddof=1)), 12)
    )
    assert plain is not None and plain.needed is not None and plain.unit == "images"
    assert moderated is not None and moderated.needed is not None
    assert moderated.needed < plain.needed  # 16 degrees of freedom instead of 4
