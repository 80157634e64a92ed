"""Which test a design gets, and what decides the verdict on a pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_exp.comparison.differences import compute_differences, mean_differences
from fashion_exp.comparison.pairs import Pair, compare_pairs, omnibus_test
from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.comparison.settings import ComparisonSettings
from fashion_exp.evaluation.predictions import (
    labels_and_probabilities,
    read_predictions,
    write_predictions,
)
from fashion_exp.evaluation.run_dir import PART_FILES
from fashion_exp.stats.interval import Estimand
from fashion_exp.stats.metrics import confusion_matrix, macro_f1, predicted_labels
from fashion_exp.stats.multiplicity import cochrans_q
from fashion_exp.stats.paired import PairedTest, mcnemar, paired_counts
from tests.comparison.synthetic_runs import make_run, random_correctness


def two_runs(
    tmp_path: Path, models: int, a: float = 0.8, b: float = 0.8, **settings: Any
) -> list[RunData]:
    """Two runs with accuracies a and b on 300 images of each part."""
    scores = [random_correctness(seed, models, 300, p) for seed, p in enumerate((a, b))]
    return [
        make_run(tmp_path / f"{index}", f"run {index}", correct, correct, **settings)
        for index, correct in enumerate(scores)
    ]


def compare(
    runs: list[RunData], part: str = "test", **settings: Any
) -> tuple[Pair, PairedTest, float]:
    """The only pair with its test and its p-value by Holm."""
    (pair,) = compare_pairs(runs, [(0, 1)], part, ComparisonSettings(**settings))
    assert pair.test is not None and pair.p_holm is not None
    return pair, pair.test, pair.p_holm


def test_single_models_get_mcnemars_test(tmp_path: Path) -> None:
    runs = two_runs(tmp_path, 1)
    a, b = (run.scores("test", "accuracy").iloc[0] for run in runs)
    counts = paired_counts(a, b)
    _, test, _ = compare(runs)
    assert test.method == "mcnemar_midp" and test.p == mcnemar(*counts).p
    _, exact, _ = compare(runs, exact=True)
    assert exact.p == mcnemar(*counts, variant="exact").p


def test_models_on_one_test_set_are_crossed_with_its_images(tmp_path: Path) -> None:
    _, test, _ = compare(two_runs(tmp_path, 5))
    assert test.method == "paired_crossed_t"
    assert (test.interval.n, test.interval.scores) == (300, 5)


def test_different_numbers_of_models_are_unpaired(tmp_path: Path) -> None:
    runs = []
    for models in (4, 5):
        scores = random_correctness(models, models, 200, 0.8)
        runs.append(make_run(tmp_path / f"{models}", f"{models}", scores, scores))
    assert compare(runs)[1].method == "unpaired_crossed_t"


@pytest.mark.parametrize("models", [2, 3])
def test_few_models_support_a_claim_about_these_models_only(models: int, tmp_path: Path) -> None:
    runs = two_runs(tmp_path, models)
    differences = compute_differences(runs[0], runs[1], "test", "accuracy")
    assert (differences.design, differences.values.shape) == ("means", (300,))
    test = differences.test(0.95)
    assert test.method == "paired_t"  # not cluster-robust: there are no groups
    assert test.interval.target == Estimand.MEAN_MODEL_DIFFERENCE
    assert test.interval.scores == models


def validated(
    folder: Path, name: str, predicted: np.ndarray, keys: list[tuple[int, int]] | None = None
) -> RunData:
    """A run whose models validated on the `predicted` images (models, n)."""
    correct = random_correctness(len(name), len(predicted), predicted.shape[1], 0.8)
    return make_run(folder / name, name, np.where(predicted, correct, np.nan), correct, keys=keys)


def test_one_repeat_is_compared_with_the_same_split_of_five(tmp_path: Path) -> None:
    predicted = np.random.default_rng(0).random((5, 200)) < 0.5
    five, single = validated(tmp_path, "five", predicted), validated(tmp_path, "one", predicted[:1])
    differences = compute_differences(single, five, "validation", "accuracy")
    assert differences.design == "means" and differences.images == predicted[0].sum()
    assert differences.note == "1 of 1 and 5 trainings have the same split"


def test_five_folds_and_ten_folds_are_compared_on_all_images(tmp_path: Path) -> None:
    runs = []
    for count in (5, 10):
        predicted = np.arange(count)[:, None] == np.arange(200) % count
        keys = [(0, fold) for fold in range(count)]
        runs.append(validated(tmp_path, f"{count} folds", predicted, keys))
    differences = compute_differences(runs[0], runs[1], "validation", "accuracy")
    assert (differences.design, differences.images) == ("pooled folds", 200)
    assert differences.models == 5 and differences.test(0.95).method == "mcnemar_midp"


def test_runs_with_other_splits_are_compared_on_all_images_of_both(tmp_path: Path) -> None:
    runs = [
        validated(tmp_path, name, np.random.default_rng(seed).random((6, 200)) < 0.5)
        for seed, name in enumerate(("first", "second"))
    ]
    differences = compute_differences(runs[0], runs[1], "validation", "accuracy")
    assert differences.design == "means" and differences.images > 190


def test_redrawn_splits_get_the_corrected_t_test(tmp_path: Path) -> None:
    predicted = np.random.default_rng(0).random((5, 200)) < 0.5
    runs = []
    for seed in range(2):
        correct = random_correctness(seed, 5, 200, 0.8)
        validation = np.where(predicted, correct, np.nan)
        runs.append(make_run(tmp_path / f"{seed}", f"{seed}", validation, correct))
    differences = compute_differences(runs[0], runs[1], "validation", "accuracy")
    assert (differences.design, differences.values.shape) == ("redrawn", (5,))
    assert differences.n_train == 400
    assert differences.n_test == pytest.approx(predicted.sum(axis=1).mean())
    assert differences.test(0.95).method == "paired_corrected_t"


@pytest.mark.parametrize(
    ("folds", "repeats", "design", "method"),
    [
        (5, 1, "pooled folds", "mcnemar_midp"),
        (2, 5, "5x2", "5x2cv_F"),
        (5, 2, "redrawn", "paired_corrected_t"),
    ],
)
def test_cross_validation_gets_the_test_of_its_design(
    folds: int, repeats: int, design: str, method: str, tmp_path: Path
) -> None:
    keys = [(repeat, fold) for repeat in range(repeats) for fold in range(folds)]
    runs = []
    for seed in range(2):
        correct = random_correctness(seed, len(keys), 100, 0.7)
        validation = correct.copy()
        for row, (_, fold) in enumerate(keys):
            validation[row, np.arange(100) % folds != fold] = np.nan
        runs.append(make_run(tmp_path / f"{seed}", f"{seed}", validation, correct, keys=keys))
    differences = compute_differences(runs[0], runs[1], "validation", "accuracy")
    assert differences.design == design and differences.test(0.95).method == method


def test_grouped_images_get_the_cluster_robust_test(tmp_path: Path) -> None:
    groups = [f"g{i // 3}" for i in range(300)]
    assert compare(two_runs(tmp_path, 1, groups=groups))[1].method == "paired_grouped_t"


def test_order_of_the_predictions_does_not_matter(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path, 1)
    path = b.result.output / PART_FILES["test"]
    write_predictions(read_predictions(path).sample(frac=1, random_state=1), path)
    assert compare([a, load_run(b.result.output)])[1] == compare([a, b])[1]


@pytest.mark.parametrize("models", [1, 5])
def test_run_does_not_differ_from_itself(models: int, tmp_path: Path) -> None:
    run = two_runs(tmp_path, models)[0]
    pair, test, p_holm = compare([run, run])
    assert test.p == p_holm == 1 and test.difference == 0 and pair.is_identical
    assert pair.verdict in ("equivalent", "undecided")


def test_swapping_the_runs_reverses_verdict_and_interval(tmp_path: Path) -> None:
    runs = two_runs(tmp_path, 5, 0.9, 0.6)
    pair, test, _ = compare(runs)
    swapped_pair, swapped, _ = compare(runs[::-1])
    assert (pair.verdict, swapped_pair.verdict) == ("better", "worse")
    assert test.interval.low is not None and swapped.interval.high is not None
    assert test.interval.low == pytest.approx(-swapped.interval.high)


def test_lower_loss_is_better(tmp_path: Path) -> None:
    pair, test, _ = compare(two_runs(tmp_path, 5, 0.9, 0.6), metric="loss")
    assert test.difference is not None
    assert pair.verdict == "better" and test.difference < 0


def test_difference_of_macro_f1_is_that_of_the_models_macro_f1(tmp_path: Path) -> None:
    runs = two_runs(tmp_path, 5, 0.9, 0.7)
    pair, test, _ = compare(runs, metric="macro_f1")
    a, b = (np.mean([macro_f1_of(run, repeat) for repeat in range(5)]) for run in runs)
    assert test.difference == pytest.approx(a - b)
    assert (pair.verdict, test.method) == ("better", "paired_crossed_t")


def macro_f1_of(run: RunData, repeat: int) -> float:
    predictions = run.predictions("test").query("repeat == @repeat")
    labels, probabilities = labels_and_probabilities(predictions)
    return macro_f1(confusion_matrix(labels, predicted_labels(probabilities), 2)).value


def test_macro_f1_is_that_of_the_shared_images(tmp_path: Path) -> None:
    scores = random_correctness(1, 1, 200, 0.8)
    whole = make_run(tmp_path / "a", "a", scores, scores)
    part = make_run(tmp_path / "b", "b", scores[:, :80], scores[:, :80])
    pair, test, _ = compare([whole, part], metric="macro_f1")
    assert test.difference == 0 and "80 shared" in pair.note


def test_cochrans_q_is_shown_and_decides_nothing(tmp_path: Path) -> None:
    equal = [random_correctness(seed, 1, 300, 0.8) for seed in range(6)]
    scores = [*equal, random_correctness(9, 1, 300, 0.88)]
    runs = [make_run(tmp_path / f"{i}", f"{i}", s, s) for i, s in enumerate(scores)]
    omnibus = omnibus_test(runs, "test")
    matrices = [run.score_matrix("test", "accuracy") for run in runs]
    assert omnibus == cochrans_q(np.concatenate([matrix.values for matrix in matrices]))
    assert omnibus.p is not None
    results = compare_pairs(runs, [(6, 0)], "test", ComparisonSettings())
    assert results[0].p_holm is not None and results[0].p_holm < omnibus.p


def test_cochrans_q_needs_single_models_and_independent_images(tmp_path: Path) -> None:
    assert omnibus_test(two_runs(tmp_path / "several", 3), "test") is None
    groups = [f"g{i // 2}" for i in range(300)]
    assert omnibus_test(two_runs(tmp_path / "grouped", 1, groups=groups), "test") is None


def test_folds_that_judge_the_same_test_images_are_no_single_model(tmp_path: Path) -> None:
    keys = [(0, fold) for fold in range(3)]
    scores = [random_correctness(seed, 3, 90, 0.7) for seed in range(2)]
    runs = [make_run(tmp_path / f"{i}", f"{i}", s, s, keys=keys) for i, s in enumerate(scores)]
    assert omnibus_test(runs, "test") is None
    with pytest.raises(AssertionError, match="cannot be pooled"):
        runs[0].score_matrix("test", "accuracy").pool_folds()


def test_only_single_models_get_a_paired_bootstrap_interval(tmp_path: Path) -> None:
    pair, test, _ = compare(two_runs(tmp_path / "one", 1, 0.85, 0.8))
    assert pair.bootstrap is not None and pair.bootstrap.low is not None
    assert pair.bootstrap.low == pytest.approx(test.interval.low, abs=0.01)
    assert compare(two_runs(tmp_path / "five", 5))[0].bootstrap is None


def test_close_runs_are_equivalent_only_on_enough_images(tmp_path: Path) -> None:
    runs = []
    for index in range(2):
        correct = random_correctness(0, 5, 4000, 0.9)
        correct[:, index] = 1 - correct[:, index]
        runs.append(make_run(tmp_path / f"{index}", f"{index}", correct[:, :50], correct))
    assert compare(runs)[0].verdict == "equivalent"
    assert compare(two_runs(tmp_path / "few", 5, 0.8, 0.79))[0].verdict == "undecided"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"prefix": "x"}, "no test image in common"),
        ({"classes": ("Dress", "Hat")}, "different classes"),
    ],
)
def test_incomparable_pairs_have_a_reason_and_count_in_the_family(
    settings: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    runs = two_runs(tmp_path, 5, 0.9, 0.8)
    scores = random_correctness(7, 5, 300, 0.8)
    other = make_run(tmp_path / "other", "other", scores, scores, **settings)
    _, _, p_holm = compare(runs)
    first, second = compare_pairs([*runs, other], [(0, 1), (0, 2)], "test", ComparisonSettings())
    assert second.verdict == "not comparable" and reason in second.note
    assert first.p_holm == pytest.approx(min(1, 2 * p_holm))


def test_uses_only_shared_images(tmp_path: Path) -> None:
    scores = random_correctness(1, 5, 300, 0.8)
    small = make_run(tmp_path / "small", "small", scores[:, :200], scores[:, :200])
    large = make_run(tmp_path / "large", "large", scores, scores)
    pair, test, _ = compare([small, large])
    assert test.interval.n == 200 and "200 shared of 200 and 300" in pair.note


def test_mean_of_equal_differences_gives_the_same_test(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path, 5)
    differences = compute_differences(a, b, "test", "accuracy")
    mean = mean_differences([differences, differences])
    assert mean is not None
    assert mean.test(0.95).p == pytest.approx(differences.test(0.95).p)


@pytest.mark.parametrize(("pairs", "method"), [(3, "paired_t"), (4, "paired_crossed_t")])
def test_main_effect_of_single_trainings_crosses_four_pairs_with_the_images(
    pairs: int, method: str, tmp_path: Path
) -> None:
    differences = [
        compute_differences(a, b, "test", "accuracy")
        for index in range(pairs)
        for a, b in [two_runs(tmp_path / f"{index}", 1, 0.9, 0.7)]
    ]
    mean = mean_differences(differences)
    assert mean is not None
    test = mean.test(0.95)
    assert test.method == method and test.difference == pytest.approx(0.2)
    is_about_recipes = test.interval.target == Estimand.RECIPE_DIFFERENCE_ON_DATA
    assert is_about_recipes == (pairs >= 4)


STEADY, UNSTEADY = (0.8,) * 5, (0.75, 0.4, 0.7, 0.35, 0.74)


def trained(folder: Path, name: str, accuracies: Sequence[float], redrawn: bool) -> RunData:
    """A run whose trainings have these accuracies on 300 images, or on 90 of them each."""
    correct = np.array([random_correctness(0, 1, 300, accuracy)[0] for accuracy in accuracies])
    splits = np.random.default_rng(0).permuted(np.tile(np.arange(300) < 90, (5, 1)), axis=1)
    validation = np.where(splits, correct, np.nan) if redrawn else correct
    return make_run(folder / name, name, validation, correct)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_undecided_recipes_are_told_for_the_trainings_at_hand(part: str, tmp_path: Path) -> None:
    accuracies = {"steady": STEADY, "unsteady": UNSTEADY}
    runs = [trained(tmp_path, name, values, True) for name, values in accuracies.items()]
    settings = ComparisonSettings()
    (pair,) = compare_pairs(runs, [(0, 1)], part, settings)
    (opposite,) = compare_pairs(runs, [(1, 0)], part, settings)
    assert pair.differences is not None and pair.differences.by_training is not None
    design = "redrawn" if part == "validation" else "crossed"
    assert (pair.differences.design, pair.verdict) == (design, "undecided")
    assert pair.label == "undecided; these trainings better"
    assert opposite.label == "undecided; these trainings worse"
    conditional = pair.as_json(["a", "b"])["these_trainings"]
    assert (
        conditional["verdict"] == "better"
        and 0 < conditional["low"] < conditional["difference"] < conditional["high"]
    )
    gains = np.sort(pair.differences.by_training)
    assert f"by {100 * gains[0]:.1f} to {100 * gains[-1]:.1f} points" in pair.note
    assert "each of 5 trainings of the second is better" in opposite.note


def test_trainings_at_hand_are_averaged_for_each_image(tmp_path: Path) -> None:
    runs = [
        trained(tmp_path, f"{i}", accuracies, True)
        for i, accuracies in enumerate((STEADY, UNSTEADY))
    ]
    a, b = (run.scores("validation", "accuracy") for run in runs)
    conditional = compute_differences(runs[0], runs[1], "validation", "accuracy").of_these_trainings
    assert conditional is not None and conditional.design == "means" and conditional.models == 5
    assert conditional.values == pytest.approx(a.mean().to_numpy() - b.mean().to_numpy())
    assert conditional.test(0.95).interval.target == Estimand.MEAN_MODEL_DIFFERENCE
    assert conditional.of_these_trainings is None


def test_decided_and_equal_recipes_say_nothing_of_these_trainings(tmp_path: Path) -> None:
    runs = [
        trained(tmp_path, f"{i}", (accuracy,) * 5, False)
        for i, accuracy in enumerate((0.9, 0.6, 0.9))
    ]
    for pair in compare_pairs(runs, [(0, 1), (0, 2)], "test", ComparisonSettings()):
        assert (pair.these_trainings, pair.these_verdict) == (None, None)
        assert pair.as_json(["a", "b", "c"])["these_trainings"] is None
