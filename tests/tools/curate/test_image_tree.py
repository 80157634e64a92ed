"""Every picture below a folder with its class and part, as `dataset=folder` reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.errors import InputError
from fashion_exp.tools.curate.image_tree import look_through
from tests.tools.curate.conftest import Draw


@pytest.mark.parametrize("parts", [[""], ["train/", "Valid/", "test/"]])
def test_paths_classes_and_parts_are_those_of_the_image_table(
    parts: list[str], draw: Draw, tmp_path: Path
) -> None:
    for seed, part in enumerate(parts):
        draw(f"{part}dress/a{seed}.png", 10 * seed)
        draw(f"{part}shirt/deep/er/b.png", 10 * seed + 1)
    root = tmp_path / "photos"
    cfg = DatasetConfig(name="folder", root=str(root), classes=None, rename={}, max_megapixels=40.0)
    table = load_folder(cfg)
    rows = {(row.path, table.classes[row.label], row.part) for row in table.rows.itertuples()}
    pictures = look_through(str(root)).pictures
    assert {(place.path, place.label, place.part) for place in pictures} == rows
    assert [place.path for place in pictures] == sorted(place.path for place in pictures)


def test_pictures_directly_in_the_folder_have_no_class_and_others_are_told(
    draw: Draw, tmp_path: Path
) -> None:
    draw("a.png", 1)
    (tmp_path / "photos/list.csv").touch()
    folder = look_through(str(tmp_path / "photos"))
    assert [(place.path, place.label, place.part) for place in folder.pictures] == [
        ("a.png", "", "")
    ]
    assert [place.path for place in folder.others] == ["list.csv"]


def test_a_folder_that_is_not_there_or_empty_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match=r"DIR: there is no folder .*did you mean photos"):
        look_through(str(tmp_path / "photo"))
    with pytest.raises(InputError, match="DIR: no pictures in"):
        look_through(str(tmp_path / "photos"))
