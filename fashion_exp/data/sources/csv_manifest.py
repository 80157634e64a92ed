"""The source `csv`: a CSV file that lists images by path and label, optionally group and part."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.csv_lists import CsvRow, read_csv_rows
from fashion_exp.data.image_files import FILE_COLUMNS
from fashion_exp.data.sources.build_table import PART_ALIASES
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.data.sources.file_table import build_file_table
from fashion_exp.data.sources.walk import existing_file, existing_folder
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, suggest

_REQUIRED = ("path", "label")
_OPTIONAL = ("group", "part")


def load_csv(cfg: DatasetConfig) -> ImageTable:
    """The images that `cfg.manifest` lists, a UTF-8 CSV file.

    Paths are relative to `cfg.root`, or else to the manifest's folder. Rows without a label and
    files that do not exist are left out. Raises `InputError` for an invalid manifest.
    """
    assert cfg.manifest is not None
    manifest = Path(cfg.manifest).expanduser()
    root = existing_folder("dataset.root", cfg.root) if cfg.root else manifest.parent
    files, unlabeled = list_manifest(manifest, root)
    if len(files) and not any(map(os.path.exists, files["file"])):
        raise InputError(
            f"dataset.manifest: none of the {len(files)} files that '{manifest}' lists is in "
            f"'{root.resolve()}', such as '{files['path'].iloc[0]}'; give their folder as "
            "dataset.root"
        )
    return build_file_table(cfg, files, root, manifest, unlabeled)


def list_manifest(manifest: Path, root: Path) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The listed images (`FILE_COLUMNS`), and (path, reason) of rows without a label."""
    files, unlabeled = [], []
    file = existing_file("dataset.manifest", str(manifest))
    for row in read_csv_rows(file, _REQUIRED, _OPTIONAL, "dataset.manifest"):
        path, label, group, part = _parse(row)
        if label:
            files.append((path, os.path.realpath(root / path), label, part, group))
        else:
            unlabeled.append((path, "no label"))
    return pd.DataFrame(files, columns=list(FILE_COLUMNS), dtype=object), unlabeled


def _parse(row: CsvRow) -> tuple[str, str, str, str]:
    """Path, label, group and official part of a row."""
    path, label, group, part = (row.cells.get(name, "") for name in _REQUIRED + _OPTIONAL)
    if not path:
        raise InputError(f"{row.location} has no path; fill it in or delete the line")
    if part and part.casefold() not in PART_ALIASES:
        hint = suggest(part.casefold(), PART_ALIASES)
        raise InputError(f"{row.location} has an unknown part '{part}'; {hint}")
    return path, normalize_name(label), group, PART_ALIASES.get(part.casefold(), "")
