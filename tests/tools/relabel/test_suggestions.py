"""What a run's predictions are taken for, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fashion_exp.comparison.out_of_fold import by_image
from fashion_exp.comparison.run_data import RunData, load_run
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import PART_FILES, read_predictions, write_predictions
from fashion_exp.tools.relabel.neighbours import neighbours
from fashion_exp.tools.relabel.suggestions import COLUMNS, suggestions
from tests.comparison.made_runs import made_run

IMAGES = 60
KEYS = [(repeat, fold) for repeat in range(2) for fold in range(2)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two repeats of two folds over 60 images, the first three of them called the other class."""
    right = np.ones(IMAGES)
    right[:3] = 0
    asked = np.arange(IMAGES) // 2 % 2
    scores = np.array([np.where(asked == fold, right, np.nan) for _, fold in KEYS])
    knobs = {"dataset.rename": {"gown": "Dress"}, "dataset.name": "folder"}
    made_run(
        tmp_path / "run", "run", scores, np.ones((4, 10)), opened=False, keys=KEYS, knobs=knobs
    )
    split = pd.read_csv(tmp_path / "run" / "split.csv")
    for repeat, fold in KEYS:
        development = split[f"r{repeat}f{fold}"] == "validation"
        own = split.index // 2 % 2 == fold
        split.loc[development & ~own, f"r{repeat}f{fold}"] = "train"
    split.to_csv(tmp_path / "run" / "split.csv", index=False)
    return tmp_path / "run"


def loaded(folder: Path) -> RunData:
    return load_run(folder)


def test_each_image_is_judged_by_the_mean_of_those_that_had_not_seen_it(folder: Path) -> None:
    found = suggestions(loaded(folder), None, None)
    assert tuple(found.rows.columns) == COLUMNS
    assert list(found.rows["image_id"]) == ["v0000", "v0001", "v0002"]
    assert list(found.rows["given"]) == ["gown", "Shirt", "gown"]  # the data's own names
    assert list(found.rows["suggested"]) == ["Shirt", "gown", "Shirt"]
    told = found.counts()
    assert told["covered"] == 1 and told["wrong_sources"] == 3 and told["sources"] == IMAGES
    assert by_image(loaded(folder).frame("validation"))["models"].eq(2).all()


def test_the_test_predictions_are_not_read(folder: Path) -> None:
    (folder / PART_FILES["test"]).unlink()
    found = suggestions(loaded(folder), None, None)
    assert any("sealed" in note for note in found.notes())


def test_images_seen_in_training_are_refused_by_name(folder: Path) -> None:
    split = pd.read_csv(folder / "split.csv")
    split.loc[split["image_id"] == "v0002", "group_id"] = "v0000"  # a copy, in the other fold
    split.to_csv(folder / "split.csv", index=False)
    told = r"run: 2 images were predicted by models that had trained on them .* such as v000\d.jpg"
    with pytest.raises(InputError, match=told):
        suggestions(loaded(folder), None, None)


def test_predictions_of_which_no_split_tells_are_refused(folder: Path) -> None:
    split = pd.read_csv(folder / "split.csv")
    split[split["image_id"] != "v0007"].to_csv(folder / "split.csv", index=False)
    with pytest.raises(InputError, match=r"1 images .* v0007.jpg"):
        suggestions(loaded(folder), None, None)


def test_a_holdout_says_how_little_it_covers(folder: Path) -> None:
    path = folder / PART_FILES["validation"]
    frame = read_predictions(path)
    write_predictions(frame[frame["fold"] == 0], path)
    found = suggestions(loaded(folder), None, None)
    assert found.counts()["covered"] == 0.5
    assert "Only 30 of 60 development images (50 %)" in found.notes()[0]


def test_what_a_person_has_decided_is_not_asked_again(folder: Path, tmp_path: Path) -> None:
    from fashion_exp.data.label_versions import Version, journal_of, write_history

    told = Version("v1", "none", "", "now", {"v0001": ("Shirt",)}, {})
    write_history(journal_of(tmp_path), [told])
    found = suggestions(loaded(folder), None, tmp_path)
    assert list(found.rows["image_id"]) == ["v0000", "v0002"] and found.decided == 1


def test_neighbours_are_the_nearest_of_other_sources() -> None:
    angles = np.radians([0, 1, 5, 90, 2, 180, 181, 185, 270, 182])
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    table = pd.DataFrame({"group_id": list("gghijklmno")}, index=list("abcdefghij"))
    found = neighbours(table, 10 + around, ["a"])  # far from zero, as after a rectifier
    assert [near.image_id for near in found["a"]][:3] == ["e", "c", "d"]
    assert found["a"][0].alike == pytest.approx(np.cos(np.radians(2)))
