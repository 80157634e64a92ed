"""Photos in folders, laid out well and badly."""

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

Photo = Callable[..., Path]
Config = Callable[..., DatasetConfig]

CLOTHING = Path(__file__).parents[3] / "../shared/data/clothing"


def paths(table: ImageTable) -> list[str]:
    return sorted(table.rows["path"])


@pytest.fixture
def two(photo: Photo) -> None:
    """dress/1.png and shirt/2.png below tmp_path."""
    photo("dress/1.png", 1)
    photo("shirt/2.png", 2)


@pytest.mark.usefixtures("two")
def test_each_folder_is_a_class_and_each_row_reads_its_photo(photo: Photo, config: Config) -> None:
    photo("shirt/deep/er/3.PNG", 3, size=(5, 7))
    table = load_folder(config())
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


@pytest.mark.usefixtures("two")
def test_of_a_collection_the_list_with_its_groups_is_pointed_to(
    config: Config, tmp_path: Path
) -> None:
    (tmp_path / "images.csv").write_text("path,label,group\n")
    (note,) = load_folder(config()).notes
    assert f"dataset=csv dataset.manifest={tmp_path / 'images.csv'} keeps" in note


@pytest.mark.usefixtures("two")
def test_a_list_below_the_root_is_told_not_to_be_read(config: Config, tmp_path: Path) -> None:
    (tmp_path / "dress/quarantine.csv").write_text("path,reason\n1.png,blank\n")
    (note,) = load_folder(config()).notes
    assert note.startswith("Not read, as lists stand beside") and "dress/quarantine.csv" in note


@pytest.mark.usefixtures("two")
def test_ids_are_hashes_of_content_and_survive_another_place(
    photo: Photo, config: Config, tmp_path: Path
) -> None:
    before = load_folder(config())
    (tmp_path / "dress/1.png").rename(tmp_path / "dress/another name.png")
    after = load_folder(config())
    assert after.fingerprint == before.fingerprint
    photo("dress/another name.png", 9)
    assert load_folder(config()).fingerprint != before.fingerprint


def test_official_parts_are_told_by_any_of_their_names(photo: Photo, config: Config) -> None:
    names = ("train", "Validation", "valid", "val", "dev", "TEST")
    for seed, name in enumerate(names):
        photo(f"{name}/dress/a.png", seed)
        photo(f"{name}/shirt/b.png", 100 + seed)
    parts = load_folder(config()).rows["part"].value_counts().to_dict()
    assert parts == {"train": 2, "validation": 8, "test": 2}


def test_a_copy_in_the_test_part_is_taken_from_training(photo: Photo, config: Config) -> None:
    for name in ("train/dress/a", "test/dress/b"):
        photo(f"{name}.png", 1)
    for seed, name in enumerate(("train/dress/c", "train/shirt/d", "test/shirt/e")):
        photo(f"{name}.png", 10 + seed)
    table = load_folder(config())
    assert table.rows.loc[table.rows["copies"] == 2, "path"].tolist() == ["test/dress/b.png"]
    assert "Pictures of train that are also in test, used there only: 1." in table.notes


@pytest.mark.usefixtures("two")
def test_a_subset_is_taken_in_its_order_and_renamed(photo: Photo, config: Config) -> None:
    photo("hat/3.png", 3)
    table = load_folder(config(classes=["shirt", "dress"], rename={"shirt": "Top"}))
    assert table.classes == ("Top", "dress")
    assert table.rows["path"].tolist() == ["shirt/2.png", "dress/1.png"]


def test_merged_classes_turn_a_conflict_into_a_copy(photo: Photo, config: Config) -> None:
    for name, seed in (("blouse/1", 1), ("shirt/1", 1), ("dress/2", 2)):
        photo(f"{name}.png", seed)
    apart = load_folder(config())
    assert apart.left_out["path"].tolist() == ["blouse/1.png", "shirt/1.png"]
    assert apart.left_out["reason"][0] == "label conflict: blouse here, shirt in shirt/1.png"
    merged = load_folder(config(rename={"blouse": "shirt"}))
    assert len(merged.left_out) == 0
    assert merged.rows["copies"].tolist() == [1, 2]


@pytest.mark.usefixtures("two")
def test_a_linked_file_or_folder_is_read_once(config: Config, tmp_path: Path) -> None:
    (tmp_path / "dress/again.png").symlink_to("1.png")
    (tmp_path / "dress/loop").symlink_to("..")
    (tmp_path / "loop").symlink_to(".")
    table = load_folder(config())
    assert table.rows["copies"].tolist() == [1, 1]
    assert table.classes == ("dress", "shirt")


def test_a_class_folder_may_be_a_link(photo: Photo, config: Config, tmp_path: Path) -> None:
    photo("store/1.png", 1)
    photo("root/shirt/2.png", 2)
    (tmp_path / "root/dress").symlink_to(tmp_path / "store")
    assert paths(load_folder(config("root"))) == ["dress/1.png", "shirt/2.png"]


@pytest.mark.usefixtures("two")
def test_a_link_into_another_class_is_a_label_conflict(config: Config, tmp_path: Path) -> None:
    (tmp_path / "shirt/1.png").symlink_to("../dress/1.png")
    table = load_folder(config())
    assert table.left_out["path"].tolist() == ["dress/1.png", "shirt/1.png"]


def test_names_in_two_spellings_of_unicode_are_one_class(photo: Photo, config: Config) -> None:
    photo(f"train/{unicodedata.normalize('NFD', 'café')}/1.png", 1)
    photo(f"test/{unicodedata.normalize('NFC', 'café')}/2.png", 2)
    photo("train/旗袍 👗/3.png", 3)
    table = load_folder(config(classes=["旗袍 👗", unicodedata.normalize("NFD", "café")]))
    assert table.classes == ("旗袍 👗", "café")
    assert table.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("name", ["a=b,c d", "[x]", "{y: z}", "100%", "it's", "$HOME", "new\nline"])
def test_odd_names_of_folders_are_names_like_others(
    name: str, photo: Photo, config: Config
) -> None:
    photo(f"{name}/1.png", 1)
    photo("other/2.png", 2)
    table = load_folder(config(classes=[name, "other"]))
    assert table.classes == (name, "other")
    assert table.read(0).shape == (8, 8, 3)


def test_a_name_that_is_not_utf_8_can_be_read_and_written(photo: Photo, config: Config) -> None:
    photo(os.fsdecode(b"caf\xe9/1.png"), 1)
    photo("other/2.png", 2)
    table = load_folder(config())
    assert table.classes == ("caf\\xe9", "other")
    assert table.rows.to_csv().encode()
    assert table.read(0).shape == (8, 8, 3)


@pytest.mark.usefixtures("two")
def test_what_is_no_image_is_passed_over_and_counted(config: Config, tmp_path: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "notes.txt", "more.TXT", "README"):
        (tmp_path / "dress" / name).touch()
    for name in ("__MACOSX/dress/._1.png", ".git/x.png", "loose.jpg", "LICENSE"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    table = load_folder(config())
    assert paths(table) == ["dress/1.png", "shirt/2.png"]
    assert table.notes == (
        "Images outside the class folders, ignored: 1.",
        "Files ignored for their endings: 3 (.txt 2, none 1).",
    )
    assert len(table.left_out) == 0


@pytest.mark.usefixtures("two")
def test_a_file_that_cannot_be_opened_is_left_out_with_its_reason(
    config: Config, tmp_path: Path
) -> None:
    (tmp_path / "dress/empty.jpg").touch()
    (tmp_path / "shirt/empty.jpg").touch()
    (tmp_path / "dress/broken.jpg").symlink_to("gone.jpg")
    (tmp_path / "dress/ring.jpg").symlink_to("ring.jpg")
    os.mkfifo(tmp_path / "dress/pipe.jpg")
    table = load_folder(config())
    assert dict(table.left_out.values) == {
        "dress/broken.jpg": "broken link",
        "dress/empty.jpg": "empty file",
        "dress/pipe.jpg": "not a regular file",
        "dress/ring.jpg": "too many levels of symbolic links",
        "shirt/empty.jpg": "empty file",
    }
    assert table.found == 7


@pytest.mark.usefixtures("two")
def test_an_empty_class_is_left_out_unless_it_was_asked_for(config: Config, tmp_path: Path) -> None:
    (tmp_path / "hat").mkdir()
    (tmp_path / "hat/notes.txt").touch()
    table = load_folder(config())
    assert table.classes == ("dress", "shirt")
    assert "Class folders without images, left out: hat." in table.notes
    with pytest.raises(InputError, match=r"dataset\.classes: .*'hat'.*has no images"):
        load_folder(config(classes=["dress", "hat"]))
    with pytest.raises(InputError, match=r"dataset\.rename: .*'hat'.*has no images"):
        load_folder(config(rename={"hat": "cap"}))


@pytest.mark.usefixtures("two")
def test_a_read_only_folder_is_enough(config: Config, tmp_path: Path) -> None:
    folders = [tmp_path, tmp_path / "dress", tmp_path / "shirt"]
    for folder in folders:
        folder.chmod(0o500)
    try:
        assert len(load_folder(config())) == 2
    finally:
        for folder in folders:
            folder.chmod(0o700)


@pytest.mark.usefixtures("two")
def test_a_folder_that_cannot_be_listed_is_an_error(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "dress":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="dress' cannot be listed: permission denied"):
        load_folder(config())


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([], "has no folders; one folder of images per class"),
        (["a.jpg", "b.jpg"], "2 images lie directly in"),
        (["dress/x.txt", "shirt/y.txt"], "no images in the folders of"),
        (["dress/a.jpg"], "two classes are needed at least, here is dress"),
        (["data/dress/a.jpg", "data/shirt/b.jpg"], r"holds data/ alone.*dataset\.root='.*/data'"),
        (["train/a.jpg", "test/b.jpg"], r"test/, train/ in .* hold no folders"),
        (["train/dress/a.jpg", "docs/b.jpg"], r"docs/ stand beside the parts train/"),
    ],
)
def test_a_layout_that_cannot_be_meant_is_told_with_its_remedy(
    files: list[str], told: str, config: Config, tmp_path: Path
) -> None:
    for number, name in enumerate(files):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"%d" % number)
    with pytest.raises(InputError, match=told) as error:
        load_folder(config())
    assert str(error.value).startswith("dataset.") and "\n" not in str(error.value)


def test_a_part_without_class_folders_is_counted_as_ignored(photo: Photo, config: Config) -> None:
    for seed, name in enumerate(("train/dress/1", "train/shirt/2", "test/3", "test/4")):
        photo(f"{name}.png", seed)
    assert "Images outside the class folders, ignored: 2." in load_folder(config()).notes


def test_three_classes_of_the_real_photos_load_with_their_parts(config: Config) -> None:
    if not CLOTHING.is_dir():
        pytest.skip("the shared photos are not beside this checkout")
    asked = ["dress", "longsleeve", "shirt"]
    cfg = config(None, classes=asked, rename={"longsleeve": "Pullover"})
    cfg.root = str(CLOTHING)
    table = load_folder(cfg)
    assert table.classes == ("dress", "Pullover", "shirt")
    assert len(table) == table.found == 1096
    assert table.rows["part"].value_counts().to_dict() == {"train": 986, "validation": 110}
    assert min(table.read(0).shape[:2]) == 240
