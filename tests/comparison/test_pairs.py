"""Which test a design gets, and what the verdict of a pair rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_exp.comparison.pairs import compare, differences, mean_differences, omnibus
from fashion_exp.comparison.run_data import RunData
from fashion_exp.evaluation.predictions import labels_and_probabilities
from fashion_exp.stats.metrics import confusion_matrix, macro_f1, predicted_labels
from fashion_exp.stats.multiplicity import cochrans_q
from fashion_exp.stats.paired import mcnemar, paired_counts
from tests.comparison.made_runs import answers, made_run


def two(
    tmp_path: Path, models: int, first: float = 0.8, second: float = 0.8, **how: Any
) -> list[RunData]:
    runs = []
    for place, accuracy in enumerate((first, second)):
        scores = answers(place, models, 300, accuracy)
        runs.append(made_run(tmp_path / str(place), f"run {place}", scores, scores, **how))
    return runs


def only_pair(runs: list[RunData], part: str = "test", metric: str = "accuracy") -> Any:
    (pair,) = compare(runs, [(0, 1)], part, metric, 0.05, 0.01)
    return pair


def test_one_training_of_each_gets_mcnemars_mid_p(tmp_path: Path) -> None:
    a, b = two(tmp_path, 1)
    pair = only_pair([a, b])
    counts = paired_counts(
        a.scores("test", "accuracy").iloc[0], b.scores("test", "accuracy").iloc[0]
    )
    assert pair.test.method == "mcnemar_midp" and pair.test.p == mcnemar(*counts).p
    (exact,) = compare([a, b], [(0, 1)], "test", "accuracy", 0.05, 0.01, exact=True)
    assert exact.test is not None and exact.test.p == mcnemar(*counts, variant="exact").p


def test_several_trainings_on_one_test_are_crossed_with_its_images(tmp_path: Path) -> None:
    pair = only_pair(two(tmp_path, 5))
    assert pair.test.method == "paired_crossed_t"
    assert (pair.test.interval.n, pair.test.interval.scores) == (300, 5)


def test_numbers_of_trainings_may_differ(tmp_path: Path) -> None:
    three, five = (
        made_run(tmp_path / str(n), f"{n}", answers(n, n, 200, 0.8), answers(n, n, 200, 0.8))
        for n in (3, 5)
    )
    assert only_pair([three, five]).test.method == "unpaired_crossed_t"


def test_redrawn_cuts_get_the_corrected_t_on_validation(tmp_path: Path) -> None:
    runs = []
    rng = np.random.default_rng(0)
    asked = rng.random((5, 200)) < 0.5
    for place in range(2):
        scores = np.where(asked, answers(place, 5, 200, 0.8), np.nan)
        runs.append(
            made_run(tmp_path / str(place), f"{place}", scores, answers(place, 5, 100, 0.8))
        )
    found = differences(runs[0], runs[1], "validation", "accuracy")
    assert (found.design, found.values.shape) == ("redrawn", (5,))
    assert found.n_train == 400 and found.n_test == pytest.approx(asked.sum(axis=1).mean())
    assert found.test(0.95).method == "paired_corrected_t"


@pytest.mark.parametrize(
    ("folds", "repeats", "design", "method"),
    [(5, 1, "pooled folds", "mcnemar_midp"), (2, 5, "5x2", "5x2cv_F"),
     (5, 2, "redrawn", "paired_corrected_t")],
)  # fmt: skip
def test_folds_get_the_test_of_their_kind(
    folds: int, repeats: int, design: str, method: str, tmp_path: Path
) -> None:
    keys = [(repeat, fold) for repeat in range(repeats) for fold in range(folds)]
    runs = []
    for place in range(2):
        scores = answers(place, len(keys), 100, 0.7)
        for row, (_, fold) in enumerate(keys):
            scores[row, np.arange(100) % folds != fold] = np.nan
        test = answers(place, len(keys), 50, 0.7)
        runs.append(made_run(tmp_path / str(place), f"{place}", scores, test, keys=keys))
    found = differences(runs[0], runs[1], "validation", "accuracy")
    assert found.design == design and found.test(0.95).method == method


def test_images_of_one_photo_are_no_independent_images(tmp_path: Path) -> None:
    groups = [f"g{i // 3}" for i in range(300)]
    assert only_pair(two(tmp_path, 1, groups=groups)).test.method == "paired_grouped_t"


def test_predictions_are_joined_by_image_id_never_by_position(tmp_path: Path) -> None:
    a, b = two(tmp_path, 1)
    path = b.result.output / "test_predictions.parquet"
    from fashion_exp.comparison.run_data import load_run
    from fashion_exp.evaluation.predictions import read_predictions, write_predictions

    write_predictions(read_predictions(path).sample(frac=1, random_state=1), path)
    shuffled = load_run(b.result.output)
    assert only_pair([a, shuffled]).test == only_pair([a, b]).test


def test_the_same_run_twice_differs_in_nothing(tmp_path: Path) -> None:
    for models in (1, 5):
        run = two(tmp_path / str(models), models)[0]
        pair = only_pair([run, run])
        assert pair.test.p == 1 and pair.test.difference == 0 and pair.p_holm == 1
        assert pair.verdict in ("equivalent", "undecided")


def test_a_clear_difference_is_called_better_from_either_side(tmp_path: Path) -> None:
    runs = two(tmp_path, 5, 0.9, 0.6)
    there, back = compare(runs, [(0, 1), (1, 0)], "test", "accuracy", 0.05, 0.01)
    assert (there.verdict, back.verdict) == ("better", "worse")
    assert there.test is not None and back.test is not None
    assert there.test.interval.low == pytest.approx(-(back.test.interval.high or 0))


def test_a_lower_loss_is_the_better_one(tmp_path: Path) -> None:
    pair = only_pair(two(tmp_path, 5, 0.9, 0.6), metric="loss")
    assert pair.verdict == "better" and pair.test.difference < 0


def test_macro_f1_is_compared_as_a_mean_of_what_each_image_gives(tmp_path: Path) -> None:
    a, b = two(tmp_path, 5, 0.9, 0.7)
    pair = only_pair([a, b], metric="macro_f1")
    apart = [np.mean([macro_f1_of(run, r) for r in range(5)]) for run in (a, b)]
    assert pair.test.difference == pytest.approx(apart[0] - apart[1])
    assert (pair.verdict, pair.test.method) == ("better", "paired_crossed_t")


def macro_f1_of(run: RunData, repeat: int) -> float:
    frame = run.frame("test").query("repeat == @repeat")
    labels, probabilities = labels_and_probabilities(frame)
    return macro_f1(confusion_matrix(labels, predicted_labels(probabilities), 2)).value


def test_macro_f1_is_that_of_the_images_compared(tmp_path: Path) -> None:
    scores = answers(1, 1, 200, 0.8)
    whole = made_run(tmp_path / "a", "a", scores, scores)
    half = made_run(tmp_path / "b", "b", scores[:, :80], scores[:, :80])
    pair = only_pair([whole, half], metric="macro_f1")
    assert pair.test.difference == 0 and "80 shared" in pair.note


def test_cochrans_q_stands_before_the_pairs(tmp_path: Path) -> None:
    runs = [
        made_run(tmp_path / f"{k}", f"{k}", answers(k, 1, 300, 0.8), answers(k, 1, 300, 0.8))
        for k in range(4)
    ]
    gate = omnibus(runs, "test")
    rows = np.concatenate([run.answers("test", "accuracy").values for run in runs])
    assert gate == cochrans_q(rows) and gate.p is not None and gate.p > 0.05
    asked = [(0, 1), (0, 2), (1, 2), (0, 3)]
    pairs = compare(runs, asked, "test", "accuracy", 0.05, 0.01, gate=gate)
    assert all(pair.p_holm is not None and pair.p_holm >= gate.p for pair in pairs)


def test_cochrans_q_is_not_for_several_models_or_grouped_images(tmp_path: Path) -> None:
    assert omnibus(two(tmp_path / "several", 3), "test") is None
    groups = [f"g{i // 2}" for i in range(300)]
    assert omnibus(two(tmp_path / "grouped", 1, groups=groups), "test") is None


def test_one_training_of_each_gets_the_paired_bootstrap_too(tmp_path: Path) -> None:
    pair = only_pair(two(tmp_path / "one", 1, 0.85, 0.8))
    assert pair.bootstrap.low < pair.test.difference < pair.bootstrap.high
    assert pair.bootstrap.low == pytest.approx(pair.test.interval.low, abs=0.01)
    assert only_pair(two(tmp_path / "five", 5)).bootstrap is None


def test_close_runs_are_equivalent_only_on_enough_images(tmp_path: Path) -> None:
    runs = []
    for place in range(2):
        test = answers(0, 5, 4000, 0.9)
        test[:, place] = 1 - test[:, place]
        runs.append(made_run(tmp_path / str(place), f"{place}", test[:, :50], test))
    assert only_pair(runs).verdict == "equivalent"
    assert only_pair(two(tmp_path / "few", 5, 0.8, 0.79)).verdict == "undecided"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"prefix": "x"}, "no test image in common"),
        ({"classes": ("Dress", "Hat")}, "other classes"),
    ],
)
def test_what_cannot_be_compared_says_why_and_stays_in_the_family(
    how: dict[str, Any], told: str, tmp_path: Path
) -> None:
    runs = two(tmp_path, 5, 0.9, 0.8)
    scores = answers(7, 5, 300, 0.8)
    stranger = made_run(tmp_path / "other", "other", scores, scores, **how)
    alone = only_pair(runs)
    pairs = compare([*runs, stranger], [(0, 1), (0, 2)], "test", "accuracy", 0.05, 0.01)
    assert pairs[1].verdict == "not comparable" and told in pairs[1].note
    assert pairs[0].p_holm == pytest.approx(min(1, 2 * alone.p_holm))


def test_only_shared_images_count_where_sets_differ(tmp_path: Path) -> None:
    scores = answers(1, 5, 300, 0.8)
    small = made_run(tmp_path / "small", "small", scores[:, :200], scores[:, :200])
    large = made_run(tmp_path / "large", "large", scores, scores)
    pair = only_pair([small, large])
    assert pair.test.interval.n == 200 and "200 shared of 200 and 300" in pair.note


def test_a_mean_over_pairs_keeps_their_design(tmp_path: Path) -> None:
    a, b = two(tmp_path, 5)
    one = differences(a, b, "test", "accuracy")
    mean = mean_differences([one, one])
    assert mean is not None and mean.test(0.95).p == pytest.approx(one.test(0.95).p)
