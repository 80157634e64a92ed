"""quarantine.csv and groups.csv beside the photos, or named, act on every table of files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.pixels import Geometry, load_pixels
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError

Photo = Callable[..., Path]
Config = Callable[..., DatasetConfig]


@pytest.fixture
def four(photo: Photo) -> None:
    for seed, name in enumerate(("dress/1", "dress/2", "shirt/3", "shirt/4")):
        photo(f"{name}.png", seed)


def _listed(tmp_path: Path, *rows: str, header: str = "path,label") -> str:
    (tmp_path / "list.csv").write_text("\n".join([header, *rows]) + "\n")
    return str(tmp_path / "list.csv")


def _groups(table: ImageTable) -> dict[str, str]:
    return dict(zip(table.rows["path"], table.rows["group_id"], strict=True))


@pytest.mark.usefixtures("four")
def test_files_in_quarantine_are_left_out_by_both_sources(config: Config, tmp_path: Path) -> None:
    (tmp_path / "quarantine.csv").write_text(
        "path,reason\n./dress//1.png,blank\nshirt/4.png, Fine \nshirt/4.png,ugly\n"
    )
    manifest = _listed(tmp_path, "dress/1.png,dress", "dress/2.png,dress",
                       f"{tmp_path}/shirt/3.png,shirt", "shirt/4.png,shirt")  # fmt: skip
    for table in (load_folder(config()), load_csv(config(None, name="csv", manifest=manifest))):
        assert table.left_out.values.tolist() == [["dress/1.png", "quarantined: blank"]]
        assert len(table) == 3


@pytest.mark.usefixtures("four")
def test_a_quarantine_that_is_named_takes_the_place_of_the_usual_one(
    config: Config, tmp_path: Path
) -> None:
    (tmp_path / "quarantine.csv").write_text("path,reason\ndress/1.png,blank\n")
    other = tmp_path / "other.csv"
    other.write_text("path,reason,by\nshirt/3.png,ugly,me\n")
    table = load_folder(config(quarantine=str(other)))
    assert table.left_out["path"].tolist() == ["shirt/3.png"]
    with pytest.raises(InputError, match=r"dataset\.quarantine: .*did you mean other\.csv"):
        load_folder(config(quarantine=str(tmp_path / "othr.csv")))
    with pytest.raises(InputError, match=r"dataset\.groups: there is no folder"):
        load_folder(config(groups=str(tmp_path / "no" / "groups.csv")))


@pytest.mark.usefixtures("four")
def test_the_fingerprint_is_of_what_the_lists_come_to(config: Config, tmp_path: Path) -> None:
    plain = load_folder(config()).fingerprint
    groups, quarantine = tmp_path / "groups.csv", tmp_path / "quarantine.csv"
    groups.write_text("path,group\ndress/1.png,g\ndress/2.png,g\n")
    grouped = load_folder(config()).fingerprint
    groups.unlink()
    quarantine.write_text("path,reason\ndress/1.png,blank\n")
    assert len({plain, grouped, load_folder(config()).fingerprint}) == 3
    quarantine.write_text("path,reason\n")
    assert load_folder(config()).fingerprint == plain


@pytest.mark.usefixtures("four")
def test_a_line_that_names_nothing_is_told(config: Config, tmp_path: Path) -> None:
    lines = [f"gone/{number}.png,blank" for number in range(4)]
    (tmp_path / "quarantine.csv").write_text("\n".join(["path,reason", *lines]))
    (tmp_path / "groups.csv").write_text("path,group\nshirt/3.png,g\nhat/5.png,g\n")
    assert load_folder(config(classes=["dress", "shirt"])).notes == (
        "quarantine.csv names 4 files that are not there: gone/0.png, gone/1.png, gone/2.png, ….",
        "groups.csv names 1 files that are not there: hat/5.png.",
        "groups.csv puts 2 files into 1 groups, each on one side of a split.",
    )


@pytest.mark.usefixtures("four")
def test_groups_of_the_list_and_of_the_manifest_that_share_a_photo_are_one(
    config: Config, tmp_path: Path
) -> None:
    rows = (
        "dress/1.png,dress,m",
        "dress/2.png,dress,m",
        "shirt/3.png,shirt,",
        "shirt/4.png,shirt,",
    )
    manifest = _listed(tmp_path, *rows, header="path,label,group")
    (tmp_path / "groups.csv").write_text("path,group\ndress/2.png,g\nshirt/3.png,g\nshirt/4.png,\n")
    groups = _groups(load_csv(config(None, name="csv", manifest=manifest)))
    assert groups["dress/1.png"] == groups["dress/2.png"] == groups["shirt/3.png"] == "g"
    assert groups["shirt/4.png"] not in ("g", "m", "")


@pytest.mark.usefixtures("four")
def test_without_lists_every_photo_is_a_group_of_its_own(config: Config) -> None:
    table = load_folder(config())
    assert (table.rows["group_id"] == table.rows["image_id"]).all()


@pytest.mark.usefixtures("four")
def test_quarantining_one_side_of_a_label_conflict_settles_it(
    photo: Photo, config: Config, tmp_path: Path
) -> None:
    photo("shirt/5.png", 0)
    assert len(load_folder(config()).left_out) == 2
    (tmp_path / "quarantine.csv").write_text("path,reason\nshirt/5.png,it is a dress\n")
    assert load_folder(config()).left_out["path"].tolist() == ["shirt/5.png"]


@pytest.mark.usefixtures("four")
def test_a_quarantine_does_not_count_against_the_limit(config: Config, tmp_path: Path) -> None:
    """It is a decision; the limit is for what nobody knows of."""
    (tmp_path / "quarantine.csv").write_text("path,reason\ndress/1.png,blank\nshirt/3.png,ugly\n")
    geometry = Geometry(8, "crop", "bilinear", 3)
    table, _ = load_pixels(
        load_folder(config()), geometry, 0.01, 1, lambda *_: None, tmp_path / "cache"
    )
    assert len(table) == 2
    (tmp_path / "dress/2.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"1 of 2 files .*dress/2\.png"):
        load_pixels(load_folder(config()), geometry, 0.01, 1, lambda *_: None, tmp_path / "cache")


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,reason\na,b\n", "has no column 'path'"),
        ("path,reason\na,b\n,c\n", "line 3 has no path; fill it in or delete the line"),
        ("path,reason\na,b,c\n", "line 2 has more fields than columns"),
        ("path,reason,path\n", "has the column 'path' twice"),
        ('path,reason\n"a,b\n', "is not a CSV file"),
        ("", "has no column 'path'"),
    ],
)
def test_an_ill_formed_list_is_one_line_that_says_where(
    text: str, told: str, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "quarantine.csv").write_text(text)
    with pytest.raises(InputError) as error:
        load_folder(config())
    message = str(error.value)
    assert message.startswith(f"dataset.quarantine: '{tmp_path}/quarantine.csv'")
    assert told in message and "\n" not in message


@pytest.mark.usefixtures("four")
def test_a_list_that_is_not_utf_8_or_a_folder_is_told(config: Config, tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_bytes("path,group\ncaf\xe9,g\n".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8"):
        load_folder(config())
    os.remove(tmp_path / "groups.csv")
    (tmp_path / "groups.csv").mkdir()
    with pytest.raises(InputError, match=r"dataset\.groups: .*cannot be read: is a directory"):
        load_folder(config())
