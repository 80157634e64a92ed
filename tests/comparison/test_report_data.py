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
from fashion_exp.comparison.plans import plans
from fashion_exp.comparison.report_data import build_report
from fashion_exp.comparison.report_tables import pairs_table, runs_table
from fashion_exp.comparison.run_data import RunData, distinct_names
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.evaluation.predictions import read_predictions, write_predictions
from fashion_exp.evaluation.run_dir import PART_FILES
from fashion_exp.reporting.formats import MINUS
from fashion_exp.reporting.tables import extract_shared
from tests.comparison.synthetic_runs import make_run, random_correctness

pytestmark = pytest.mark.slow

DEFAULT, ALL_PAIRS = ComparisonSettings(), ComparisonSettings(pairs="all")


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
    best, verdicts, selection, test = conclusions(
        Comparison(runs_with(tmp_path, 0.95, 0.7, 0.6), DEFAULT)
    )
    assert best == "run 0 is the best of 3 runs: it is better than each other run."
    assert verdicts == (
        "This holds on the test images (2 comparisons, allowing for the choice of the best of 3), "
        "as long as trainings like these 5 are the rule."
    )
    assert "allowing for being picked as the best of 3 (BBC-CV)" in selection
    assert "300 photos, mean of 5 trainings" in test
    assert test.endswith("Runs that used photos of this test set: 1.")


def test_columns_of_the_table_of_runs_have_names_of_their_own(tmp_path: Path) -> None:
    """`training.loss` is not the column of the loss."""
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"training.loss": "bce"},
        {"split.seed": 1},
        {"dataset.seed": 1},
    )
    runs = [
        make_run(
            tmp_path / f"{index}", f"run {index}", random_correctness(index, 5, 300, 0.8),
            random_correctness(index + 50, 5, 300, 0.8), redrawn=False,
            options={"training.loss": "cross_entropy", "split.seed": 0, "dataset.seed": 0} | change,
        )
        for index, change in enumerate(changes)
    ]  # fmt: skip
    header = runs_table(Comparison(runs, DEFAULT)).header
    assert {"loss", "training.loss", "split.seed", "dataset.seed"} <= {*header}
    assert len(set(header)) == len(header)


def test_winner_by_loss_is_named_with_its_loss_and_its_own_accuracy(tmp_path: Path) -> None:
    runs = runs_with(tmp_path, 0.9, 0.85, 0.7, models=1)
    for part in ("validation", "test"):
        file = runs[0].result.output / PART_FILES[part]
        frame = read_predictions(file)
        columns = ["p_Dress", "p_Shirt"]
        frame[columns] = np.where(frame[columns] > 0.5, 0.51, 0.49)  # right, but unsure
        write_predictions(frame, file)
    comparison = Comparison(runs, ComparisonSettings(metric="loss"))
    assert comparison.names[comparison.winner] == "run 1"
    assert comparison.selection is not None
    assert comparison.selection.winner == 0  # the first candidate
    assert comparison.selection.apparent_score == pytest.approx(0.85)
    first, _, selection, test = conclusions(comparison)
    loss = -(0.85 * np.log(0.8) + 0.15 * np.log(0.2))
    assert first.startswith("run 1 ")
    assert selection.startswith(
        f"run 1 was selected from 3 runs by its validation cross-entropy loss, {loss:.3f}; "
        "its validation accuracy is 85.0 %; allowing for being picked"
    )
    assert f"its cross-entropy loss is {loss:.3f} and its accuracy 85.0 % (" in test
    by_accuracy = Comparison(runs, DEFAULT)
    assert by_accuracy.names[by_accuracy.winner] == "run 0"


def test_correction_states_the_omitted_runs(tmp_path: Path) -> None:
    comparison = Comparison(runs_with(tmp_path, 0.9, 0.7), DEFAULT, omitted_runs=13)
    assert conclusions(comparison)[2].endswith(
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


def test_names_tell_models_and_classes_where_they_differ(tmp_path: Path) -> None:
    (run,) = runs_with(tmp_path, 0.9, models=1)
    named: list[tuple[str, dict[str, Any]]] = [
        ("lr=1", {"model.name": "vgg16", "dataset.classes": ["hat", "shoe"]}),
        ("vgg16 lr=1", {"model.name": "vgg16", "dataset.classes": None}),
        ("lr=1", {"model.name": "resnet50", "dataset.classes": ["hat", "shoe"]}),
    ]
    runs = [
        replace(run, result=replace(run.result, name=name), options={**run.options, **options})
        for name, options in named
    ]
    assert distinct_names(runs) == [
        "vgg16 classes=[hat,shoe]", "vgg16 classes=all", "resnet50 classes=[hat,shoe]",
    ]  # fmt: skip


def test_runs_table_has_the_accuracies_first_and_what_differs(tmp_path: Path) -> None:
    comparison = Comparison(runs_with(tmp_path, 0.7, 0.9), DEFAULT)
    table = runs_table(comparison)
    assert table.header[:4] == ["run", "validation", "test", "validation t-interval"]
    assert [row[0] for row in table.rows] == ["run 1", "run 0"]
    assert table.rows[0][1].startswith("90.0 % (")
    shown = extract_shared(table)
    assert shown.header[:3] == ["run", "validation", "test"]
    assert not {"model", "epochs", "seed", "J"} & {*shown.header}
    assert "model basic_cnn" in shown.intro[0] and "epochs 2" in shown.intro[0]


def test_runs_table_has_no_option_that_a_solved_head_does_not_read(tmp_path: Path) -> None:
    run, other = runs_with(tmp_path, 0.7, 0.9)
    solved = replace(run, options={**run.options, "model.head": "knn"})
    assert not {"epochs", "lr", "dropout"} & {*runs_table(Comparison([solved], DEFAULT)).header}
    trained = replace(other, options={**other.options, "model.head": "own"})
    table = runs_table(Comparison([solved, trained], DEFAULT))
    column = table.header.index("epochs")
    assert {row[0]: row[column] for row in table.rows} == {"run 0": "–", "run 1": "2"}


def test_names_no_winner_among_equal_runs(tmp_path: Path) -> None:
    first, second = conclusions(Comparison(runs_with(tmp_path, 0.9, 0.9, 0.6), DEFAULT))[:2]
    assert first == "run 0 has the best validation accuracy; 1 of the other 2 may be as good."
    assert "it is better than 1, not clearly better or worse than 1, as long as" in second


def test_held_out_test_is_not_shown(tmp_path: Path) -> None:
    comparison = Comparison(runs_with(tmp_path, 0.9, 0.6, is_test_evaluated=False), DEFAULT)
    assert comparison.part == "validation" and "held out" in conclusions(comparison)[-1]
    table = runs_table(comparison)
    column = list(table.header).index("test")
    assert all(row[column] == "–" for row in table.rows)
    assert "test" not in extract_shared(table).header


def test_single_run_states_its_accuracy_and_target(tmp_path: Path) -> None:
    (run,) = runs_with(tmp_path, 0.9)
    accuracy, target = conclusions(Comparison([run], ComparisonSettings(target=0.5)))
    assert accuracy.startswith("The test accuracy of run 0 is 90.0 % (")
    assert target.startswith("The target of 50.0 % is met")


def test_run_compared_with_itself_is_right_on_the_same_images(tmp_path: Path) -> None:
    (run,) = runs_with(tmp_path, 0.9)
    first, numbers = conclusions(Comparison([run, run], DEFAULT))[:2]
    assert "are right on the same test images" in first and "p = 1.000" in numbers


def test_intervals_have_the_level_of_the_comparison(tmp_path: Path) -> None:
    runs = runs_with(tmp_path, 0.9, 0.8)
    wide = Comparison(runs, ComparisonSettings(alpha=0.01))
    accuracy = wide.runs[0].summary("test").accuracy
    assert accuracy.level == 0.99 != runs[0].summary("test").accuracy.level
    assert accuracy.low is not None
    low = Comparison(runs, DEFAULT).runs[0].summary("test").accuracy.low
    assert low is not None and accuracy.low < low


def test_equal_accuracy_on_different_images_is_not_identity(tmp_path: Path) -> None:
    """Both runs are right on 80 of 100 images in each split, and differ on 40."""
    correct = np.arange(100) < 80
    runs = [
        make_run(
            tmp_path / f"{index}",
            f"{index}",
            np.tile(row.astype(float), (4, 1)),
            random_correctness(index, 4, 50, 0.5),
            is_test_evaluated=False,
        )
        for index, row in enumerate((correct, correct[::-1]))
    ]
    first, numbers = conclusions(Comparison(runs, DEFAULT))[:2]
    assert first == "The data do not show which of 0 and 1 is better."
    assert numbers.startswith("0 minus 1 is +0.0 points in validation accuracy (95 % interval –, ")
    assert "p = 1.000, 4 pairs of trainings)" in numbers


def test_single_trainings_are_qualified(tmp_path: Path) -> None:
    comparison = Comparison(runs_with(tmp_path, 0.9, 0.6, models=1), DEFAULT)
    assert "other seeds may reverse it" in conclusions(comparison)[1]


def test_scope_has_the_numbers_of_trainings_of_both(tmp_path: Path) -> None:
    (one,) = runs_with(tmp_path / "one", 0.9, models=1)
    five, other = runs_with(tmp_path / "five", 0.6, 0.5, models=5)
    scope = conclusions(Comparison([one, five], DEFAULT))[1]
    assert "from 1 training of run 0 (1) and 5 of run 0 (2); other seeds may reverse it" in scope
    assert (
        ", for 1 to 5 trainings of each run: "
        in conclusions(Comparison([one, five, other], DEFAULT))[1]
    )


def test_best_of_single_trainings_or_pooled_folds_is_qualified(tmp_path: Path) -> None:
    single = Comparison(runs_with(tmp_path / "one", 0.95, 0.7, 0.6, models=1), DEFAULT)
    assert conclusions(single)[1] == (
        "This holds on the test images (Holm over 2 comparisons), for 1 training of each run: "
        "other seeds may reverse it."
    )
    folds = np.arange(5)[:, None] == np.arange(300) % 5
    runs = [
        make_run(
            tmp_path / f"{index}",
            f"{index}",
            np.where(folds, random_correctness(index, 1, 300, accuracy), np.nan),
            random_correctness(index, 5, 50, 0.5),
            redrawn=False,
            keys=[(0, fold) for fold in range(5)],
            is_test_evaluated=False,
            options={"optim.lr": float(index)},
        )
        for index, accuracy in enumerate((0.95, 0.7, 0.6))
    ]
    assert (
        ", for 5 trainings of each run: other trainings may reverse it"
        in conclusions(Comparison(runs, DEFAULT))[1]
    )


def test_difference_below_the_rope_is_better_by_less_than_matters(tmp_path: Path) -> None:
    runs = runs_with(tmp_path, 0.95, 0.7)
    comparison = Comparison(runs, ComparisonSettings(rope=0.4))
    (pair,) = comparison.pairs
    assert (pair.verdict, pair.label) == ("better", "better, by less than matters")
    assert conclusions(comparison)[0].endswith("of test accuracy, less than matters.")
    assert pair.label in pairs_table(comparison).rows[0]
    assert Comparison(runs, DEFAULT).pairs[0].label == "better"


def test_runs_that_may_be_the_best_are_named(tmp_path: Path) -> None:
    comparison = Comparison(runs_with(tmp_path, 0.9, 0.9, 0.6), DEFAULT)
    assert comparison.possible_best == [0, 1]
    assert (
        "With 95 % confidence the best run is run 0 or run 1; the other run is not better than "
        "these (Hsu)." in conclusions(comparison)
    )


def test_baseline_reduces_the_family(tmp_path: Path) -> None:
    runs = runs_with(tmp_path, 0.9, 0.8, 0.7, 0.6)
    assert len(Comparison(runs, DEFAULT).pairs) == 3
    assert len(Comparison(runs, ALL_PAIRS).pairs) == 6
    comparison = Comparison(runs, ComparisonSettings(baseline=3))
    assert [pair.b for pair in comparison.pairs] == [3, 3, 3]
    order, family, *_ = pairs_table(comparison).notes
    assert order == (
        "The second is the baseline; the first is better if the difference is above 0."
    )
    assert "Holm over 3 comparisons (all against the baseline)" in family


def test_omitted_runs_count_in_the_family(tmp_path: Path) -> None:
    runs = runs_with(tmp_path, 0.9, 0.87)
    (alone,), larger = Comparison(runs, DEFAULT).pairs, Comparison(runs, ALL_PAIRS, omitted_runs=2)
    best = Comparison(runs, DEFAULT, omitted_runs=2)
    assert (best.family_size, best.selected_from) == (3, 4)
    assert best.pairs[0].p_holm == larger.pairs[0].p_holm  # either may be any of six pairs
    assert larger.family_size == 6 and alone.p_holm is not None
    assert larger.pairs[0].p_holm == pytest.approx(min(1, 6 * alone.p_holm))
    note = pairs_table(larger).notes[1]
    assert "Holm over 6 comparisons (all pairs, 5 of them with runs that failed" in note


def test_runs_with_other_classes_are_shown_but_not_compared(tmp_path: Path) -> None:
    scores = random_correctness(9, 5, 300, 0.8)
    other = make_run(tmp_path / "x", "x", scores, scores, classes=("Dress", "Hat"))
    comparison = Comparison([*runs_with(tmp_path, 0.9, 0.6), other], DEFAULT)
    report = build_report(comparison, "scripts/run report", tmp_path)
    assert comparison.selection is None and len(report.runs.rows) == 3
    assert "not comparable with 1" in report.answer[1]


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
    report = build_report(Comparison(runs, ALL_PAIRS), "scripts/run report", tmp_path)
    assert len(report.runs.rows) == 12 and len(report.reproduce) == 13
    assert report.pairs is not None and len(report.pairs.rows) == 15  # of 6 candidates
    assert report.verdicts is not None and len(report.verdicts.cells) == 30
    assert [len(effect.rows) for effect in report.effects] == [1, 2, 1]
    assert report.missing_cells == []
    (note,) = [note for note in report.runs.notes if "split.train_ratio" in note]
    assert "largest training share (split.train_ratio=0.8). 6 runs with a smaller share" in note
    assert note in report.answer


def test_training_share_is_reported_but_not_chosen_by_validation(tmp_path: Path) -> None:
    runs = []
    for index, (share, accuracy) in enumerate(((0.5, 0.95), (0.8, 0.7), (0.8, 0.75))):
        scores = random_correctness(index, 5, 200, accuracy)
        options = {"split.train_ratio": share, "optim.lr": 10.0**-index}
        runs.append(
            make_run(tmp_path / f"{index}", f"run {index}", scores, scores, options=options)
        )
    comparison = Comparison(runs, ALL_PAIRS)
    assert comparison.ranking == [2, 1, 0]
    assert comparison.selection is not None and comparison.selection.candidates == 2
    assert comparison.family_size == 3  # all on the same test images
    assert all("best of 3" not in sentence for sentence in conclusions(comparison))
    for run in runs:
        (run.result.output / "test_evaluated.json").unlink()
    assert Comparison(runs, ALL_PAIRS).family_size == 1  # on other validation images


@pytest.mark.parametrize("accuracies", [(0.95, 0.6), (0.9, 0.89), (0.9,) * 5, (0.9, 0.6, 0.89)])
@pytest.mark.parametrize("baseline", [None, 1])
def test_headline_is_short(
    accuracies: tuple[float, ...], baseline: int | None, tmp_path: Path
) -> None:
    settings = ComparisonSettings(baseline=baseline)
    headline = conclusions(Comparison(runs_with(tmp_path, *accuracies), settings))[0]
    assert len(headline.split()) <= 20


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_pairs_are_the_same_in_whichever_order_the_runs_are_given(
    metric: str, tmp_path: Path
) -> None:
    runs = runs_with(tmp_path, 0.7, 0.9, 0.6, 0.8)
    settings = ComparisonSettings(metric=metric, pairs="all")
    table, reverse = (pairs_table(Comparison(r, settings)) for r in (runs, runs[::-1]))
    assert [list(row) for row in table.rows] == [list(row) for row in reverse.rows]
    assert [row[0] for row in table.rows] == ["run 1"] * 3 + ["run 3"] * 2 + ["run 0"]
    sign = MINUS if metric == "loss" else "+"
    assert all(row[2].startswith(sign) for row in table.rows)
    better = "below" if metric == "loss" else "above"
    assert table.notes[0].endswith(
        f"the first is better than the second if the difference is {better} 0."
    )


def test_only_an_undecided_pair_gets_advice_on_how_to_decide_it(tmp_path: Path) -> None:
    close = Comparison(runs_with(tmp_path / "close", 0.9, 0.895), DEFAULT)
    clear = Comparison(runs_with(tmp_path / "clear", 0.95, 0.6), DEFAULT)
    assert [pair.verdict for pair in (*close.pairs, *clear.pairs)] == ["undecided", "better"]
    assert len(plans(close)) == 1 and plans(clear) == []


@pytest.mark.parametrize("models", [1, 5])
@pytest.mark.parametrize("settings", [DEFAULT, ALL_PAIRS], ids=["best", "all"])
def test_joint_interval_of_every_pair_agrees_with_its_verdict(
    models: int, settings: ComparisonSettings, tmp_path: Path
) -> None:
    accuracies = (0.95, 0.945, 0.88, 0.85, 0.84, 0.8, 0.7)
    comparison = Comparison(runs_with(tmp_path, *accuracies, models=models), settings)
    decided = 0
    for pair in comparison.pairs:
        assert pair.test is not None
        interval, alone = pair.simultaneous, pair.test.interval
        assert interval is not None and interval.low is not None and interval.high is not None
        assert alone.low is not None
        excludes_0 = interval.low > 0 or interval.high < 0
        assert excludes_0 == (pair.verdict in ("better", "worse"))
        assert interval.low <= alone.low or excludes_0
        decided += excludes_0
    assert 0 < decided < len(comparison.pairs)
    report = build_report(comparison, "scripts/run report", tmp_path)
    if settings is DEFAULT:
        assert report.verdicts is None  # most of its cells would be empty
        return
    assert report.verdicts is not None
    for (row, column), cell in report.verdicts.cells.items():
        opposite = report.verdicts.cells[column, row]
        assert cell.low is not None and opposite.high is not None
        assert (cell.low > 0) == (cell.verdict == "better") and opposite.high == -cell.low


def unsteady_runs(tmp_path: Path, count: int) -> list[RunData]:
    """Runs with 80 % in each of five trainings, but the last one, whose trainings vary."""
    trainings = [[0.79, 0.81, 0.8, 0.8, 0.8] for _ in range(count - 1)] + [
        [0.78, 0.4, 0.7, 0.35, 0.75]
    ]
    runs = []
    for index, accuracies in enumerate(trainings):
        correct = np.array(
            [random_correctness(5 * index + i, 1, 300, a)[0] for i, a in enumerate(accuracies)]
        )
        runs.append(make_run(tmp_path / f"{index}", f"run {index}", correct, correct))
    return runs


def test_conclusions_tell_what_holds_for_these_trainings(tmp_path: Path) -> None:
    comparison = Comparison(unsteady_runs(tmp_path, 2), DEFAULT)
    headline, _, conditional, each = conclusions(comparison)[:4]
    assert headline.startswith("These trainings of run 0 are better than those of run 1 by ")
    assert headline.endswith("; the data do not show that new ones would be.")
    assert conditional.startswith("For these trainings run 0 minus run 1 is +")
    assert each == "Each of 5 trainings of run 0 is better than its pair, by 1.0 to 45.0 points."


def test_conclusions_of_a_family_tell_what_they_take_for_granted(tmp_path: Path) -> None:
    """Few trainings that all went well cannot know how a recipe fails: every decision says so."""
    comparison = Comparison(unsteady_runs(tmp_path, 4), DEFAULT)
    sentences = " ".join(conclusions(comparison))
    assert "Of 3 undecided differences, 1 can be stated for the 5 trainings of each" in sentences
    assert "are the rule" not in sentences  # nothing is decided
    runs = runs_with(tmp_path / "clear", 0.9, 0.6, 0.6)
    for settings in (DEFAULT, ComparisonSettings(baseline=1)):
        decided = " ".join(conclusions(Comparison(runs, settings)))
        assert ", as long as trainings like these 5 are the rule." in decided
