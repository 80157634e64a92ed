"""Files below a folder: links are followed once, loops and hidden files are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fashion_exp.data.sources.folder import list_folder
from fashion_exp.data.sources.walk import (
    existing_file,
    existing_folder,
    has_image_extension,
    is_image,
    list_files,
    subfolders,
    walk_files,
)
from fashion_exp.errors import InputError
from fashion_exp.inspection.image_tree import scan_folder
from fashion_exp.tools.collect.local_providers import LocalFolder
from fashion_exp.tools.collect.plan import FolderSource, Plan


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def relative_files(folder: Path) -> list[str]:
    """The files below a class folder whose parent is the root."""
    files = walk_files(folder, folder.parent)
    return sorted(path.relative_to(folder).as_posix() for path, _ in files)


def test_walks_all_depths_and_skips_hidden_files(tmp_path: Path) -> None:
    visible = ["a.jpg", "deep/er/b.PNG", "notes.txt"]
    hidden = [".a.jpg", ".git/c.jpg", "__MACOSX/._a.jpg", "__MACOSX/a.jpg", "Thumbs.db"]
    touch(*(tmp_path / "dress" / name for name in visible + hidden))
    assert relative_files(tmp_path / "dress") == visible


SYSTEM_FOLDERS = (
    "@eaDir", "$RECYCLE.BIN", "$Recycle.Bin", ".Trashes", ".Trash-1000", ".Spotlight-V100",
    ".fseventsd", "System Volume Information", "__MACOSX", "lost+found", "LOST.DIR", "FOUND.000",
    ".ipynb_checkpoints", "#recycle", "#snapshot", ".@__thumb", "@Recycle", ".AppleDouble",
    ".thumbnails", ".git", "__pycache__", "Network Trash Folder", "RECYCLER", "@SynoResource",
    "_gsdata_", "Photos Previews.lrdata", "~snapshot",
)  # fmt: skip
SYSTEM_FILES = (
    "Thumbs.db", "ehthumbs.db", "desktop.ini", ".DS_Store", "._1.jpg", ".hidden.jpg", "Icon\r",
    "~$1.jpg", "1.jpg~", "SYNOPHOTO_THUMB_M.jpg", "Picasa.ini",
)  # fmt: skip


def test_what_systems_leave_is_in_no_walk(tmp_path: Path) -> None:
    """Runs and data apply, data check, summary and duplicates, and data collect."""
    photos = [f"{name}/{number}.jpg" for name in ("dress", "shirt") for number in (1, 2)]
    touch(*(tmp_path / name for name in photos))
    for folder in (tmp_path, tmp_path / "dress"):
        touch(*(folder / name / "a.jpg" for name in SYSTEM_FOLDERS))
        touch(*(folder / name for name in SYSTEM_FILES))
    files, empty_classes, notes = list_folder(tmp_path)
    assert (sorted(files["path"]), empty_classes, notes) == (photos, set(), [])
    tree = scan_folder(str(tmp_path))
    assert ([image.path for image in tree.images], tree.other_files) == (photos, [])
    plan = Plan.model_validate({"classes": {"dress": None, "shirt": None}})
    source = LocalFolder(tmp_path, FolderSource(kind="folder", path="."), plan, 1)
    assert [sum(query.cap for query in source.queries(name)) for name in plan.classes] == [2, 2]


@pytest.mark.parametrize("name", ["$HOME", "#1", "@home", "lost", "recycled", "system", "~x"])
def test_names_that_only_resemble_those_of_systems_are_walked(name: str, tmp_path: Path) -> None:
    touch(tmp_path / name / "a.jpg")
    assert subfolders(tmp_path) == [tmp_path / name]


def test_links_give_real_paths(tmp_path: Path) -> None:
    touch(tmp_path / "far/x.jpg", tmp_path / "near/y.jpg")
    (tmp_path / "near/folder").symlink_to(tmp_path / "far")
    (tmp_path / "near/file.jpg").symlink_to("../far/x.jpg")
    files = {path.name: real for path, real in walk_files(tmp_path / "near", tmp_path)}
    assert files == {
        "y.jpg": f"{tmp_path.resolve()}/near/y.jpg",
        "x.jpg": f"{tmp_path.resolve()}/far/x.jpg",
        "file.jpg": f"{tmp_path.resolve()}/far/x.jpg",
    }


@pytest.mark.parametrize("target", [".", "..", "../..", "inner", "../dress/inner"])
def test_link_loops_are_not_followed(tmp_path: Path, target: str) -> None:
    root = tmp_path / "root"
    touch(root / "dress/a.jpg", root / "dress/inner/b.jpg", root / "shirt/c.jpg")
    (root / "dress/loop").symlink_to(target)
    names = [path.name for path, _ in walk_files(root / "dress", root)]
    assert sorted(names) == ["a.jpg", "b.jpg"]


def test_parent_of_linked_class_folder_is_not_entered(tmp_path: Path) -> None:
    touch(tmp_path / "store/dress/a.jpg", tmp_path / "store/other.jpg", tmp_path / "root/x")
    (tmp_path / "store/dress/up").symlink_to("..")
    (tmp_path / "root/dress").symlink_to(tmp_path / "store/dress")
    assert relative_files(tmp_path / "root/dress") == ["a.jpg"]


def test_broken_and_circular_links_count_as_files(tmp_path: Path) -> None:
    folder = tmp_path / "dress"
    folder.mkdir()
    for link, target in (("broken", "gone"), ("ring", "ring2"), ("ring2", "ring")):
        (folder / link).symlink_to(target)
    assert relative_files(folder) == list_files(folder) == ["broken", "ring", "ring2"]
    assert subfolders(folder) == []


def test_image_extensions_ignore_case() -> None:
    assert all(map(has_image_extension, ["a.JPG", "b.jpeg", "c.WebP", "d.Tiff", "e.f.png"]))
    assert all(map(has_image_extension, ["a.HEIC", "b.avif", "c.jp2", "d.CR2", "e.jpg?w=300"]))
    assert not any(map(has_image_extension, ["a.txt", "jpg", "b.jpg.part", ".png", "c.dat"]))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("photo", b"\xff\xd8\xff\xe0", True),
        ("photo.jpg_large", b"\x89PNG\r\n", True),
        ("photo.bin", b"\0\0\0\x18ftypmif1\0\0\0\0heic", True),
        ("photo.dat", b"II*\0\x10\0\0\0CR\2\0", True),
        ("photo.txt", b"\xff\xd8\xff\xe0", False),
        ("film.dat", b"\0\0\0\x18ftypisom\0\0\0\0mp42", False),
        ("README", b"BMW and GIF", False),
        ("sound", b"RIFF\0\0\0\0WAVE", False),
        ("empty", b"", False),
        ("broken.jpg", b"", True),
    ],
)
def test_content_decides_if_the_extension_does_not(
    name: str, content: bytes, expected: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert is_image(tmp_path / name) is expected


def test_broken_link_may_be_an_image_and_a_fifo_is_none(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe")
    assert is_image(tmp_path / "link") and not is_image(tmp_path / "pipe")


def test_missing_folder_or_file_suggests_nearest(tmp_path: Path) -> None:
    touch(tmp_path / "photos/dress/1.jpg", tmp_path / "list.csv")
    with pytest.raises(InputError, match=r"dataset\.root: .* has no 'fotos'; choices: photos"):
        existing_folder("dataset.root", str(tmp_path / "fotos/dress"))
    assert existing_folder("dataset.root", str(tmp_path / "photos")) == tmp_path / "photos"
    with pytest.raises(InputError, match=r"dataset\.groups: .*lists\.csv'; did you mean list\.cs"):
        existing_file("dataset.groups", str(tmp_path / "lists.csv"))
    assert existing_file("dataset.groups", str(tmp_path / "list.csv")) == tmp_path / "list.csv"


def test_relative_folder_is_resolved_from_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"'{tmp_path.resolve()}' has no 'photo'.*photos"):
        existing_folder("dataset.root", "photo")


def test_rejects_empty_name() -> None:
    with pytest.raises(InputError, match=r"dataset\.root: is empty"):
        existing_folder("dataset.root", " ")


def test_rejects_file_instead_of_folder(tmp_path: Path) -> None:
    touch(tmp_path / "photos.zip")
    with pytest.raises(InputError, match="is a file, not a folder; unpack"):
        existing_folder("dataset.root", str(tmp_path / "photos.zip"))
    touch(tmp_path / "list.csv")
    with pytest.raises(InputError, match=r"for a list of photos use dataset=csv dataset\.manifest"):
        existing_folder("dataset.root", str(tmp_path / "list.csv"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
def test_forbidden_folder_has_system_reason(tmp_path: Path) -> None:
    (tmp_path / "locked/photos").mkdir(parents=True)
    (tmp_path / "locked").chmod(0)
    try:
        with pytest.raises(InputError, match="permission denied"):
            existing_folder("dataset.root", str(tmp_path / "locked/photos"))
    finally:
        (tmp_path / "locked").chmod(0o700)
