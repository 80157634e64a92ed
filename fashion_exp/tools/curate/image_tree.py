"""Image files below a folder, with the class and official part that their paths imply."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.data.image_files import printable_path
from fashion_exp.data.sources import walk
from fashion_exp.data.sources.build_table import PART_ALIASES
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.errors import InputError, os_error_reason


@dataclass(frozen=True)
class ImageFile:
    path: str
    """Relative to the root, as written to lists."""
    real_path: str
    """Absolute path with links resolved, for opening the file."""
    label: str
    """Name of the class folder; "" for files directly in the root or in an official part."""
    part: str
    """train, validation, test, or "" if the folder has no official parts."""


@dataclass(frozen=True)
class ImageTree:
    root: Path
    images: list[ImageFile]
    """Files with an image extension, sorted by path."""
    other_files: list[ImageFile]

    @property
    def root_warning(self) -> str:
        """Warns that runs may not find lists written to this root; "" if they will."""
        resolved = self.root.resolve()
        if resolved.name.casefold() in PART_ALIASES:
            kind = "an official part"
        elif all(not image.label for image in self.images):
            kind = "one class"
        else:
            return ""
        return (
            f"This looks like the folder of {kind}, but runs read the lists in their dataset.root. "
            f"If dataset.root is {printable_path(str(resolved.parent))}, run this command on "
            "that folder instead."
        )


def scan_folder(folder: str) -> ImageTree:
    """Raises `InputError` if the folder is missing, cannot be listed, or has no images."""
    root = walk.existing_folder("DIR", folder)
    try:
        files = sorted(_files(root), key=lambda file: file.path)
    except OSError as error:
        raise InputError(
            f"DIR: cannot list '{error.filename}': {os_error_reason(error)}; fix its permissions"
        ) from error
    images = [file for file in files if walk.has_image_extension(file.path)]
    if not images:
        raise InputError(
            f"DIR: no images in '{root}'; supported formats: JPEG, PNG, WebP, BMP, GIF, TIFF"
        )
    return ImageTree(root, images, [f for f in files if not walk.has_image_extension(f.path)])


def display_path(path: Path) -> str:
    """The absolute path as printable text."""
    return printable_path(str(path.resolve()))


def _files(root: Path) -> Iterator[ImageFile]:
    for name in walk.list_files(root):
        yield _image_file(root, root / name, os.path.realpath(root / name))
    for folder in walk.subfolders(root):
        for path, real_path in walk.walk_files(folder, root):
            yield _image_file(root, path, real_path)


def _image_file(root: Path, path: Path, real_path: str) -> ImageFile:
    relative = path.relative_to(root)
    folders = [normalize_name(printable_path(name)) for name in relative.parts[:-1]]
    part = PART_ALIASES.get(folders[0].casefold(), "") if folders else ""
    if part:
        folders = folders[1:]
    label = folders[0] if folders else ""
    return ImageFile(printable_path(relative.as_posix()), real_path, label, part)
