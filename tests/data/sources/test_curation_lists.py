"""quarantine.csv and groups.csv act on all sources that read files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.geometry import Geometry
from fashion_exp.data.pixels import load_pixels
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.errors import InputError

WriteImage = Callable[..., Path]
MakeConfig = Callable[..., DatasetConfig]

pytestmark = pytest.mark.usefixtures("four_images")


@pytest.fixture
def four_images(write_image: WriteImage) -> None:
    for seed, name in enumerate(("dress/1", "dress/2", "shirt/3", "shirt/4")):
        write_image(f"{name}.png", seed)


def write_manifest(tmp_path: Path, *rows: str, header: str = "path,label") -> str:
    (tmp_path / "list.csv").write_text("\n".join([header, *rows]) + "\n")
    return str(tmp_path / "list.csv")


def test_quarantined_files_are_left_out(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "quarantine.csv").write_text(
        "path,reason\n./dress//1.png,blank\nshirt/4.png, Fine \nshirt/4.png,ugly\n"
    )
    manifest = write_manifest(tmp_path, "dress/1.png,dress", "dress/2.png,dress",
                              f"{tmp_path}/shirt/3.png,shirt", "shirt/4.png,shirt")  # fmt: skip
    csv_config = make_config(None, name="csv", manifest=manifest)
    for table in (load_folder(make_config()), load_csv(csv_config)):
        assert table.left_out.values.tolist() == [["dress/1.png", "quarantined: blank"]]
        assert len(table) == 3


def test_named_list_replaces_default_list(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "quarantine.csv").write_text("path,reason\ndress/1.png,blank\n")
    other = tmp_path / "other.csv"
    other.write_text("path,reason,by\nshirt/3.png,ugly,me\n")
    table = load_folder(make_config(quarantine=str(other)))
    assert table.left_out["path"].tolist() == ["shirt/3.png"]
    with pytest.raises(InputError, match=r"dataset\.quarantine: .*did you mean other\.csv"):
        load_folder(make_config(quarantine=str(tmp_path / "othr.csv")))
    with pytest.raises(InputError, match=r"dataset\.groups: there is no folder"):
        load_folder(make_config(groups=str(tmp_path / "no" / "groups.csv")))


def test_lists_change_the_fingerprint(make_config: MakeConfig, tmp_path: Path) -> None:
    original = load_folder(make_config()).fingerprint
    groups, quarantine = tmp_path / "groups.csv", tmp_path / "quarantine.csv"
    groups.write_text("path,group\ndress/1.png,g\ndress/2.png,g\n")
    grouped = load_folder(make_config()).fingerprint
    groups.unlink()
    quarantine.write_text("path,reason\ndress/1.png,blank\n")
    assert len({original, grouped, load_folder(make_config()).fingerprint}) == 3
    quarantine.write_text("path,reason\n")
    assert load_folder(make_config()).fingerprint == original


def test_missing_files_are_noted(make_config: MakeConfig, tmp_path: Path) -> None:
    lines = [f"gone/{number}.png,blank" for number in range(4)]
    (tmp_path / "quarantine.csv").write_text("\n".join(["path,reason", *lines]))
    (tmp_path / "groups.csv").write_text("path,group\nshirt/3.png,g\nhat/5.png,g\n")
    assert load_folder(make_config(classes=["dress", "shirt"])).notes == (
        "quarantine.csv names 4 files that do not exist: gone/0.png, gone/1.png, gone/2.png, ….",
        "groups.csv names 1 file that does not exist: hat/5.png.",
        "groups.csv assigns 2 files to 1 groups; a split never divides a group.",
    )


def test_groups_of_list_and_manifest_are_merged(make_config: MakeConfig, tmp_path: Path) -> None:
    manifest = write_manifest(
        tmp_path, "dress/1.png,dress,m", "dress/2.png,dress,m", "shirt/3.png,shirt,",
        "shirt/4.png,shirt,", header="path,label,group",
    )  # fmt: skip
    (tmp_path / "groups.csv").write_text("path,group\ndress/2.png,g\nshirt/3.png,g\nshirt/4.png,\n")
    table = load_csv(make_config(None, name="csv", manifest=manifest))
    groups = dict(zip(table.rows["path"], table.rows["group_id"], strict=True))
    assert groups["dress/1.png"] == groups["dress/2.png"] == groups["shirt/3.png"] == "g"
    assert groups["shirt/4.png"] not in ("g", "m", "")


def test_quarantine_resolves_label_conflict(
    write_image: WriteImage, make_config: MakeConfig, tmp_path: Path
) -> None:
    write_image("shirt/5.png", 0)
    assert len(load_folder(make_config()).left_out) == 2
    (tmp_path / "quarantine.csv").write_text("path,reason\nshirt/5.png,it is a dress\n")
    assert load_folder(make_config()).left_out["path"].tolist() == ["shirt/5.png"]


def test_quarantine_does_not_count_against_limit(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "quarantine.csv").write_text("path,reason\ndress/1.png,blank\nshirt/3.png,ugly\n")

    def count_readable() -> int:
        geometry = Geometry(8, "crop", "bilinear", 3)
        table = load_folder(make_config())
        return len(load_pixels(table, [geometry], 0.01, 1, lambda *_: None, tmp_path / "cache")[0])

    assert count_readable() == 2
    (tmp_path / "dress/2.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1 of 2 files .*dress/2\.png"):
        count_readable()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"file,reason\na,b\n", "has no column 'path'"),
        (b"path,reason\na,b\n,c\n", "line 3 has no path; fill it in or delete the line"),
        (b"path,reason\na,b,c\n", "line 2 has more fields than columns"),
        (b"path,reason,path\n", "has the column 'path' twice"),
        (b'path,reason\n"a,b\n', "is not a CSV file"),
        (b"path,reason\ncaf\xe9,ugly\n", "is not UTF-8"),
        (b"", "has no column 'path'"),
    ],
)
def test_rejects_invalid_list(
    text: bytes, message: str, make_config: MakeConfig, tmp_path: Path
) -> None:
    (tmp_path / "quarantine.csv").write_bytes(text)
    with pytest.raises(InputError) as error:
        load_folder(make_config())
    assert str(error.value).startswith(f"dataset.quarantine: '{tmp_path}/quarantine.csv'")
    assert message in str(error.value) and "\n" not in str(error.value)


def test_rejects_folder_as_list(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "groups.csv").mkdir()
    with pytest.raises(InputError, match=r"dataset\.groups: .*cannot be read: is a directory"):
        load_folder(make_config())
