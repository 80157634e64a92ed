"""A CSV file that lists images: path, label, and if wanted group and part."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.csv_lists import Row, read_list
from fashion_exp.data.image_files import LISTED_COLUMNS
from fashion_exp.data.sources.assemble import PARTS
from fashion_exp.data.sources.classes import normal
from fashion_exp.data.sources.listed import table_of_listed
from fashion_exp.data.sources.walk import existing_folder, files_directly_in
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, suggest

IMAGES = "images.csv"
"""The list that `data collect` writes beside its class folders."""

_REQUIRED = ("path", "label")
_OPTIONAL = ("group", "part")


@dataclass(frozen=True)
class _Entry:
    path: str
    label: str
    group: str
    part: str


def load_csv(cfg: DatasetConfig) -> ImageTable:
    """The images that `cfg.manifest` lists, UTF-8 and separated by commas.

    Paths are relative to `cfg.root`, else to the manifest's folder. Rows without a label and files
    that do not exist are left out. Raises `InputError` for a file that is not such a list.
    """
    assert cfg.manifest is not None
    manifest = Path(cfg.manifest).expanduser()
    root = existing_folder("dataset.root", cfg.root) if cfg.root else manifest.parent
    listed, unlabelled = list_manifest(manifest, root)
    _check_any_exists(listed, root, manifest)
    return table_of_listed(cfg, listed, root, manifest, unlabelled)


def list_manifest(manifest: Path, root: Path) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The images that a list has (`LISTED_COLUMNS`), and its rows without a label, with that."""
    entries = _read(manifest)
    listed = pd.DataFrame(
        [
            (e.path, os.path.realpath(root / e.path), e.label, e.part, e.group)
            for e in entries
            if e.label
        ],
        columns=list(LISTED_COLUMNS),
        dtype=object,
    )
    return listed, [(entry.path, "no label") for entry in entries if not entry.label]


def _read(manifest: Path) -> list[_Entry]:
    folder = existing_folder("dataset.manifest", str(manifest.parent))
    if not manifest.is_file():
        hint = suggest(manifest.name, files_directly_in(folder)) or "name a CSV file"
        raise InputError(f"dataset.manifest: there is no file '{manifest}'; {hint}")
    rows = read_list(manifest, _REQUIRED, _OPTIONAL, "dataset.manifest")
    return [_entry(row) for row in rows]


def _entry(row: Row) -> _Entry:
    cells = {name: row.cells.get(name, "") for name in _REQUIRED + _OPTIONAL}
    if not cells["path"]:
        raise InputError(f"{row.where} has no path; fill it in or delete the line")
    part = cells["part"].casefold()
    if part and part not in PARTS:
        hint = suggest(part, PARTS)
        raise InputError(f"{row.where} has an unknown part '{cells['part']}'; {hint}")
    return _Entry(cells["path"], normal(cells["label"]), cells["group"], PARTS.get(part, ""))


def _check_any_exists(listed: pd.DataFrame, root: Path, manifest: Path) -> None:
    if len(listed) and not any(map(os.path.exists, listed["file"])):
        raise InputError(
            f"dataset.manifest: none of the {len(listed)} files that '{manifest}' lists is in "
            f"'{root.resolve()}', such as '{listed['path'].iloc[0]}'; give their folder as "
            "dataset.root"
        )
