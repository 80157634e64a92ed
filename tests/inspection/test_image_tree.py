"""Paths, classes and parts agree with dataset=folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.configuration.schema import DatasetConfig, Layout
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.errors import InputError
from fashion_exp.inspection.image_tree import scan_folder
from tests.inspection.conftest import SaveImage


@pytest.mark.parametrize(
    "parts",
    [
        [""],
        ["train/", "Valid/", "test/"],
        ["all/Training/", "all/Testing/"],
        ["seg_train/seg_train/", "seg_test/seg_test/"],
        ["data/data/"],
    ],
)
def test_paths_classes_and_parts_equal_those_of_the_image_table(
    parts: list[str], save: SaveImage, tmp_path: Path
) -> None:
    for seed, part in enumerate(parts):
        save(f"{part}dress/a{seed}.png", 10 * seed)
        save(f"{part}shirt/deep/er/b.png", 10 * seed + 1)
    root = tmp_path / "photos"
    cfg = DatasetConfig(name="folder", root=str(root), classes=None, rename={}, max_megapixels=40.0)
    table = load_folder(cfg)
    rows = table.rows[["path", "label", "part"]].itertuples(index=False, name=None)
    expected = {(path, table.classes[label], part) for path, label, part in rows}
    images = scan_folder(str(root)).images
    assert {(image.path, image.label, image.part) for image in images} == expected
    assert [image.path for image in images] == sorted(image.path for image in images)


def test_layout_in_doubt_is_refused_with_the_option(save: SaveImage, tmp_path: Path) -> None:
    for seed, name in enumerate(("a/dress", "a/shirt", "b/dress", "b/shirt")):
        save(f"{name}/1.png", seed)
    root = str(tmp_path / "photos")
    with pytest.raises(InputError, match=r"DIR: .*two ways.*set --layout=parts.*--layout=classes"):
        scan_folder(root)
    assert {image.label for image in scan_folder(root, Layout.classes).images} == {"a", "b"}
    assert {image.label for image in scan_folder(root, Layout.parts).images} == {"dress", "shirt"}


def test_notes_say_the_layout_and_names_that_differ_in_case(
    save: SaveImage, tmp_path: Path
) -> None:
    for seed, name in enumerate(("Training/dress", "Training/Dress", "Testing/dress ")):
        save(f"{name}/1.png", seed)
    layout, names = scan_folder(str(tmp_path / "photos")).notes
    assert layout.startswith("Official parts: Testing/ (test), Training/ (train);")
    assert "'Dress' (1) and 'dress' (2); runs refuse them" in names


def test_images_in_the_root_have_no_class_and_other_files_are_listed(
    save: SaveImage, tmp_path: Path
) -> None:
    save("a.png", 1)
    (tmp_path / "photos/list.csv").touch()
    tree = scan_folder(str(tmp_path / "photos"))
    assert [(image.path, image.label, image.part) for image in tree.images] == [("a.png", "", "")]
    assert [file.path for file in tree.other_files] == ["list.csv"]


def test_rejects_missing_and_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match=r"DIR: .*did you mean photos"):
        scan_folder(str(tmp_path / "photo"))
    with pytest.raises(InputError, match="DIR: no images in"):
        scan_folder(str(tmp_path / "photos"))
