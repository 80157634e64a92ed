"""The folders below a root, and what their names and images say about them."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from fashion_exp.data.image_files import printable_path
from fashion_exp.data.sources import walk
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.data.sources.parts import part_of_name

_MAX_OPENED = 10
"""Files without an image extension that are opened to see whether a folder has images."""


class Folder:
    """A folder and its subfolders; links that lead to a folder above are skipped."""

    def __init__(self, path: Path, above: frozenset[str] | None = None) -> None:
        real = os.path.realpath(path)
        self.path = path
        self._above = (above or frozenset(map(str, Path(real).parents))) | {real}

    @cached_property
    def _entries(self) -> tuple[list[Path], list[str]]:
        return walk.list_entries(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def part(self) -> str:
        """The official part that the name says, or ""."""
        return part_of_name(self.name)

    @cached_property
    def class_name(self) -> str:
        return normalize_name(printable_path(self.name))

    @cached_property
    def has_images(self) -> bool:
        """Whether images are directly in the folder, by their extension or their first bytes."""
        names = self._entries[1]
        return any(map(walk.has_image_extension, names)) or any(
            walk.is_image(self.path / name) for name in names[:_MAX_OPENED]
        )

    @cached_property
    def folders(self) -> list[Folder]:
        return [
            Folder(path, self._above)
            for path in self._entries[0]
            if os.path.realpath(path) not in self._above
        ]

    @cached_property
    def is_populated(self) -> bool:
        """Whether the folder has images at any depth."""
        return self.has_images or any(folder.is_populated for folder in self.folders)

    @cached_property
    def populated(self) -> list[Folder]:
        """The subfolders with images."""
        return [folder for folder in self.folders if folder.is_populated]

    @property
    def is_branching(self) -> bool:
        """Whether the folder has images, all of them in subfolders."""
        return not self.has_images and bool(self.populated)
