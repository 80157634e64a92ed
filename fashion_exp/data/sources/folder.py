"""The source `folder`: one folder per class, or train, validation and test with class folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig, Layout, Targets
from fashion_exp.data.image_files import FILE_COLUMNS, printable_path
from fashion_exp.data.sources import walk
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.data.sources.curation_lists import GROUPS_FILE, QUARANTINE_FILE
from fashion_exp.data.sources.file_table import build_file_table
from fashion_exp.data.sources.layout import RUN_OPTIONS, FolderLayout, OptionNames, find_layout
from fashion_exp.data.sources.walk import COLLECTED_MANIFEST
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, os_error_reason


def load_folder(cfg: DatasetConfig, targets: Targets = Targets.single) -> ImageTable:
    """The images below `cfg.root`; the names of the folders are the classes.

    Raises `InputError` for an unsuitable folder, layout or selection of classes.
    """
    assert cfg.root is not None
    root = walk.existing_folder("dataset.root", cfg.root)
    files, empty_classes, notes = list_folder(root, cfg.layout)
    if empty_classes:
        notes.append(f"Class folders without images, left out: {', '.join(sorted(empty_classes))}.")
    if (root / COLLECTED_MANIFEST).is_file():
        notes.append(
            f"{COLLECTED_MANIFEST}, which has the groups of images from one web page, is not read; "
            f"dataset=csv dataset.manifest={root / COLLECTED_MANIFEST} uses these groups."
        )
    _check_not_empty(files, root, empty_classes, cfg)
    return build_file_table(cfg, files, root, root, notes=notes, targets=targets)


def list_folder(
    root: Path, layout: Layout | None = None, names: OptionNames = RUN_OPTIONS
) -> tuple[pd.DataFrame, set[str], list[str]]:
    """The images below a folder (`FILE_COLUMNS`), the classes without images, and notes.

    `names` are the options that messages name.
    """
    try:
        layout_found = find_layout(root, layout, names)
        files, notes = _list_images(root, layout_found)
    except OSError as error:
        raise InputError(
            f"{names.root}: '{error.filename}' cannot be listed: {os_error_reason(error)}; change "
            "its permissions"
        ) from error
    _check_class_folders(root, layout_found, names)
    empty_classes = {folder.name for folder in layout_found.class_folders} - set(files["label"])
    return files, empty_classes, [*layout_found.notes, *notes]


def _check_class_folders(root: Path, layout: FolderLayout, names: OptionNames) -> None:
    above = layout.above
    parts = [f for f in above if f != root and not above.get(f.parent)]
    if not layout.class_folders and parts:
        raise InputError(
            f"{names.root}: {_names(parts)} in '{root}' have no subfolders; put the images of each "
            "class into its own folder there"
        )
    if blank := [folder.path for folder in layout.class_folders if not folder.name]:
        raise InputError(
            f"{names.root}: the name of the folder '{blank[0]}' has only blanks; rename it"
        )
    if len(layout.class_folders) == 1 and (inner := walk.subfolders(layout.class_folders[0].path)):
        only = layout.class_folders[0].path
        raise InputError(
            f"{names.root}: '{root}' has only the folder {_names([only])}, which has "
            f"{_names(inner[:3])} …; if these are the classes, set {names.root}='{only}'"
        )


def _names(folders: Sequence[Path]) -> str:
    return ", ".join(f"{folder.name}/" for folder in folders)


def _list_images(root: Path, layout: FolderLayout) -> tuple[pd.DataFrame, list[str]]:
    """The images of the class folders (`FILE_COLUMNS`), and notes on the other files."""
    images, ignored_extensions = [], Counter[str]()
    ignored_lists = _lists_above(root, layout)
    for folder in layout.class_folders:
        for path, file in walk.walk_files(folder.path, root):
            relative = printable_path(path.relative_to(root).as_posix())
            if walk.is_image(path):
                images.append((relative, file, folder.name, folder.part, ""))
            elif path.name in (QUARANTINE_FILE, GROUPS_FILE):
                ignored_lists.append(relative)
            else:
                ignored_extensions[path.suffix.casefold() or "none"] += 1
    notes = []
    loose = sum(walk.is_image(f / n) for f in layout.above for n in walk.list_files(f))
    if loose:
        notes.append(f"Images outside the class folders, ignored: {loose}.")
    if ignored_lists:
        notes.append(
            f"Lists below the root, ignored: {', '.join(ignored_lists)}; move them to the "
            "root, or set dataset.quarantine=FILE and dataset.groups=FILE."
        )
    if ignored_extensions:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(ignored_extensions.items()))
        notes.append(f"Files that are no images, ignored: {ignored_extensions.total()} ({counts}).")
    return pd.DataFrame(images, columns=list(FILE_COLUMNS), dtype=object), notes


def _lists_above(root: Path, layout: FolderLayout) -> list[str]:
    """Curation lists between the root and the class folders, where no run reads them."""
    return [
        printable_path((folder / name).relative_to(root).as_posix())
        for folder in layout.above
        for name in (QUARANTINE_FILE, GROUPS_FILE)
        if folder != root and (folder / name).is_file()
    ]


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
    if loose := sum(walk.is_image(root / name) for name in walk.list_files(root)):
        return (
            f"{loose} images are directly in '{root}'; put those of each class into its own "
            "folder, or list them in a manifest for dataset=csv"
        )
    if not walk.subfolders(root):
        return f"'{root}' has no folders; add one folder of images per class"
    return f"no images in the folders of '{root}'; add JPEG, PNG, WebP, BMP, GIF or TIFF files"
