"""Layouts of folders: what is recognized, what is refused, and what the option chooses."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from fashion_exp.configuration.schema import Layout
from fashion_exp.data.sources.folder import list_folder
from fashion_exp.data.sources.layout import find_layout
from fashion_exp.errors import InputError


def make_files(root: Path, text: str) -> None:
    """Files from "{train,test}/{a,b}/1.jpg …"; all but texts start like a JPEG."""
    for pattern in text.split():
        pieces = [re.split(",", piece) for piece in re.split(r"[{}]", pattern)]
        for name in map("".join, itertools.product(*pieces)):
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"text" if file.suffix in (".txt", ".pdf") else b"\xff\xd8\xff")


def read(root: Path, layout: Layout | None = None) -> str:
    """Classes by part: "train: dress shirt; test: dress"; a part without a name is "-"."""
    files, _, _ = list_folder(root, layout)
    parts = {
        part or "-": " ".join(sorted(files["label"][files["part"] == part].unique()))
        for part in ("train", "validation", "test", "")
    }
    return "; ".join(f"{part}: {names}" for part, names in parts.items() if names)


TRAIN_TEST = "train: dress shirt; test: dress shirt"

RECOGNIZED = {
    "Training/{dress,shirt}/1.jpg Testing/{dress,shirt}/1.jpg": TRAIN_TEST,
    "TRAIN_SET/{dress,shirt}/1.jpg test-images/{dress,shirt}/1.jpg": TRAIN_TEST,
    "seg_train/seg_train/{dress,shirt}/1.jpg seg_test/seg_test/{dress,shirt}/1.jpg "
    "seg_pred/seg_pred/1.jpg": TRAIN_TEST,
    "archive/data/train/{dress,shirt}/1.jpg archive/data/test/{dress,shirt}/1.jpg "
    "archive/data/x.txt": TRAIN_TEST,
    "training_data/train/{dress,shirt}/1.jpg training_data/test/{dress,shirt}/1.jpg": TRAIN_TEST,
    "train/images/{dress,shirt}/1.jpg test/images/{dress,shirt}/1.jpg": TRAIN_TEST,
    "train/clothes/{dress,shirt}/1.jpg test/clothes/{dress,shirt}/1.jpg": TRAIN_TEST,
    "train/{dress,shirt}/1.jpg test/{dress,shirt}/1.jpg papers/a.pdf": TRAIN_TEST,
    "images/train/{dress,shirt}/1.jpg images/val/{dress,shirt}/1.jpg labels/train/dress/1.txt": (
        "train: dress shirt; validation: dress shirt"
    ),
    "clothes_train/{dress,shirt}/1.jpg clothes_test/{dress,shirt}/1.jpg": TRAIN_TEST,
    "letters_train/letters_train/{a,b}/1.jpg letters_test/letters_test/1.jpg": "train: a b",
    "train/{dress,shirt}/1.jpg test/1.jpg": "train: dress shirt",
    "train/train/{dress,shirt}/1.jpg train/val/dress/1.jpg test/test/{dress,shirt}/1.jpg": (
        "train: dress shirt; validation: dress; test: dress shirt"
    ),
    "train/{dress,shirt}/1.jpg test/{train,dress}/1.jpg": "train: dress shirt; test: dress train",
    "{dress,shirt}/train/1.jpg {dress,shirt}/test/2.jpg": TRAIN_TEST,
    "all/all/{dress,shirt}/1.jpg LICENSE.txt": "-: dress shirt",
    "{dress,shirt}/new/1.jpg dress/old/2.jpg hat/3.jpg": "-: dress hat shirt",
    "{car,train,bus}/1.jpg": "-: bus car train",
    "{bullet,steam}_train/1.jpg": "-: bullet_train steam_train",
    "{test_tubes,train_tracks}/1.jpg": "-: test_tubes train_tracks",
}


@pytest.mark.parametrize("files", RECOGNIZED)
def test_layout_is_recognized(files: str, tmp_path: Path) -> None:
    make_files(tmp_path, files)
    assert read(tmp_path) == RECOGNIZED[files]


def test_images_without_known_extension_count(tmp_path: Path) -> None:
    make_files(tmp_path, "data/train/{dress,shirt}/1 data/test/{dress,shirt}/1.heic")
    result = {(folder.name, folder.part) for folder in find_layout(tmp_path).class_folders}
    assert result == {(name, part) for name in ("dress", "shirt") for part in ("train", "test")}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("{a,b}/{dress,shirt}/1.jpg", "two ways: a/, b/ are parts .* the classes dress, shirt"),
        ("w/a/{dress,shirt}/1.jpg w/b/{dress,shirt}/1.jpg", "w' can be read in two ways"),
        ("train/{dress,shirt}/1.jpg more/dress/1.jpg", "besides the parts train/: more/"),
        ("train/old/1.jpg {car,bus}/1.jpg", "besides the parts train/: bus/, car/"),
        ("{train,test,car}/1.jpg", "the parts test/, train/ without class folders beside car/"),
        ("dress/{train,test}/1.jpg shirt/1.jpg", "dress/ has the parts test/, train/ inside, but"),
        (
            "a/train/{dress,shirt}/1.jpg a/test/dress/1.jpg b/{train,test}/dress/1.jpg",
            "a/, b/ are parts of the data with the classes dress, shirt",
        ),
    ],
)
def test_several_readings_are_refused_with_the_options(
    files: str, message: str, tmp_path: Path
) -> None:
    make_files(tmp_path, files)
    with pytest.raises(InputError, match=message) as error:
        list_folder(tmp_path)
    assert "dataset.layout=classes" in str(error.value) and "\n" not in str(error.value)
    assert len(list_folder(tmp_path, Layout.classes)[0]) > 0


def test_option_chooses_the_reading(tmp_path: Path) -> None:
    make_files(tmp_path, "2019/{dress,shirt}/1.jpg 2020/{dress,shirt}/1.jpg")
    assert read(tmp_path, Layout.classes) == "-: 2019 2020"
    assert read(tmp_path, Layout.parts) == "-: dress shirt"
    make_files(tmp_path, "fashion_test/{dress,shirt}/1.jpg")
    assert read(tmp_path, Layout.parts) == "test: dress shirt; -: dress shirt"


def test_note_names_every_part(tmp_path: Path) -> None:
    make_files(tmp_path, "data/Training/{dress,shirt}/1.jpg data/Testing/{dress,shirt}/1.jpg")
    assert find_layout(tmp_path).notes == (
        "Official parts: data/Testing/ (test), data/Training/ (train); the folders inside are the "
        "classes.",
    )


def test_parts_without_class_folders_are_refused_by_runs_only(tmp_path: Path) -> None:
    make_files(tmp_path, "{train,test}/1.jpg")
    assert find_layout(tmp_path).class_folders == ()
    with pytest.raises(InputError, match=r"test/, train/ in .* have no subfolders"):
        list_folder(tmp_path)


def test_folder_named_by_blanks_is_refused(tmp_path: Path) -> None:
    for name in (" ", "dress", "shirt"):
        make_files(tmp_path / name, "1.jpg")
    with pytest.raises(InputError, match="has only blanks; rename it"):
        list_folder(tmp_path)


def test_lists_in_wrapping_folders_are_noted(tmp_path: Path) -> None:
    make_files(tmp_path, "data/{dress,shirt}/1.jpg")
    (tmp_path / "data/quarantine.csv").touch()
    _, _, notes = list_folder(tmp_path)
    assert notes[1].startswith("Lists below the root, ignored: data/quarantine.csv;")
