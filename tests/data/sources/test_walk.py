"""Every visible file below a folder once, by whatever links, and no way round in a circle."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fashion_exp.data.sources.walk import (
    existing_folder,
    files_below,
    files_directly_in,
    has_image_ending,
    subfolders,
)
from fashion_exp.errors import InputError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def below(folder: Path) -> list[str]:
    """What is found below a class folder of the data set tmp_path."""
    found = files_below(folder, folder.parent)
    return sorted(path.relative_to(folder).as_posix() for path, _ in found)


def test_files_are_found_at_any_depth_and_hidden_ones_are_not(tmp_path: Path) -> None:
    seen = ["a.jpg", "deep/er/b.PNG", "notes.txt"]
    hidden = [".a.jpg", ".git/c.jpg", "__MACOSX/._a.jpg", "__MACOSX/a.jpg", "Thumbs.db"]
    touch(*(tmp_path / "dress" / name for name in seen + hidden))
    assert below(tmp_path / "dress") == seen


def test_linked_files_and_folders_are_followed_to_their_real_place(tmp_path: Path) -> None:
    touch(tmp_path / "far/x.jpg", tmp_path / "near/y.jpg")
    (tmp_path / "near/folder").symlink_to(tmp_path / "far")
    (tmp_path / "near/file.jpg").symlink_to("../far/x.jpg")
    found = {path.name: real for path, real in files_below(tmp_path / "near", tmp_path)}
    assert found == {
        "y.jpg": f"{tmp_path.resolve()}/near/y.jpg",
        "x.jpg": f"{tmp_path.resolve()}/far/x.jpg",
        "file.jpg": f"{tmp_path.resolve()}/far/x.jpg",
    }


@pytest.mark.parametrize("target", [".", "..", "../..", "inner", "../dress/inner"])
def test_no_folder_is_walked_in_a_circle(tmp_path: Path, target: str) -> None:
    root = tmp_path / "root"
    touch(root / "dress/a.jpg", root / "dress/inner/b.jpg", root / "shirt/c.jpg")
    (root / "dress/loop").symlink_to(target)
    names = [path.name for path, _ in files_below(root / "dress", root)]
    assert sorted(names) == ["a.jpg", "b.jpg"]


def test_a_link_back_to_a_linked_class_folder_s_own_parent_is_a_loop(tmp_path: Path) -> None:
    touch(tmp_path / "store/dress/a.jpg", tmp_path / "store/other.jpg", tmp_path / "root/x")
    (tmp_path / "store/dress/up").symlink_to("..")
    (tmp_path / "root/dress").symlink_to(tmp_path / "store/dress")
    assert below(tmp_path / "root/dress") == ["a.jpg"]


def test_broken_links_and_links_in_a_ring_count_as_files(tmp_path: Path) -> None:
    dress = tmp_path / "dress"
    dress.mkdir()
    for link, target in (("broken", "gone"), ("ring", "ring2"), ("ring2", "ring")):
        (dress / link).symlink_to(target)
    assert below(dress) == files_directly_in(dress) == ["broken", "ring", "ring2"]
    assert subfolders(dress) == []


def test_endings_are_told_in_any_case() -> None:
    assert all(map(has_image_ending, ["a.JPG", "b.jpeg", "c.WebP", "d.Tiff", "e.f.png"]))
    assert not any(map(has_image_ending, ["a.txt", "jpg", "b.jpg.part", ".png", "c.heic"]))


def test_a_missing_folder_is_answered_with_the_nearest_there_is(tmp_path: Path) -> None:
    (tmp_path / "photos/dress").mkdir(parents=True)
    with pytest.raises(InputError, match=r"dataset\.root: .*without a 'fotos'.*mean photos\?"):
        existing_folder("dataset.root", str(tmp_path / "fotos/dress"))
    assert existing_folder("dataset.root", str(tmp_path / "photos")) == tmp_path / "photos"


def test_a_missing_relative_folder_is_answered_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"'{tmp_path.resolve()}' exists.*photos"):
        existing_folder("dataset.root", "photo")


def test_an_empty_name_is_not_taken_for_the_working_directory() -> None:
    with pytest.raises(InputError, match=r"dataset\.root: is empty"):
        existing_folder("dataset.root", " ")


def test_a_file_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    touch(tmp_path / "photos.zip")
    with pytest.raises(InputError, match="is a file, not a folder; unpack"):
        existing_folder("dataset.root", str(tmp_path / "photos.zip"))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_behind_a_forbidden_one_has_the_system_s_reason(tmp_path: Path) -> None:
    (tmp_path / "locked/photos").mkdir(parents=True)
    (tmp_path / "locked").chmod(0)
    try:
        with pytest.raises(InputError, match="permission denied"):
            existing_folder("dataset.root", str(tmp_path / "locked/photos"))
    finally:
        (tmp_path / "locked").chmod(0o700)
