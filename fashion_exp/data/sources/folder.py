"""The source `folder`: one folder per class, or train, validation and test with class folders."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.image_files import FILE_COLUMNS, printable_path
from fashion_exp.data.sources import walk
from fashion_exp.data.sources.build_table import PART_ALIASES
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.data.sources.curation_lists import GROUPS_FILE, QUARANTINE_FILE
from fashion_exp.data.sources.file_table import build_file_table
from fashion_exp.data.sources.walk import COLLECTED_MANIFEST
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, os_error_reason


@dataclass(frozen=True)
class _ClassFolder:
    name: str
    part: str
    path: Path


def load_folder(cfg: DatasetConfig) -> ImageTable:
    """The images below `cfg.root`; the names of the folders are the classes.

    Raises `InputError` for an unsuitable folder, layout or selection of classes.
    """
    assert cfg.root is not None
    root = walk.existing_folder("dataset.root", cfg.root)
    files, empty_classes, notes = list_folder(root)
    if empty_classes:
        notes.append(f"Class folders without images, left out: {', '.join(sorted(empty_classes))}.")
    if (root / COLLECTED_MANIFEST).is_file():
        notes.append(
            f"{COLLECTED_MANIFEST}, which has the groups of images from one web page, is not read; "
            f"dataset=csv dataset.manifest={root / COLLECTED_MANIFEST} uses these groups."
        )
    _check_not_empty(files, root, empty_classes, cfg)
    return build_file_table(cfg, files, root, root, notes=notes)


def list_folder(root: Path) -> tuple[pd.DataFrame, set[str], list[str]]:
    """The images below a folder (`FILE_COLUMNS`), the classes without images, and notes."""
    try:
        folders = _class_folders(root)
        files, notes = _list_images(root, folders)
    except OSError as error:
        raise InputError(
            f"dataset.root: '{error.filename}' cannot be listed: {os_error_reason(error)}; change "
            "its permissions"
        ) from error
    return files, {folder.name for folder in folders} - set(files["label"]), notes


def _class_folders(root: Path) -> list[_ClassFolder]:
    children = walk.subfolders(root)
    parts = [child for child in children if child.name.casefold() in PART_ALIASES]
    class_folders = [
        _ClassFolder(_class_name(child), PART_ALIASES[part.name.casefold()], child)
        for part in parts
        for child in walk.subfolders(part)
    ]
    if parts and not class_folders and len(parts) == len(children):
        raise InputError(
            f"dataset.root: {_names(parts)} in '{root}' have no subfolders; put the images of each "
            "class into its own folder there"
        )
    if len(children) == 1 and not parts and (grandchildren := walk.subfolders(children[0])):
        raise InputError(
            f"dataset.root: '{root}' has only the folder {_names(children)}, which has "
            f"{_names(grandchildren[:3])} …; if these are the classes, set "
            f"dataset.root='{children[0]}'"
        )
    if not class_folders:
        return [_ClassFolder(_class_name(child), "", child) for child in children]
    if others := [child for child in children if child not in parts]:
        raise InputError(
            f"dataset.root: '{root}' has other folders besides the parts {_names(parts)}: "
            f"{_names(others)}; move them, or hide them with a dot before their names"
        )
    return class_folders


def _class_name(folder: Path) -> str:
    return normalize_name(printable_path(folder.name))


def _names(folders: list[Path]) -> str:
    return ", ".join(f"{folder.name}/" for folder in folders)


def _list_images(root: Path, folders: list[_ClassFolder]) -> tuple[pd.DataFrame, list[str]]:
    """The images of the class folders (`FILE_COLUMNS`), and notes on the other files."""
    images, ignored_extensions, ignored_lists = [], Counter[str](), list[str]()
    for folder in folders:
        for path, file in walk.walk_files(folder.path, root):
            relative = printable_path(path.relative_to(root).as_posix())
            if walk.has_image_extension(path.name):
                images.append((relative, file, folder.name, folder.part, ""))
            elif path.name in (QUARANTINE_FILE, GROUPS_FILE):
                ignored_lists.append(relative)
            else:
                ignored_extensions[path.suffix.casefold() or "none"] += 1
    notes = []
    if loose := _count_loose_images(root, folders):
        notes.append(f"Images outside the class folders, ignored: {loose}.")
    if ignored_lists:
        notes.append(
            f"Lists inside class folders, ignored: {', '.join(ignored_lists)}; move them to the "
            "root, or set dataset.quarantine=FILE and dataset.groups=FILE."
        )
    if ignored_extensions:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(ignored_extensions.items()))
        notes.append(f"Files ignored for their extension: {ignored_extensions.total()} ({counts}).")
    return pd.DataFrame(images, columns=list(FILE_COLUMNS), dtype=object), notes


def _count_loose_images(root: Path, folders: list[_ClassFolder]) -> int:
    """Number of images directly in the root or in a part."""
    parts = {child for child in walk.subfolders(root) if child.name.casefold() in PART_ALIASES}
    above = {root, *parts} - {folder.path for folder in folders}
    return sum(
        walk.has_image_extension(name) for folder in above for name in walk.list_files(folder)
    )


def _check_not_empty(
    files: pd.DataFrame, root: Path, empty_classes: set[str], cfg: DatasetConfig
) -> None:
    if files.empty:
        raise InputError(f"dataset.root: {_no_images_reason(root)}")
    for option, names in (("classes", cfg.classes or ()), ("rename", cfg.rename)):
        for name in names:
            if normalize_name(name) in empty_classes:
                raise InputError(
                    f"dataset.{option}: the folder of class '{name}' in '{root}' has no images; "
                    "remove the class, or add images"
                )


def _no_images_reason(root: Path) -> str:
    if loose := sum(map(walk.has_image_extension, walk.list_files(root))):
        return (
            f"{loose} images are directly in '{root}'; put those of each class into its own "
            "folder, or list them in a manifest for dataset=csv"
        )
    if not walk.subfolders(root):
        return f"'{root}' has no folders; add one folder of images per class"
    return f"no images in the folders of '{root}'; add JPEG, PNG, WebP, BMP, GIF or TIFF files"
