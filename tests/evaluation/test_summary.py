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
from fashion_exp.stats.metrics import confusion_matrix, macro_f1, per_image_loss
from fashion_exp.stats.proportions import f1_interval, wilson, wilson_grouped
from fashion_exp.stats.redrawn import redrawn_interval

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
    table = np.full((4, 7), np.nan)
    for r, correct in enumerate(CORRECT):
        table[r, r : r + 4] = correct
    assert summary.accuracy_t == redrawn_interval(table, range(4), 12)
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


def many(
    accuracy: float, images: int, models: int, part: str = "test", folds: int = 1
) -> pd.DataFrame:
    """Predictions of `models` on the same images, or of their folds on parts of them."""
    frames = []
    for model in range(models):
        right = (np.random.default_rng(model).random(images) < accuracy).astype(int)
        for fold in range(folds):
            own = [image for image in range(images) if image % folds == fold]
            frames.append(predicted([int(right[i]) for i in own], own, model, fold, part))
    return pd.concat(frames)


def test_loss_and_macro_f1_are_of_the_recipe_from_four_trainings_on() -> None:
    four = summarize_predictions(many(0.8, 100, 4), {}, redrawn=True, level=0.9)
    assert four.macro_f1.target == four.loss.target == four.accuracy_t.target
    assert four.macro_f1.level == four.loss.level == 0.9
    losses = per_image_loss(*labels_and_probabilities(many(0.8, 100, 4))).reshape(4, 100)
    ordered = losses[:, np.argsort([f"i{i}" for i in range(100)])]
    expected = crossed_t_interval(ordered, 0.9, bounded=False, shape="hall")
    assert four.loss.low == pytest.approx(expected.low)
    single = summarize_predictions(many(0.8, 100, 1), {}, redrawn=True, level=0.9)
    assert single.macro_f1.status == single.loss.status == "ok"
    assert single.macro_f1.target == single.loss.target == single.accuracy.target


def test_few_errors_or_rare_classes_have_no_interval_of_macro_f1_and_loss() -> None:
    few_errors = summarize_predictions(many(0.95, 100, 4), {}, redrawn=True, level=0.95)
    assert few_errors.macro_f1.low is None and "errors, needs 10" in few_errors.macro_f1.note
    assert few_errors.loss.low is None and few_errors.accuracy_t.low is not None
    rare = summarize_predictions(many(0.5, 38, 4), {}, redrawn=True, level=0.95)
    assert rare.macro_f1.low is None and rare.loss.low is not None
    assert rare.macro_f1.note == "19 independent photos of the rarest class, needs 20"


def test_macro_f1_of_folds_is_that_of_their_predictions_together() -> None:
    frame = many(0.7, 60, 1, "validation", folds=5)
    summary = summarize_predictions(frame, {f"r0f{f}": 48 for f in range(5)}, True, 0.95)
    labels, probabilities = labels_and_probabilities(frame)
    pooled = macro_f1(confusion_matrix(labels, probabilities.argmax(axis=1), 2)).value
    assert summary.macro_f1.estimate == pytest.approx(pooled)
    assert np.mean(summary.f1) == pytest.approx(pooled)
    folds = [labels_and_probabilities(rows) for _, rows in frame.groupby("fold")]
    by_fold = [macro_f1(confusion_matrix(y, p.argmax(axis=1), 2)).value for y, p in folds]
    assert np.mean(by_fold) != pytest.approx(pooled, abs=1e-3)


def test_f1_of_each_class_has_joint_limits() -> None:
    summary = summarize_predictions(many(0.8, 100, 1), {}, redrawn=True, level=0.95)
    (hits, false), (missed, _) = summary.confusion
    expected = f1_interval(hits, hits + false + missed, 0.975)
    limits = summary.f1_limits[0]
    assert (limits.low, limits.high) == pytest.approx((expected.low, expected.high))
    assert limits.estimate == pytest.approx(summary.f1[0]) and limits.level == 0.975


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


def test_single_class_models_are_named_and_leave_no_limits_of_class_f1() -> None:
    frame = pd.concat(
        [predicted([1, 0, 1, 0], [0, 1, 2, 3], 0), predicted(CORRECT[2], [0, 1, 2, 3], 1)]
    )
    summary = summarize_predictions(frame, {"r0f0": 9, "r1f0": 9}, redrawn=True, level=0.95)
    assert summary.single_class_models == ("r0f0",)
    assert {limits.low for limits in summary.f1_limits} == {None}


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


def test_own_metric_has_limits_of_a_share_only_if_it_is_registered_as_one() -> None:
    frame = many(0.8, 100, 1)
    scores = np.arange(len(frame)) >= 2  # in [0, 1], as a share is
    frame["metric_mine"] = scores.astype(float)
    share = summarize_predictions(frame, {}, True, 0.95, own_shares={"mine"}).own["mine"]
    other = summarize_predictions(frame, {}, True, 0.95).own["mine"]
    assert share.estimate == other.estimate == pytest.approx(scores.mean())
    assert share.high is not None and other.high is not None
    assert share.high < 1 < other.high
