"""A CSV file of images, written well and badly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError

Photo = Callable[..., Path]
Config = Callable[..., DatasetConfig]
Load = Callable[..., ImageTable]


@pytest.fixture
def load(photo: Photo, config: Config, tmp_path: Path) -> Load:
    """Loads a manifest of the given text beside a.png … d.png, or what `knobs` say."""
    for seed, name in enumerate("abcd"):
        photo(f"{name}.png", seed)

    def from_text(text: str | bytes, root: str | None = None, **knobs: object) -> ImageTable:
        manifest = tmp_path / "list.csv"
        manifest.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_csv(config(root, name="csv", manifest=str(manifest), **knobs))

    return from_text


def test_rows_become_images_of_their_class_group_and_part(load: Load) -> None:
    table = load(
        "part,path,group,label\ntrain,a.png,g1,dress\nVal,b.png,g1,shirt\ntest,c.png,,shirt\n"
    )
    rows = table.rows.set_index("path")
    assert table.classes == ("dress", "shirt")
    assert rows["part"].to_dict() == {"a.png": "train", "b.png": "validation", "c.png": "test"}
    assert rows["group_id"]["a.png"] == rows["group_id"]["b.png"] == "g1"
    assert rows["group_id"]["c.png"] == rows["image_id"]["c.png"]
    assert table.read(0).shape == (8, 8, 3)


def test_group_and_part_may_be_missing(load: Load) -> None:
    table = load("path,label\na.png,dress\nb.png,shirt\n")
    assert (table.rows["group_id"] == table.rows["image_id"]).all()
    assert set(table.rows["part"]) == {""}


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,label\na.png,dress\nb.png,shirt\n",
        b"path,label\r\na.png,dress\r\n\r\nb.png,shirt",
        b' path , label ,note\n"a.png",dress ,"one, two"\n./b.png, shirt,\n',
    ],
    ids=["byte-order mark", "other line ends", "blanks and quotes"],
)
def test_harmless_ways_of_writing_make_no_difference(text: bytes, load: Load) -> None:
    table = load(text)
    assert table.classes == ("dress", "shirt") and len(table) == 2 and len(table.left_out) == 0


def test_paths_are_relative_to_the_root_if_one_is_given(load: Load, photo: Photo) -> None:
    photo("photos/x.png", 8)
    photo("photos/y.png", 9)
    text = "path,label\nx.png,dress\ny.png,shirt\n"
    assert len(load(text, root="photos")) == 2
    with pytest.raises(
        InputError, match=r"none of the 2 files .* such as 'x\.png'; .*dataset\.roo"
    ):
        load(text)


def test_missing_files_and_labels_are_left_out_with_a_reason(load: Load) -> None:
    table = load("path,label\na.png,dress\nb.png,shirt\nc.png,\nz.png,dress\n")
    assert table.left_out.values.tolist() == [["c.png", "no label"], ["z.png", "no such file"]]
    assert table.found == 4


def test_a_row_listed_twice_counts_once(load: Load) -> None:
    table = load("path,label\na.png,dress\na.png,dress\nb.png,shirt\n")
    assert table.rows["copies"].tolist() == [1, 1]


def test_an_image_listed_with_two_labels_is_a_conflict(load: Load) -> None:
    table = load("path,label\na.png,dress\na.png,shirt\nb.png,shirt\nc.png,dress\n")
    assert table.left_out.values.tolist() == [
        ["a.png", "label conflict: dress here, shirt in a.png"],
        ["a.png", "label conflict: shirt here, dress in a.png"],
    ]


def test_a_copy_joins_the_groups_that_list_it(load: Load, photo: Photo) -> None:
    photo("copy of a.png", 0)
    table = load(
        "path,label,group\na.png,dress,g2\ncopy of a.png,dress,g1\nb.png,shirt,g2\nc.png,shirt,g1\n"
    )
    assert len(table) == 3
    assert set(table.rows["group_id"]) == {"g1"}


def test_classes_can_be_chosen_and_renamed(load: Load) -> None:
    text = "path,label\na.png,dress\nb.png,shirt\nc.png,hat\n"
    table = load(text, classes=["shirt", "dress"], rename={"shirt": "Top"})
    assert table.classes == ("Top", "dress") and len(table) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path,labels\na.png,dress\n", r"no column 'label'; did you mean labels\?"),
        ("", "no column 'path'"),
        ("path,label,label\na.png,x,y\n", "the column 'label' twice"),
        ("path,label\na, b.png,dress\n", "line 2 has more fields than columns; quote"),
        ("path,label\n,dress\n", "line 2 has no path"),
        ("path,label,part\na.png,dress,tets\n", r"line 2 .*'tets'; did you mean test\?"),
        ("path,label\n", "two classes are needed at least, here is none"),
        ("path,label\na.png,dress\n", "two classes are needed at least, here is dress"),
        (b"path,label\ncaf\xe9.png,dress\n", "not UTF-8"),
        (b'path,label\n"a.png"x,dress\n', "not a CSV file"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_one_line(
    text: str | bytes, told: str, load: Load
) -> None:
    with pytest.raises(InputError, match=told) as error:
        load(text)
    assert str(error.value).startswith("dataset.") and "\n" not in str(error.value)


def test_a_missing_manifest_is_answered_with_the_nearest_file(
    load: Load, config: Config, tmp_path: Path
) -> None:
    load("path,label\na.png,dress\nb.png,shirt\n")
    with pytest.raises(InputError, match=r"no file .*lists\.csv'; did you mean list\.csv\?"):
        load_csv(config(None, name="csv", manifest=str(tmp_path / "lists.csv")))
