"""Conclusions, tables and the content of a report."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.conclusions import conclusions
from fashion_exp.comparison.report_data import build_report
from fashion_exp.comparison.report_tables import pairs_table, runs_table
from fashion_exp.comparison.run_data import RunData, distinct_names
from fashion_exp.comparison.settings import ComparisonSettings
from tests.comparison.synthetic_runs import make_run, random_correctness

DEFAULT = ComparisonSettings()


def runs_with(
    tmp_path: Path, *accuracies: float, models: int = 5, **settings: Any
) -> list[RunData]:
    """Runs with these accuracies, which differ in the learning rate."""
    return [
        make_run(
            tmp_path / f"{index}",
            f"run {index}",
            random_correctness(index, models, 300, accuracy),
            random_correctness(index + 50, models, 300, accuracy),
            redrawn=False,
            options={"optim.lr": 10.0**-index},
            **settings,
        )
        for index, accuracy in enumerate(accuracies)
    ]


def test_names_a_clear_winner_and_its_test_accuracy(tmp_path: Path) -> None:
    best, selection, test = conclusions(Comparison(runs_with(tmp_path, 0.95, 0.7, 0.6), DEFAULT))
    assert best.startswith("run 0 is the best of 3 runs: it is better than each other run on the t")
    assert "allowing for being picked as the best of 3 (BBC-CV)" in selection
    assert "n = 300 images, mean of 5 trainings" in test
    assert test.endswith("Runs evaluated on this test set: 1.")


def test_correction_states_the_omitted_runs(tmp_path: Path) -> None:
    comparison = Comparison(runs_with(tmp_path, 0.9, 0.7), DEFAULT, omitted_runs=13)
    assert conclusions(comparison)[1].endswith(
        "13 more runs were tried, which this does not include."
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["vgg16 lr=1 dropout=0", "vgg16 lr=2 dropout=0"], ["lr=1", "lr=2"]),
        (["vgg16 lr=1", "vgg16"], ["vgg16 lr=1", "vgg16"]),
        (["vgg16 lr=1 dropout=0", "vgg16 dropout=0"], ["vgg16 lr=1", "vgg16"]),
        (["vgg16 dropout=0", "resnet50 dropout=0"], ["vgg16", "resnet50"]),
        (["vgg16 lr=1", "vgg16 lr=1"], ["vgg16 (1)", "vgg16 (2)"]),
    ],
)
def test_names_omit_shared_words(names: list[str], expected: list[str], tmp_path: Path) -> None:
    (run,) = runs_with(tmp_path, 0.9, models=1)
    renamed = [replace(run, result=replace(run.result, name=name)) for name in names]
    assert distinct_names(renamed) == expected


def test_names_no_winner_among_equal_runs(tmp_path: Path) -> None:
    first = conclusions(Comparison(runs_with(tmp_path, 0.9, 0.9, 0.6), DEFAULT))[0]
    assert first.startswith("No single best run can be named")
    assert "it is better than 1, and 1 of the other 2 may be as good" in first


def test_held_out_test_is_not_shown(tmp_path: Path) -> None:
    comparison = Comparison(runs_with(tmp_path, 0.9, 0.6, is_test_evaluated=False), DEFAULT)
    assert comparison.part == "validation" and "held out" in conclusions(comparison)[-1]
    table = runs_table(comparison)
    column = list(table.header).index("test")
    assert all(row[column : column + 2] == ["–", "–"] for row in table.rows)


def test_single_run_states_its_accuracy_and_target(tmp_path: Path) -> None:
    (run,) = runs_with(tmp_path, 0.9)
    accuracy, target = conclusions(Comparison([run], ComparisonSettings(target=0.5)))
    assert accuracy.startswith("The test accuracy of run 0 is 90.0 % (")
    assert target.startswith("The target of 50.0 % is met")


def test_run_compared_with_itself_is_right_on_the_same_images(tmp_path: Path) -> None:
    (run,) = runs_with(tmp_path, 0.9)
    first = conclusions(Comparison([run, run], DEFAULT))[0]
    assert "are right on the same test images" in first and "p = 1.000" in first


def test_equal_accuracy_on_different_images_is_not_identity(tmp_path: Path) -> None:
    """Both runs are right on 80 of 100 images in each split, and differ on 40."""
    correct = np.arange(100) < 80
    runs = [
        make_run(
            tmp_path / f"{index}",
            f"{index}",
            np.tile(row.astype(float), (2, 1)),
            random_correctness(index, 2, 50, 0.5),
            is_test_evaluated=False,
        )
        for index, row in enumerate((correct, correct[::-1]))
    ]
    first = conclusions(Comparison(runs, DEFAULT))[0]
    assert first.startswith("The data do not show which of 0 and 1 is better: 0 minus 1 is +0.0 p")
    assert "(95 % interval –, p = 1.000, J = 2 pairs of trainings)" in first


def test_single_trainings_are_qualified(tmp_path: Path) -> None:
    comparison = Comparison(runs_with(tmp_path, 0.9, 0.6, models=1), DEFAULT)
    assert "other seeds may reverse it" in conclusions(comparison)[0]


def test_baseline_reduces_the_family(tmp_path: Path) -> None:
    runs = runs_with(tmp_path, 0.9, 0.8, 0.7, 0.6)
    assert len(Comparison(runs, DEFAULT).pairs) == 6
    comparison = Comparison(runs, ComparisonSettings(baseline=3))
    assert [pair.b for pair in comparison.pairs] == [3, 3, 3]
    assert "Holm over 3 comparisons (all against the baseline)" in pairs_table(comparison).notes[0]


def test_omitted_runs_count_in_the_family(tmp_path: Path) -> None:
    runs = runs_with(tmp_path, 0.9, 0.87)
    (alone,), larger = Comparison(runs, DEFAULT).pairs, Comparison(runs, DEFAULT, omitted_runs=2)
    assert larger.family_size == 6 and alone.p_holm is not None
    assert larger.pairs[0].p_holm == pytest.approx(min(1, 6 * alone.p_holm))
    note = pairs_table(larger).notes[0]
    assert "Holm over 6 comparisons (all pairs, 5 of them with runs that failed" in note


def test_runs_with_other_classes_are_shown_but_not_compared(tmp_path: Path) -> None:
    scores = random_correctness(9, 5, 300, 0.8)
    other = make_run(tmp_path / "x", "x", scores, scores, classes=("Dress", "Hat"))
    comparison = Comparison([*runs_with(tmp_path, 0.9, 0.6), other], DEFAULT)
    report = build_report(comparison, "scripts/run report", tmp_path)
    assert comparison.selection is None and len(report.runs.rows) == 3
    assert "not comparable with 1" in report.answer[0]


def test_report_on_a_grid_has_all_runs_pairs_and_effects(tmp_path: Path) -> None:
    points = product((1e-3, 1e-4, 1e-5), (0.0, 0.1), (0.5, 0.8))
    names = ("optim.lr", "model.dropout", "split.train_ratio")
    runs = []
    for index, point in enumerate(points):
        scores = random_correctness(index, 2, 60, 0.8)
        options = dict(zip(names, point, strict=True))
        runs.append(
            make_run(
                tmp_path / f"{index}",
                f"run {index}",
                scores,
                scores,
                is_test_evaluated=False,
                redrawn=False,
                options=options,
            )
        )
    report = build_report(Comparison(runs, DEFAULT), "scripts/run report", tmp_path)
    assert len(report.runs.rows) == 12 and len(report.reproduce) == 13
    assert report.pairs is not None and len(report.pairs.rows) == 66
    assert report.verdicts is not None and len(report.verdicts.cells) == 132
    assert [len(effect.rows) for effect in report.effects] == [1, 2, 1]
    assert report.missing_cells == []
