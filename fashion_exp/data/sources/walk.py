"""What lies below a folder: links followed, loops not, and nothing that is hidden."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fashion_exp.data.decode import reason
from fashion_exp.errors import InputError, suggest

_IMAGE_ENDINGS = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".gif", ".tif", ".tiff"]
)
_LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


def is_visible(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in _LEFT_BY_SYSTEMS


def has_image_ending(name: str) -> bool:
    return os.path.splitext(name)[1].casefold() in _IMAGE_ENDINGS


def existing_folder(key: str, value: str) -> Path:
    """The folder that a user named, or an `InputError` that shows the nearest one there is."""
    if not value.strip():
        raise InputError(f"{key}: is empty; name a folder")
    folder = Path(value).expanduser()
    try:
        if folder.is_dir():
            return folder
        if folder.exists():
            raise InputError(f"{key}: '{folder}' is a file, not a folder; unpack an archive first")
        near, missing = _nearest_existing(folder)
        hint = suggest(missing, [child.name for child in subfolders(near)])
    except OSError as error:
        raise InputError(f"{key}: '{folder}' cannot be opened: {reason(error)}") from error
    raise InputError(
        f"{key}: there is no folder '{folder}'; '{near.resolve()}' exists, without a '{missing}'"
        + (f"; {hint}" if hint else "")
    )


def _nearest_existing(path: Path) -> tuple[Path, str]:
    """The deepest folder on the way to a path, and the name that it lacks."""
    missing = path.name
    for parent in path.parents:
        if parent.is_dir():
            return parent, missing
        missing = parent.name
    return Path(), missing


def subfolders(folder: Path) -> list[Path]:
    """The visible folders directly in a folder, links to folders included, by name."""
    return sorted(folder / entry.name for entry in _visible(folder) if _leads_to_folder(entry))


def files_directly_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _visible(folder) if not _leads_to_folder(entry))


def files_below(folder: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """(path, real path) of every visible file below `folder`, by way of links too.

    No folder is entered twice, nor is one that holds `folder`, nor the data set's root or one that
    holds it: those would be loops. What is no folder counts as a file, broken links included.
    """
    real_root = Path(os.path.realpath(root))
    above = (real_root, *real_root.parents, *Path(os.path.realpath(folder)).parents)
    entered = {str(parent) for parent in above}
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = os.path.realpath(here)
        if real in entered:
            continue
        entered.add(real)
        for entry in sorted(_visible(here), key=lambda entry: entry.name):
            path = here / entry.name
            if _leads_to_folder(entry):
                waiting.append(path)
            else:
                yield path, _real(path) if entry.is_symlink() else f"{real}/{entry.name}"


def _real(link: Path) -> str:
    """Where a link leads, or its own place if it leads nowhere."""
    try:
        return os.path.realpath(link, strict=True)
    except OSError:
        return os.path.abspath(link)


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if is_visible(entry.name)]


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle
        return False
