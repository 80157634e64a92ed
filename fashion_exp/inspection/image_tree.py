"""Image files below a folder, with the class and official part that their paths imply."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.configuration.schema import Layout
from fashion_exp.data.image_files import printable_path
from fashion_exp.data.sources import walk
from fashion_exp.data.sources.classes import describe_lookalikes, lookalikes
from fashion_exp.data.sources.layout import FolderLayout, OptionNames, find_layout
from fashion_exp.data.sources.parts import part_of_name
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
    """Sorted by path."""
    other_files: list[ImageFile]
    layout_notes: tuple[str, ...] = ()
    """How the folders were read, if not simply as classes."""

    @property
    def notes(self) -> list[str]:
        """How the folders were read, and class names that runs refuse."""
        counts = Counter(image.label for image in self.images)
        return [
            *self.layout_notes,
            *(
                f"Class names that differ only in case or blanks: "
                f"{describe_lookalikes(group, counts)}; runs refuse them: rename the folders, or "
                "merge the classes with dataset.rename."
                for group in lookalikes(counts)
            ),
        ]

    @property
    def root_warning(self) -> str:
        """Warns that runs may not find lists written to this root; "" if they will."""
        resolved = self.root.resolve()
        if part_of_name(resolved.name):
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


LAYOUT_OPTIONS = OptionNames("DIR", "--layout=")


def scan_folder(folder: str, layout: Layout = Layout.auto) -> ImageTree:
    """Raises `InputError` if the folder is missing, cannot be listed, or has no images, and for
    several possible layouts."""
    root = walk.existing_folder("DIR", folder)
    try:
        layout_found = find_layout(root, layout, LAYOUT_OPTIONS)
        images, others = _images_and_others(root, layout_found)
    except OSError as error:
        raise InputError(
            f"DIR: cannot list '{error.filename}': {os_error_reason(error)}; fix its permissions"
        ) from error
    if not images:
        raise InputError(
            f"DIR: no images in '{root}'; supported formats: JPEG, PNG, WebP, BMP, GIF, TIFF"
        )
    return ImageTree(root, images, others, layout_found.notes)


def display_path(path: Path) -> str:
    """The absolute path as printable text."""
    return printable_path(str(path.resolve()))


def _images_and_others(root: Path, layout: FolderLayout) -> tuple[list[ImageFile], list[ImageFile]]:
    classes = {folder.path: (folder.name, folder.part) for folder in layout.class_folders}
    folders = {path: ("", part) for path, part in layout.above.items()} | classes
    images: list[ImageFile] = []
    others: list[ImageFile] = []
    for path, real_path in _files(root):
        label, part = next((folders[f] for f in path.parents if f in folders), ("", ""))
        relative = printable_path(path.relative_to(root).as_posix())
        file = ImageFile(relative, real_path, label, part)
        (images if walk.is_image(path) else others).append(file)
    return sorted(images, key=lambda file: file.path), sorted(others, key=lambda file: file.path)


def _files(root: Path) -> Iterator[tuple[Path, str]]:
    """(path, real path) of every visible file."""
    for name in walk.list_files(root):
        yield root / name, os.path.realpath(root / name)
    for folder in walk.subfolders(root):
        yield from walk.walk_files(folder, root)
