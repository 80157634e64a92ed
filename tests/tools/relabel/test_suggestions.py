"""Suggestions follow from out-of-fold predictions; other predictions are rejected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_exp.comparison.run_data import load_run
from fashion_exp.data.label_versions import LabelVersion, journal_path, write_history
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import read_predictions, write_predictions
from fashion_exp.evaluation.run_dir import PART_FILES
from fashion_exp.tools.relabel.neighbors import find_neighbors
from fashion_exp.tools.relabel.suggestions import COLUMNS, LabelSuggestions, suggest_labels
from tests.comparison.synthetic_runs import make_run

IMAGES = 60
KEYS = [(repeat, fold) for repeat in range(2) for fold in range(2)]


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Two repeats of two folds over 60 images; the first three are predicted as the other class."""
    correct = np.ones(IMAGES)
    correct[:3] = 0
    fold_of_image = np.arange(IMAGES) // 2 % 2
    scores = np.array([np.where(fold_of_image == fold, correct, np.nan) for _, fold in KEYS])
    options = {"dataset.rename": {"gown": "Dress"}, "dataset.name": "folder"}
    folder = tmp_path / "run"
    make_run(
        folder, "run", scores, np.ones((4, 10)), is_test_evaluated=False, keys=KEYS, options=options
    )
    split = pd.read_csv(folder / "split.csv")
    for repeat, fold in KEYS:
        development = split[f"r{repeat}f{fold}"] == "validation"
        in_fold = split.index // 2 % 2 == fold
        split.loc[development & ~in_fold, f"r{repeat}f{fold}"] = "train"
    split.to_csv(folder / "split.csv", index=False)
    return folder


def _suggest(run_folder: Path, data: Path | None = None) -> LabelSuggestions:
    return suggest_labels(load_run(run_folder), None, data)


def test_suggestions_use_the_mean_prediction_and_the_names_of_the_data(run_folder: Path) -> None:
    suggestions = _suggest(run_folder)
    assert tuple(suggestions.rows.columns) == COLUMNS
    assert list(suggestions.rows["image_id"]) == ["v0000", "v0001", "v0002"]
    assert list(suggestions.rows["given"]) == ["gown", "Shirt", "gown"]
    assert list(suggestions.rows["suggested"]) == ["Shirt", "gown", "Shirt"]
    counts = suggestions.counts()
    assert (counts["covered"], counts["wrong_sources"], counts["sources"]) == (1, 3, IMAGES)
    assert suggestions.images["models"].eq(2).all()


def test_test_predictions_are_not_read(run_folder: Path) -> None:
    (run_folder / PART_FILES["test"]).unlink()
    assert any("held out" in note for note in _suggest(run_folder).notes())


def test_rejects_images_seen_in_training(run_folder: Path) -> None:
    split = pd.read_csv(run_folder / "split.csv")
    split.loc[split["image_id"] == "v0002", "group_id"] = "v0000"  # a copy, in the other fold
    split.to_csv(run_folder / "split.csv", index=False)
    with pytest.raises(InputError, match=r"run: 2 images .* such as v000\d.jpg"):
        _suggest(run_folder)


def test_rejects_predictions_missing_from_the_split(run_folder: Path) -> None:
    split = pd.read_csv(run_folder / "split.csv")
    split[split["image_id"] != "v0007"].to_csv(run_folder / "split.csv", index=False)
    with pytest.raises(InputError, match=r"1 images .* v0007.jpg"):
        _suggest(run_folder)


def test_partial_coverage_is_reported(run_folder: Path) -> None:
    path = run_folder / PART_FILES["validation"]
    frame = read_predictions(path)
    write_predictions(frame[frame["fold"] == 0], path)
    suggestions = _suggest(run_folder)
    assert suggestions.counts()["covered"] == 0.5
    assert "Only 30 of 60 development images (50 %)" in suggestions.notes()[0]


def test_decided_images_are_not_suggested_again(run_folder: Path, tmp_path: Path) -> None:
    version = LabelVersion("v1", "none", "", "now", {"v0001": ("Shirt",)}, {})
    write_history(journal_path(tmp_path), [version])
    suggestions = _suggest(run_folder, tmp_path)
    assert list(suggestions.rows["image_id"]) == ["v0000", "v0002"] and suggestions.decided == 1


def test_neighbors_are_the_nearest_images_of_other_groups() -> None:
    angles = np.radians([0, 1, 5, 90, 2, 180, 181, 185, 270, 182])
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    images = pd.DataFrame({"group_id": list("gghijklmno")}, index=list("abcdefghij"))
    features = 10 + circle  # far from the origin, as after a ReLU
    neighbors = find_neighbors(images, features, ["a"])["a"]
    assert [neighbor.image_id for neighbor in neighbors][:3] == ["e", "c", "d"]
    assert neighbors[0].similarity == pytest.approx(np.cos(np.radians(2)))
