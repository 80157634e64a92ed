"""The source `folder`: valid and invalid layouts."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError

WriteImage = Callable[..., Path]
MakeConfig = Callable[..., DatasetConfig]


def paths(table: ImageTable) -> list[str]:
    return sorted(table.rows["path"])


@pytest.fixture
def two_images(write_image: WriteImage) -> None:
    """dress/1.png and shirt/2.png below tmp_path."""
    write_image("dress/1.png", 1)
    write_image("shirt/2.png", 2)


@pytest.mark.usefixtures("two_images")
def test_each_folder_is_a_class(write_image: WriteImage, make_config: MakeConfig) -> None:
    write_image("shirt/deep/er/3.PNG", 3, size=(5, 7))
    table = load_folder(make_config())
    assert table.classes == ("dress", "shirt")
    assert dict(table.rows[["path", "label"]].values) == {
        "dress/1.png": 0,
        "shirt/2.png": 1,
        "shirt/deep/er/3.PNG": 1,
    }
    for row, path in enumerate(table.rows["path"]):
        assert table.read(row).shape == ((5, 7, 3) if "deep" in path else (8, 8, 3))
    assert (table.rows["group_id"] == table.rows["image_id"]).all()
    assert set(table.rows["part"]) == {""}
    assert table.native_size == 224 and table.notes == ()


@pytest.mark.usefixtures("two_images")
def test_manifest_of_collection_is_pointed_to(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("path,label,group\n")
    (note,) = load_folder(make_config()).notes
    assert f"dataset=csv dataset.manifest={tmp_path / 'images.csv'}" in note


@pytest.mark.usefixtures("two_images")
def test_list_inside_class_folder_is_noted(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "dress/quarantine.csv").write_text("path,reason\n1.png,blank\n")
    (note,) = load_folder(make_config()).notes
    assert note.startswith("Lists below the root, ignored: dress/quarantine.csv")


@pytest.mark.usefixtures("two_images")
def test_fingerprint_depends_on_content_and_not_on_file_names(
    write_image: WriteImage, make_config: MakeConfig, tmp_path: Path
) -> None:
    before = load_folder(make_config()).fingerprint
    (tmp_path / "dress/1.png").rename(tmp_path / "dress/renamed.png")
    assert load_folder(make_config()).fingerprint == before
    write_image("dress/renamed.png", 9)
    assert load_folder(make_config()).fingerprint != before


def test_official_parts_have_several_names(
    write_image: WriteImage, make_config: MakeConfig
) -> None:
    for seed, name in enumerate(("train", "Validation", "valid", "val", "dev", "TEST")):
        write_image(f"{name}/dress/a.png", seed)
        write_image(f"{name}/shirt/b.png", 100 + seed)
    parts = load_folder(make_config()).rows["part"].value_counts().to_dict()
    assert parts == {"train": 2, "validation": 8, "test": 2}


def test_blanks_around_names_do_not_make_classes(
    write_image: WriteImage, make_config: MakeConfig
) -> None:
    write_image("train/dress /1.png", 1)
    write_image("test/ dress/2.png", 2)
    write_image("train/shirt/3.png", 3)
    table = load_folder(make_config(classes=["shirt ", " dress"], rename={"dress ": " Gown"}))
    assert table.classes == ("shirt", "Gown")
    assert table.class_counts == {"shirt": 1, "Gown": 2}


@pytest.mark.usefixtures("two_images")
def test_names_that_differ_in_case_are_refused_or_merged(
    write_image: WriteImage, make_config: MakeConfig
) -> None:
    write_image("DRESS/3.png", 3)
    with pytest.raises(InputError, match=r"'DRESS' \(1\) and 'dress' \(1\); .*{DRESS: dress}"):
        load_folder(make_config())
    assert load_folder(make_config(rename={"DRESS": "dress"})).classes == ("dress", "shirt")
    (note,) = load_folder(make_config(classes=["dress", "shirt"])).notes
    assert note.endswith("'DRESS' (1) and 'dress' (1); not used: DRESS.")


@pytest.mark.usefixtures("two_images")
def test_classes_can_be_selected_and_renamed(
    write_image: WriteImage, make_config: MakeConfig
) -> None:
    write_image("hat/3.png", 3)
    table = load_folder(make_config(classes=["shirt", "dress"], rename={"shirt": "Top"}))
    assert table.classes == ("Top", "dress")
    assert table.rows["path"].tolist() == ["shirt/2.png", "dress/1.png"]


def test_merged_classes_turn_conflict_into_copy(
    write_image: WriteImage, make_config: MakeConfig
) -> None:
    for name, seed in (("blouse/1", 1), ("shirt/1", 1), ("dress/2", 2)):
        write_image(f"{name}.png", seed)
    separate = load_folder(make_config())
    assert separate.left_out["path"].tolist() == ["blouse/1.png", "shirt/1.png"]
    assert separate.left_out["reason"][0] == "label conflict: blouse here, shirt in shirt/1.png"
    merged = load_folder(make_config(rename={"blouse": "shirt"}))
    assert len(merged.left_out) == 0
    assert merged.rows["copies"].tolist() == [1, 2]


@pytest.mark.usefixtures("two_images")
def test_linked_files_and_folders_are_read_once(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "dress/again.png").symlink_to("1.png")
    (tmp_path / "dress/loop").symlink_to("..")
    (tmp_path / "loop").symlink_to(".")
    table = load_folder(make_config())
    assert table.rows["copies"].tolist() == [1, 1]
    assert table.classes == ("dress", "shirt")


def test_class_folder_may_be_a_link(
    write_image: WriteImage, make_config: MakeConfig, tmp_path: Path
) -> None:
    write_image("store/1.png", 1)
    write_image("root/shirt/2.png", 2)
    (tmp_path / "root/dress").symlink_to(tmp_path / "store")
    assert paths(load_folder(make_config("root"))) == ["dress/1.png", "shirt/2.png"]


@pytest.mark.usefixtures("two_images")
def test_link_into_other_class_is_a_label_conflict(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "shirt/1.png").symlink_to("../dress/1.png")
    table = load_folder(make_config())
    assert table.left_out.values.tolist() == [
        ["dress/1.png", "label conflict: dress here, shirt in shirt/1.png"]
    ]
    assert table.file_count == 2


def test_unicode_forms_of_a_name_are_one_class(
    write_image: WriteImage, make_config: MakeConfig
) -> None:
    write_image(f"train/{unicodedata.normalize('NFD', 'café')}/1.png", 1)
    write_image(f"test/{unicodedata.normalize('NFC', 'café')}/2.png", 2)
    write_image("train/旗袍 👗/3.png", 3)
    table = load_folder(make_config(classes=["旗袍 👗", unicodedata.normalize("NFD", "café")]))
    assert table.classes == ("旗袍 👗", "café")
    assert table.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", ["a=b,c d", "[x]", "{y: z}", "100%", "it's", "$HOME", "new\nline"])
def test_class_names_may_have_special_characters(
    name: str, write_image: WriteImage, make_config: MakeConfig
) -> None:
    write_image(f"{name}/1.png", 1)
    write_image("other/2.png", 2)
    table = load_folder(make_config(classes=[name, "other"]))
    assert table.classes == (name, "other")
    assert table.read(0).shape == (8, 8, 3)


def test_name_that_is_not_utf8_is_escaped(write_image: WriteImage, make_config: MakeConfig) -> None:
    write_image(os.fsdecode(b"caf\xe9/1.png"), 1)
    write_image("other/2.png", 2)
    table = load_folder(make_config())
    assert table.classes == ("caf\\xe9", "other")
    assert table.rows.to_csv().encode()
    assert table.read(0).shape == (8, 8, 3)


@pytest.mark.usefixtures("two_images")
def test_other_files_are_ignored_and_counted(make_config: MakeConfig, tmp_path: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "notes.txt", "more.TXT", "README"):
        (tmp_path / "dress" / name).touch()
    for name in ("__MACOSX/dress/._1.png", ".git/x.png", "loose.jpg", "LICENSE"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    table = load_folder(make_config())
    assert paths(table) == ["dress/1.png", "shirt/2.png"]
    assert table.notes == (
        "Images outside the class folders, ignored: 1.",
        "Files that are no images, ignored: 3 (.txt 2, none 1).",
    )
    assert len(table.left_out) == 0


@pytest.mark.usefixtures("two_images")
def test_unreadable_files_are_left_out_with_reasons(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    (tmp_path / "dress/empty.jpg").touch()
    (tmp_path / "shirt/empty.jpg").touch()
    (tmp_path / "dress/broken.jpg").symlink_to("gone.jpg")
    (tmp_path / "dress/ring.jpg").symlink_to("ring.jpg")
    os.mkfifo(tmp_path / "dress/pipe.jpg")
    table = load_folder(make_config())
    assert dict(table.left_out.values) == {
        "dress/broken.jpg": "broken link",
        "dress/empty.jpg": "empty file",
        "dress/pipe.jpg": "not a regular file",
        "dress/ring.jpg": "too many levels of symbolic links",
        "shirt/empty.jpg": "empty file",
    }
    assert table.file_count == 7


@pytest.mark.usefixtures("two_images")
def test_empty_class_is_left_out_unless_requested(make_config: MakeConfig, tmp_path: Path) -> None:
    (tmp_path / "hat").mkdir()
    (tmp_path / "hat/notes.txt").touch()
    table = load_folder(make_config())
    assert table.classes == ("dress", "shirt")
    assert "Class folders without images, left out: hat." in table.notes
    with pytest.raises(InputError, match=r"dataset\.classes: .*'hat'.*has no images"):
        load_folder(make_config(classes=["dress", "hat"]))
    with pytest.raises(InputError, match=r"dataset\.rename: .*'hat'.*has no images"):
        load_folder(make_config(rename={"hat": "cap"}))


@pytest.mark.usefixtures("two_images")
def test_unlistable_folder_is_reported(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def fail_for_dress(folder: Path) -> object:
        if Path(folder).name == "dress":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", fail_for_dress)
    with pytest.raises(InputError, match="dress' cannot be listed: permission denied"):
        load_folder(make_config())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "has no folders; add one folder of images per class"),
        (["a.jpg", "b.jpg"], "2 images are directly in"),
        (["dress/x.txt", "shirt/y.txt"], "no images in the folders of"),
        (["dress/a.jpg"], "at least two classes are needed, but the selection has dress"),
        (
            ["data/a.jpg", "data/dress/a.jpg", "data/shirt/b.jpg"],
            r"has only the folder data/, .*dataset\.root='.*/data'",
        ),
        (["train/a.jpg", "test/b.jpg"], r"test/, train/ in .* have no subfolders"),
        (["train/dress/a.jpg", "docs/b.jpg"], r"other folders besides the parts train/: docs/"),
    ],
)
def test_rejects_invalid_layout_with_remedy(
    files: list[str], message: str, make_config: MakeConfig, tmp_path: Path
) -> None:
    for number, name in enumerate(files):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"%d" % number)
    with pytest.raises(InputError, match=message) as error:
        load_folder(make_config())
    assert str(error.value).startswith("dataset.") and "\n" not in str(error.value)


def test_images_in_part_without_class_folders_are_ignored(
    write_image: WriteImage, make_config: MakeConfig
) -> None:
    for seed, name in enumerate(("train/dress/1", "train/shirt/2", "test/3", "test/4")):
        write_image(f"{name}.png", seed)
    notes = load_folder(make_config()).notes
    assert "Images outside the class folders, ignored: 2." in notes


def test_real_photos_load_with_their_parts(make_config: MakeConfig, clothing: Path) -> None:
    classes = ["dress", "longsleeve", "shirt"]
    cfg = make_config(str(clothing), classes=classes, rename={"longsleeve": "Pullover"})
    table = load_folder(cfg)
    assert table.classes == ("dress", "Pullover", "shirt")
    assert len(table) == table.file_count == 1096
    assert table.rows["part"].value_counts().to_dict() == {"train": 986, "validation": 110}
    assert min(table.read(0).shape[:2]) == 240
