"""Photos in folders: one a class, or train, validation and test with such folders below."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.decode import reason
from fashion_exp.data.image_files import LISTED_COLUMNS, printable
from fashion_exp.data.sources import walk
from fashion_exp.data.sources.assemble import PARTS
from fashion_exp.data.sources.classes import normal
from fashion_exp.data.sources.csv_manifest import IMAGES
from fashion_exp.data.sources.curation_lists import GROUPS, QUARANTINE
from fashion_exp.data.sources.listed import table_of_listed
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError


@dataclass(frozen=True)
class _ClassFolder:
    name: str
    part: str
    path: Path


def load_folder(cfg: DatasetConfig) -> ImageTable:
    """The images below `cfg.root`, their classes the names of their folders.

    Raises `InputError` where the folder, its layout or the asked classes are not as they must be.
    """
    assert cfg.root is not None
    root = walk.existing_folder("dataset.root", cfg.root)
    listed, empty, notes = list_folder(root)
    if empty:
        notes.append(f"Class folders without images, left out: {', '.join(sorted(empty))}.")
    if (root / IMAGES).is_file():
        notes.append(
            f"{IMAGES}, which knows what photos came from one page, is not read: dataset=csv "
            f"dataset.manifest={root / IMAGES} keeps those on one side of a split."
        )
    _check_not_empty(listed, root, empty, cfg)
    return table_of_listed(cfg, listed, root, root, notes=notes)


def list_folder(root: Path) -> tuple[pd.DataFrame, set[str], list[str]]:
    """The images below a folder (`LISTED_COLUMNS`), its classes without any, and notes."""
    try:
        folders = _class_folders(root)
        listed, notes = _list_images(root, folders)
    except OSError as error:
        raise InputError(
            f"dataset.root: '{error.filename}' cannot be listed: {reason(error)}; mend its rights"
        ) from error
    return listed, {folder.name for folder in folders} - set(listed["label"]), notes


def _class_folders(root: Path) -> list[_ClassFolder]:
    children = walk.subfolders(root)
    parts = [child for child in children if child.name.casefold() in PARTS]
    below = [(part, child) for part in parts for child in walk.subfolders(part)]
    if parts and not below and len(parts) == len(children):
        raise InputError(
            f"dataset.root: {_names(parts)} in '{root}' hold no folders; put the images of each "
            "class into a folder of its own there"
        )
    if len(children) == 1 and not parts and (deeper := walk.subfolders(children[0])):
        raise InputError(
            f"dataset.root: '{root}' holds {_names(children)} alone, and that {_names(deeper[:3])} "
            f"…; where those are the classes, give dataset.root='{children[0]}'"
        )
    if not below:
        return [_ClassFolder(_class_name(child), "", child) for child in children]
    if others := [child for child in children if child not in parts]:
        raise InputError(
            f"dataset.root: in '{root}' {_names(others)} stand beside the parts {_names(parts)}; "
            "move them elsewhere, or put a dot before their names"
        )
    return [
        _ClassFolder(_class_name(child), PARTS[part.name.casefold()], child)
        for part, child in below
    ]


def _class_name(folder: Path) -> str:
    return normal(printable(folder.name))


def _names(folders: list[Path]) -> str:
    return ", ".join(f"{folder.name}/" for folder in folders)


def _list_images(root: Path, folders: list[_ClassFolder]) -> tuple[pd.DataFrame, list[str]]:
    """What `table_of_files` wants to know of each image, and notes on files that are none."""
    images, other_endings, unread = [], Counter[str](), list[str]()
    for folder in folders:
        for path, file in walk.files_below(folder.path, root):
            if walk.has_image_ending(path.name):
                shown = printable(path.relative_to(root).as_posix())
                images.append((shown, file, folder.name, folder.part, ""))
            elif path.name in (QUARANTINE, GROUPS):
                unread.append(printable(path.relative_to(root).as_posix()))
            else:
                other_endings[path.suffix.casefold() or "none"] += 1
    parts = {child for child in walk.subfolders(root) if child.name.casefold() in PARTS}
    above = {root, *parts} - {folder.path for folder in folders}
    loose = sum(walk.has_image_ending(name) for at in above for name in walk.files_directly_in(at))
    notes = []
    if loose:
        notes.append(f"Images outside the class folders, ignored: {loose}.")
    if unread:
        notes.append(
            f"Not read, as lists stand beside the class folders or parts: {', '.join(unread)}; "
            "dataset.quarantine=FILE and dataset.groups=FILE name others."
        )
    if other_endings:
        counts = ", ".join(f"{ending} {n}" for ending, n in sorted(other_endings.items()))
        notes.append(f"Files ignored for their endings: {other_endings.total()} ({counts}).")
    return pd.DataFrame(images, columns=list(LISTED_COLUMNS), dtype=object), notes


def _check_not_empty(listed: pd.DataFrame, root: Path, empty: set[str], cfg: DatasetConfig) -> None:
    if listed.empty:
        raise InputError(f"dataset.root: {_why_no_images(root)}")
    for key, asked in (("classes", cfg.classes or ()), ("rename", cfg.rename)):
        for name in asked:
            if normal(name) in empty:
                raise InputError(
                    f"dataset.{key}: the folder of class '{name}' in '{root}' has no images; "
                    "drop the class or fill its folder"
                )


def _why_no_images(root: Path) -> str:
    loose = [name for name in walk.files_directly_in(root) if walk.has_image_ending(name)]
    if loose:
        return (
            f"{len(loose)} images lie directly in '{root}'; put those of each class into a folder "
            "of its own, or list them in a file for dataset=csv"
        )
    if not walk.subfolders(root):
        return f"'{root}' has no folders; one folder of images per class is needed"
    return f"no images in the folders of '{root}'; JPEG, PNG, WebP, BMP, GIF and TIFF are read"
