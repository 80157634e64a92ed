"""Paths, classes and parts agree with dataset=folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.errors import InputError
from fashion_exp.tools.curate.image_tree import scan_folder
from tests.tools.curate.conftest import SaveImage


@pytest.mark.parametrize("parts", [[""], ["train/", "Valid/", "test/"]])
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
