"""Numbers follow from predictions, and the kind of interval from the design of the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import (
    labels_and_probabilities,
    predictions_frame,
    read_predictions,
    write_predictions,
)
from fashion_exp.evaluation.summary import summarize_predictions
from fashion_exp.stats.crossed import crossed_t_interval
from fashion_exp.stats.proportions import wilson, wilson_grouped
from fashion_exp.stats.t_intervals import corrected_t_interval

CLASSES = ("dress", "shirt")


def predicted(
    correct: list[int], images: list[int], repeat: int, fold: int = 0, part: str = "validation",
    groups: list[str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Predictions of one model on the given images; labels alternate."""
    labels = np.array(images) % 2
    ids = [f"i{image}" for image in images]
    rows = pd.DataFrame({"image_id": ids, "path": "p", "group_id": groups or ids, "label": labels})
    shirt = 0.05 + 0.9 * np.where(np.array(correct) == 1, labels, 1 - labels)
    probabilities = np.stack([1 - shirt, shirt], axis=1)
    return predictions_frame(
        rows, CLASSES, probabilities, part=part, fold=fold, repeat=repeat, seed=repeat
    )


CORRECT = [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]


def test_redrawn_splits_take_corrected_t_and_wilson_counts_distinct_images() -> None:
    frame = pd.concat(
        predicted(correct, [r, r + 1, r + 2, r + 3], r) for r, correct in enumerate(CORRECT)
    )
    summary = summarize_predictions(
        frame, {f"r{r}f0": 12 for r in range(4)}, redrawn=True, level=0.95
    )
    by_image = [1, 2 / 2, 3 / 3, 2 / 4, 1 / 3, 1 / 2, 0]  # of the models that judged each image
    mean = float(np.mean(by_image))
    assert summary.accuracy.estimate == pytest.approx(mean)
    assert summary.accuracy == wilson(7 * mean, 7, fractional=True, models=4)
    assert summary.accuracy_t == corrected_t_interval([0.75, 0.5, 1, 0.25], 12, 4)
    assert (
        summary.t_interval_omitted == "" and summary.metrics()["val_t_lo"] == summary.accuracy_t.low
    )


def test_grouped_images_count_by_their_design_effect() -> None:
    correct, groups = [1, 1, 1, 1, 0, 0, 1, 1, 0, 0], [f"g{i // 2}" for i in range(10)]
    frame = pd.concat(
        predicted(correct, list(range(10)), r, part="test", groups=groups) for r in range(4)
    )
    summary = summarize_predictions(frame, {}, redrawn=True, level=0.95)
    assert summary.accuracy == wilson_grouped(correct, groups, models=4)
    assert summary.images == summary.metrics()["test_n"] == 10 and (summary.accuracy.n or 10) < 10
    crossed = crossed_t_interval(np.array([correct] * 4, float), groups=groups)
    assert summary.accuracy_t == crossed


def test_models_with_shared_test_images_are_crossed_with_them() -> None:
    frame = pd.concat(
        predicted(correct, [0, 1, 2, 3], r, part="test") for r, correct in enumerate(CORRECT)
    )
    summary = summarize_predictions(frame, {}, redrawn=True, level=0.9)
    assert summary.accuracy_t == crossed_t_interval(np.array(CORRECT, float), 0.9)
    assert summary.accuracy.n == 4 and set(summary.metrics()) >= {"test_acc", "test_t_lo"}


def test_loss_and_macro_f1_have_the_same_kind_of_t_interval() -> None:
    frame = pd.concat(
        predicted(correct, [0, 1, 2, 3], r, part="test") for r, correct in enumerate(CORRECT)
    )
    summary = summarize_predictions(frame, {}, redrawn=True, level=0.9)
    losses = np.where(np.array(CORRECT) == 1, -np.log(0.95), -np.log(0.05))
    expected = crossed_t_interval(losses, 0.9, bounded=False)
    assert summary.loss.low == pytest.approx(expected.low, rel=1e-5)
    assert summary.macro_f1.method == "crossed_t" and summary.macro_f1.level == 0.9
    # Dress is 0 and 2, shirt 1 and 3; the F1 of dress and of shirt in each of the four models.
    per_class_f1 = [(0.8, 2 / 3), (0.5, 0.5), (1, 1), (0.4, 0)]
    assert summary.macro_f1.estimate == pytest.approx(np.mean(per_class_f1))


def test_repeats_of_one_split_are_crossed() -> None:
    frame = pd.concat(predicted(correct, [0, 1, 2, 3], r) for r, correct in enumerate(CORRECT))
    summary = summarize_predictions(
        frame, {f"r{r}f0": 9 for r in range(4)}, redrawn=False, level=0.95
    )
    assert summary.accuracy_t.method == "crossed_t"


def test_folds_of_one_split_are_one_model_per_repeat() -> None:
    frame = pd.concat(
        predicted(correct[2 * f : 2 * f + 2], [2 * f, 2 * f + 1], r, f)
        for r, correct in enumerate(CORRECT)
        for f in (0, 1)
    )
    sizes = {f"r{r}f{f}": 2 for r in range(4) for f in (0, 1)}
    summary = summarize_predictions(frame, sizes, redrawn=False, level=0.95)
    assert summary.accuracy_t == crossed_t_interval(np.array(CORRECT, float))


def test_t_interval_is_omitted_below_four_scores_with_the_reason() -> None:
    frame = pd.concat(predicted(CORRECT[r], [0, 1, 2, 3], r) for r in range(3))
    summary = summarize_predictions(
        frame, {f"r{r}f0": 9 for r in range(3)}, redrawn=True, level=0.95
    )
    assert "3 scores: too few" in summary.t_interval_omitted and "val_t_lo" not in summary.metrics()


def test_single_class_models_are_named() -> None:
    frame = pd.concat(
        [predicted([1, 0, 1, 0], [0, 1, 2, 3], 0), predicted(CORRECT[2], [0, 1, 2, 3], 1)]
    )
    summary = summarize_predictions(frame, {"r0f0": 9, "r1f0": 9}, redrawn=True, level=0.95)
    assert summary.single_class_models == ("r0f0",)


def test_class_scores_are_means_over_the_trainings() -> None:
    frame = pd.concat(predicted(correct, [0, 1, 2, 3], r) for r, correct in enumerate(CORRECT))
    summary = summarize_predictions(
        frame, {f"r{r}f0": 9 for r in range(4)}, redrawn=True, level=0.95
    )
    assert summary.confusion.tolist() == [[6, 2], [4, 4]]
    assert summary.recall == pytest.approx((0.75, 0.5))
    assert summary.precision[0] == pytest.approx((2 / 3 + 1 / 2 + 1 + 1 / 3) / 4)


@pytest.mark.parametrize(
    ("redrawn", "part", "folds"),
    [
        (True, "validation", 1),
        (False, "validation", 1),
        (True, "test", 1),
        (False, "validation", 2),
    ],
)
def test_macro_f1_is_the_mean_of_the_f1_of_the_classes(
    redrawn: bool, part: str, folds: int
) -> None:
    frames, sizes = [], {}
    for repeat in range(4):
        correct = np.random.default_rng(repeat).random(11) < 0.7
        for fold in range(folds):
            images = list(range(4, 11)) if fold else list(range(11 if folds == 1 else 4))
            right = [int(correct[image]) for image in images]
            frames.append(predicted(right, images, repeat, fold, part))
            sizes[f"r{repeat}f{fold}"] = 9
    summary = summarize_predictions(pd.concat(frames), sizes, redrawn=redrawn, level=0.95)
    assert summary.macro_f1.estimate == pytest.approx(np.mean(summary.f1))


def test_written_predictions_are_read_back(tmp_path: Path) -> None:
    frame = predicted(CORRECT[0], [0, 1, 2, 3], 0)
    write_predictions(frame, tmp_path / "p.parquet")
    read = read_predictions(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)
    labels, probabilities = labels_and_probabilities(read)
    assert labels.tolist() == [0, 1, 0, 1] and probabilities.shape == (4, 2)


@pytest.mark.parametrize("damage", ["missing", "cut", "foreign"])
def test_missing_damaged_or_foreign_predictions_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "p.parquet"
    if damage == "foreign":
        predicted(CORRECT[0], [0, 1, 2, 3], 0).to_parquet(path)
    elif damage == "cut":
        write_predictions(predicted(CORRECT[0], [0, 1, 2, 3], 0), path)
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"p\.parquet"):
        read_predictions(path)
