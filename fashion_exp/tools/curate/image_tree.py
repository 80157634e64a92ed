"""Every picture below a folder, and the class and part that its place gives it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.data.decode import reason
from fashion_exp.data.image_files import printable
from fashion_exp.data.sources import walk
from fashion_exp.data.sources.assemble import PARTS
from fashion_exp.data.sources.classes import normal
from fashion_exp.errors import InputError


@dataclass(frozen=True)
class Place:
    """One file below the folder."""

    path: str
    """Relative to the folder, as it is written into lists."""
    file: str
    """Its real path, to open it by."""
    label: str
    """The class folder that it is in; "" directly in the folder or in an official part."""
    part: str
    """train, validation, test, or "" where the folder has no such parts."""


@dataclass(frozen=True)
class Folder:
    """What lies below a folder, each by path."""

    root: Path
    pictures: list[Place]
    """By the ending of their names."""
    others: list[Place]

    @property
    def doubt(self) -> str:
        """Why lists that are written here may be read by no run; empty where that is sure."""
        real = self.root.resolve()
        if real.name.casefold() in PARTS:
            kind = "an official part"
        elif all(not place.label for place in self.pictures):
            kind = "one class"
        else:
            return ""
        return (
            f"This looks like the folder of {kind}: runs read the lists at their dataset.root. "
            f"Where that is {printable(str(real.parent))}, look through that one."
        )


def look_through(folder: str) -> Folder:
    """Raises `InputError` for a folder that is not there, cannot be listed, or has no pictures."""
    root = walk.existing_folder("DIR", folder)
    try:
        places = sorted(_places(root), key=lambda place: place.path)
    except OSError as error:
        raise InputError(
            f"DIR: '{error.filename}' cannot be listed: {reason(error)}; mend its rights"
        ) from error
    pictures = [place for place in places if walk.has_image_ending(place.path)]
    if not pictures:
        raise InputError(f"DIR: no pictures in '{root}'; JPEG, PNG, WebP, BMP, GIF, TIFF are read")
    others = [place for place in places if not walk.has_image_ending(place.path)]
    return Folder(root, pictures, others)


def _places(root: Path) -> Iterator[Place]:
    for name in walk.files_directly_in(root):
        yield _place(root, root / name, os.path.realpath(root / name))
    for folder in walk.subfolders(root):
        for path, file in walk.files_below(folder, root):
            yield _place(root, path, file)


def _place(root: Path, path: Path, file: str) -> Place:
    relative = path.relative_to(root)
    above = [normal(printable(name)) for name in relative.parts[:-1]]
    part = PARTS.get(above[0].casefold(), "") if above else ""
    label = above[1:2] if part else above[:1]
    return Place(printable(relative.as_posix()), file, label[0] if label else "", part)
