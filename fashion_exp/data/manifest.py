"""A CSV file that lists images: path, label, and if wanted group and part."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from fashion_exp.config import DatasetConfig
from fashion_exp.data.assemble import PARTS
from fashion_exp.data.classes import choose_classes, labels, normal
from fashion_exp.data.decode import reason
from fashion_exp.data.files import LISTED_COLUMNS, table_of_files
from fashion_exp.data.labels import labelled
from fashion_exp.data.table import ImageTable
from fashion_exp.data.walk import existing_folder, files_directly_in
from fashion_exp.errors import InputError, nearest

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
    assert cfg.manifest is not None and cfg.max_megapixels is not None
    manifest = Path(cfg.manifest).expanduser()
    root = existing_folder("dataset.root", cfg.root) if cfg.root else manifest.parent
    listed, unlabelled = list_manifest(manifest, root)
    found = labelled(listed, cfg.labels, manifest)
    names = choose_classes(found.classes, cfg.classes, cfg.rename)
    taken = found.taken(names)
    _check_any_exists(taken.listed, root, manifest)
    table = table_of_files(
        cfg.name,
        taken.listed,
        labels(names),
        cfg.max_megapixels,
        [*unlabelled, *taken.aside],
        taken.notes,
    )
    return replace(table, facts=found.facts, set_aside=frozenset(path for path, _ in taken.aside))


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
        hint = nearest(manifest.name, files_directly_in(folder)) or "name a CSV file"
        raise InputError(f"dataset.manifest: there is no file '{manifest}'; {hint}")
    try:
        # utf-8-sig: spreadsheets put a byte-order mark in front, which is no part of "path"
        with manifest.open(encoding="utf-8-sig", newline="") as file:
            return list(_entries(csv.DictReader(file, strict=True), str(manifest)))
    except UnicodeDecodeError as error:
        raise InputError(f"dataset.manifest: '{manifest}' is not UTF-8; save it as that") from error
    except csv.Error as error:
        raise InputError(f"dataset.manifest: '{manifest}' is not a CSV file: {error}") from error
    except OSError as error:
        raise InputError(
            f"dataset.manifest: '{manifest}' cannot be read: {reason(error)}"
        ) from error


def _entries(rows: csv.DictReader[str], manifest: str) -> Iterator[_Entry]:
    _check_columns([name.strip() for name in rows.fieldnames or ()], manifest)
    rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
    for row in rows:
        where = f"dataset.manifest: '{manifest}', line {rows.line_num}"
        if None in row:
            raise InputError(f"{where} has more fields than columns; quote a text with a comma")
        cells = {name: (row.get(name) or "").strip() for name in _REQUIRED + _OPTIONAL}
        if not cells["path"]:
            raise InputError(f"{where} has no path; fill it in or delete the line")
        part = cells["part"].casefold()
        if part and part not in PARTS:
            hint = nearest(part, PARTS)
            raise InputError(f"{where} has an unknown part '{cells['part']}'; {hint}")
        label, group = normal(cells["label"]), cells["group"]
        yield _Entry(cells["path"], label, group, PARTS.get(part, ""))


def _check_columns(columns: list[str], manifest: str) -> None:
    for name in _REQUIRED:
        if name not in columns:
            hint = nearest(name, columns) or "columns are separated by commas"
            raise InputError(f"dataset.manifest: '{manifest}' has no column '{name}'; {hint}")
    for name in _REQUIRED + _OPTIONAL:
        if columns.count(name) > 1:
            raise InputError(
                f"dataset.manifest: '{manifest}' has the column '{name}' twice; keep one"
            )


def _check_any_exists(listed: pd.DataFrame, root: Path, manifest: Path) -> None:
    if len(listed) and not any(map(os.path.exists, listed["file"])):
        raise InputError(
            f"dataset.manifest: none of the {len(listed)} files that '{manifest}' lists is in "
            f"'{root.resolve()}', such as '{listed['path'].iloc[0]}'; give their folder as "
            "dataset.root"
        )
