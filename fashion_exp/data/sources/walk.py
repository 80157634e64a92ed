"""Files and folders below a folder: links are followed, loops and hidden entries are not."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path

from fashion_exp.data.image_formats import SNIFFED_BYTES, identify, is_image_name
from fashion_exp.data.regular_files import open_regular_file
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import InputError, os_error_reason, suggest

COLLECTED_MANIFEST = "images.csv"
"""The manifest that `data collect` writes next to its class folders."""

SYSTEM_NAMES = (
    ".*",  # hidden: .DS_Store, ._x.jpg, .Trashes, .ipynb_checkpoints, .@__thumb, .picasaoriginals
    "__macosx", "icon\r", "network trash folder", "temporary items",  # macOS
    "thumbs.db", "ehthumbs*.db", "desktop.ini", "system volume information", "$recycle.bin",
    "recycler", "$extend", "found.[0-9][0-9][0-9]", "msocache", "~$*",  # Windows, Office
    "lost+found", "lost.dir", "*~",  # Linux, Android, editors
    "@eadir", "@tmp", "@sharebin", "@recycle", "@recently-snapshot", "@__thumb", "#recycle",
    "#snapshot", "~snapshot", "*@syno*", "_gsdata_", "*.lrdata",
    "syno*_thumb_*", "syno*_thumb.*", "zbthumbnail.info",  # network storage, viewers
    "picasa.ini", "__pycache__",
)  # fmt: skip
"""Patterns of files and folders that systems and programs leave; they hold no photos of the data
set. Compared without case."""

_SYSTEM_NAME = re.compile("|".join(map(fnmatch.translate, SYSTEM_NAMES)), re.IGNORECASE)


def is_visible(name: str) -> bool:
    return not _SYSTEM_NAME.match(name)


def has_image_extension(name: str) -> bool:
    return is_image_name(name) is True


def is_image(path: Path) -> bool:
    """Whether a file is an image by its extension, or else by its first bytes.

    A file of unknown extension that cannot be opened counts as one, so that it is not overlooked.
    """
    if (known := is_image_name(path.name)) is not None:
        return known
    try:
        if not path.is_file() or not path.stat().st_size:
            return path.is_symlink() and not path.exists()
        with open_regular_file(path) as file:
            return bool(identify(file.read(SNIFFED_BYTES)))
    except (OSError, UnreadableImageError):
        return True


def existing_folder(option: str, value: str) -> Path:
    """The folder that an option names; raises `InputError` with the nearest existing one."""
    if not value.strip():
        raise InputError(f"{option}: is empty; name a folder")
    folder = Path(value).expanduser()
    try:
        if folder.is_dir():
            return folder
        if folder.exists():
            remedy = "unpack an archive first"
            if folder.suffix.lower() in (".csv", ".tsv", ".txt"):
                remedy = "for a list of photos use dataset=csv dataset.manifest=FILE"
            raise InputError(f"{option}: '{folder}' is a file, not a folder; {remedy}")
        parent, missing = _nearest_existing(folder)
        hint = suggest(missing, [child.name for child in subfolders(parent)])
    except OSError as error:
        reason = os_error_reason(error)
        raise InputError(f"{option}: '{folder}' cannot be opened: {reason}") from error
    raise InputError(
        f"{option}: there is no folder '{folder}'; '{parent.resolve()}' has no '{missing}'; {hint}"
    )


def existing_file(option: str, value: str) -> Path:
    """The file that an option names; raises `InputError` with the nearest existing one."""
    file = Path(value).expanduser()
    folder = existing_folder(option, str(file.parent))
    if not file.is_file():
        hint = suggest(file.name, list_files(folder)) or "name a CSV file"
        raise InputError(f"{option}: there is no file '{file}'; {hint}")
    return file


def _nearest_existing(path: Path) -> tuple[Path, str]:
    """The deepest existing folder of a path, and the next name, which it lacks."""
    missing = path.name
    for parent in path.parents:
        if parent.is_dir():
            return parent, missing
        missing = parent.name
    return Path(), missing


def subfolders(folder: Path) -> list[Path]:
    """The visible folders directly in a folder, links to folders included, sorted."""
    return sorted(folder / entry.name for entry in _visible_entries(folder) if _is_folder(entry))


def list_files(folder: Path) -> list[str]:
    """Names of the visible files directly in a folder, sorted."""
    return sorted(entry.name for entry in _visible_entries(folder) if not _is_folder(entry))


def list_entries(folder: Path) -> tuple[list[Path], list[str]]:
    """The `subfolders` and the `list_files` of a folder, read once."""
    folders, files = [], []
    for entry in _visible_entries(folder):
        if _is_folder(entry):
            folders.append(folder / entry.name)
        else:
            files.append(entry.name)
    return sorted(folders), sorted(files)


def walk_files(folder: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """(path, real path) of every visible file below `folder`, links followed.

    To avoid loops, no folder is entered twice, and neither the parents of `folder` nor the data
    set's `root` and its parents are entered. Broken links count as files.
    """
    real_root = Path(os.path.realpath(root))
    above = (real_root, *real_root.parents, *Path(os.path.realpath(folder)).parents)
    visited = {str(parent) for parent in above}
    pending = [folder]
    while pending:
        current = pending.pop()
        real = os.path.realpath(current)
        if real in visited:
            continue
        visited.add(real)
        for entry in sorted(_visible_entries(current), key=lambda entry: entry.name):
            path = current / entry.name
            if _is_folder(entry):
                pending.append(path)
            else:
                yield path, _real_path(path) if entry.is_symlink() else f"{real}/{entry.name}"


def _real_path(link: Path) -> str:
    """The target of a link, or its own absolute path if it is broken."""
    try:
        return os.path.realpath(link, strict=True)
    except OSError:
        return os.path.abspath(link)


def _visible_entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if is_visible(entry.name)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circular link
        return False
