"""Numbers follow from predictions; which interval, from the design of the run."""

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
from fashion_exp.stats.scores import corrected_t_interval

CLASSES = ("dress", "shirt")


def predicted(
    correct: list[int], images: list[int], repeat: int, fold: int = 0, part: str = "validation",
    groups: list[str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Predictions of one model on named images, right or wrong as given; labels alternate."""
    labels = np.array(images) % 2
    ids = [f"i{image}" for image in images]
    rows = pd.DataFrame({"image_id": ids, "path": "p", "group_id": groups or ids, "label": labels})
    shirt = 0.05 + 0.9 * np.where(np.array(correct) == 1, labels, 1 - labels)
    probabilities = np.stack([1 - shirt, shirt], axis=1)
    where = {"part": part, "fold": fold, "repeat": repeat, "seed": repeat}
    return predictions_frame(rows, CLASSES, probabilities, **where)


RIGHT = [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]


def test_redrawn_cuts_take_the_corrected_t_and_wilson_counts_distinct_images() -> None:
    frame = pd.concat(
        predicted(right, [r, r + 1, r + 2, r + 3], r) for r, right in enumerate(RIGHT)
    )
    found = summarize_predictions(
        frame, {f"r{r}f0": 12 for r in range(4)}, redrawn=True, level=0.95
    )
    assert found.accuracy.estimate == 10 / 16 and found.accuracy.n == 7
    assert found.accuracy == wilson(7 * 10 / 16, 7, fractional=True, models=4)
    assert found.accuracy_t == corrected_t_interval([0.75, 0.5, 1, 0.25], 12, 4)
    assert found.t_interval_omitted == "" and found.metrics()["val_t_lo"] == found.accuracy_t.low


def test_images_of_one_source_count_by_their_design_effect() -> None:
    right, groups = [1, 1, 1, 1, 0, 0, 1, 1, 0, 0], [f"g{i // 2}" for i in range(10)]
    frame = pd.concat(
        predicted(right, list(range(10)), r, part="test", groups=groups) for r in range(4)
    )
    found = summarize_predictions(frame, {}, redrawn=True, level=0.95)
    assert found.accuracy == wilson_grouped(right, groups, models=4)
    assert found.images == found.metrics()["test_n"] == 10 and (found.accuracy.n or 10) < 10
    crossed = crossed_t_interval(np.array([right] * 4, float), groups=groups)
    assert found.accuracy_t == crossed


def test_models_that_share_their_test_images_are_crossed_with_them() -> None:
    frame = pd.concat(
        predicted(right, [0, 1, 2, 3], r, part="test") for r, right in enumerate(RIGHT)
    )
    found = summarize_predictions(frame, {}, redrawn=True, level=0.9)
    assert found.accuracy_t == crossed_t_interval(np.array(RIGHT, float), 0.9)
    assert found.accuracy.n == 4 and set(found.metrics()) >= {"test_acc", "test_t_lo"}


def test_loss_and_macro_f1_have_the_t_interval_of_the_same_design() -> None:
    frame = pd.concat(
        predicted(right, [0, 1, 2, 3], r, part="test") for r, right in enumerate(RIGHT)
    )
    found = summarize_predictions(frame, {}, redrawn=True, level=0.9)
    losses = np.where(np.array(RIGHT) == 1, -np.log(0.95), -np.log(0.05))
    expected = crossed_t_interval(losses, 0.9, bounded=False)
    assert found.loss.low == pytest.approx(expected.low, rel=1e-5)
    assert found.macro_f1.method == "crossed_t" and found.macro_f1.level == 0.9
    # Dress is 0 and 2, shirt 1 and 3; the F1 of dress and of shirt in each of the four models.
    by_hand = [(0.8, 2 / 3), (0.5, 0.5), (1, 1), (0.4, 0)]
    assert found.macro_f1.estimate == pytest.approx(np.mean(by_hand))


def test_repeats_of_one_cut_are_crossed_too() -> None:
    frame = pd.concat(predicted(right, [0, 1, 2, 3], r) for r, right in enumerate(RIGHT))
    found = summarize_predictions(
        frame, {f"r{r}f0": 9 for r in range(4)}, redrawn=False, level=0.95
    )
    assert found.accuracy_t.method == "crossed_t"


def test_folds_of_one_kept_kfold_are_one_model_a_repeat() -> None:
    frame = pd.concat(
        predicted(right[2 * f : 2 * f + 2], [2 * f, 2 * f + 1], r, f)
        for r, right in enumerate(RIGHT)
        for f in (0, 1)
    )
    sizes = {f"r{r}f{f}": 2 for r in range(4) for f in (0, 1)}
    found = summarize_predictions(frame, sizes, redrawn=False, level=0.95)
    assert found.accuracy_t == crossed_t_interval(np.array(RIGHT, float))


def test_fewer_than_four_scores_show_no_t_and_say_why() -> None:
    frame = pd.concat(predicted(RIGHT[r], [0, 1, 2, 3], r) for r in range(3))
    found = summarize_predictions(frame, {f"r{r}f0": 9 for r in range(3)}, redrawn=True, level=0.95)
    assert "3 scores: too few" in found.t_interval_omitted and "val_t_lo" not in found.metrics()


def test_a_model_that_predicts_one_class_only_is_named() -> None:
    frame = pd.concat(
        [predicted([1, 0, 1, 0], [0, 1, 2, 3], 0), predicted(RIGHT[2], [0, 1, 2, 3], 1)]
    )
    found = summarize_predictions(frame, {"r0f0": 9, "r1f0": 9}, redrawn=True, level=0.95)
    assert found.single_class_models == ("r0f0",)


def test_confusion_counts_all_models_and_class_scores_follow_from_it() -> None:
    frame = pd.concat(predicted(right, [0, 1, 2, 3], r) for r, right in enumerate(RIGHT))
    found = summarize_predictions(frame, {f"r{r}f0": 9 for r in range(4)}, redrawn=True, level=0.95)
    assert found.confusion.tolist() == [[6, 2], [4, 4]]
    assert found.recall == (0.75, 0.5) and found.precision == (0.6, 4 / 6)


def test_predictions_come_back_as_they_were_written(tmp_path: Path) -> None:
    frame = predicted(RIGHT[0], [0, 1, 2, 3], 0)
    write_predictions(frame, tmp_path / "p.parquet")
    again = read_predictions(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)
    labels, probabilities = labels_and_probabilities(again)
    assert labels.tolist() == [0, 1, 0, 1] and probabilities.shape == (4, 2)


@pytest.mark.parametrize("damage", ["missing", "cut", "foreign"])
def test_predictions_that_cannot_be_trusted_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "p.parquet"
    if damage == "foreign":
        predicted(RIGHT[0], [0, 1, 2, 3], 0).to_parquet(path)
    elif damage == "cut":
        write_predictions(predicted(RIGHT[0], [0, 1, 2, 3], 0), path)
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"p\.parquet"):
        read_predictions(path)
