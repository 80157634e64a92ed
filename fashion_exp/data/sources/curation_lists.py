"""Curation lists next to the images: which files to leave out, and which belong together.

`data check` and `data duplicates` write these CSV files, and people edit them: quarantine.csv
(path, reason) and groups.csv (path, group).
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.csv_lists import CsvRow, local_path, read_csv_rows
from fashion_exp.data.image_files import printable_path
from fashion_exp.data.sources.build_table import merge_groups
from fashion_exp.data.sources.walk import existing_file
from fashion_exp.errors import InputError

QUARANTINE_FILE, GROUPS_FILE = "quarantine.csv", "groups.csv"
REASON_COLUMN, GROUP_COLUMN = "reason", "group"

FINE = "fine"
"""The reason of a file that a person reviewed and keeps."""

_MAX_SHOWN = 3
"""Number of missing files that a note names."""


@dataclass(frozen=True)
class CurationLists:
    """The lists of a data set; files are identified by `canonical_path`."""

    root: Path
    reasons: Mapping[str, str]
    """{file: reason} of quarantined files."""
    groups: Mapping[str, str]
    """{file: group}."""
    notes: tuple[str, ...]

    def apply(self, files: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
        """The files (`FILE_COLUMNS`) that are not quarantined, with merged groups; and (path,
        reason) of the quarantined ones.

        A group of the list and a group of the source that share a file are merged.
        """
        keys = [canonical_path(self.root, path) for path in files["path"]]
        is_quarantined = np.array([key in self.reasons for key in keys], dtype=bool)
        left_out = [
            (path, f"quarantined: {self.reasons[key]}")
            for path, key in zip(files["path"], keys, strict=True)
            if key in self.reasons
        ]
        listed_groups = np.array([self.groups.get(key, "") for key in keys], dtype=object)
        groups = _merge(files["group_id"].to_numpy(object), listed_groups)
        grouped = files.assign(group_id=groups)
        return grouped[~is_quarantined].reset_index(drop=True), left_out


def _merge(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The group of each file after merging groups of both arrays that share a file; "" for none."""
    files = np.arange(len(first))
    pairs = pd.DataFrame(
        {"image_id": np.concatenate([files, files]), "group_id": np.concatenate([first, second])}
    )
    pairs = pairs[pairs["group_id"] != ""]
    merged = pairs.assign(group_id=merge_groups(pairs)).drop_duplicates("image_id")
    groups = np.full(len(first), "", dtype=object)
    groups[merged["image_id"].to_numpy(int)] = merged["group_id"].to_numpy(object)
    return groups


def canonical_path(root: Path, path: str) -> str:
    """One spelling for all spellings of a path, which is absolute or relative to `root`."""
    absolute = os.path.normpath(os.path.join(os.path.abspath(root), local_path(path, root)))
    return unicodedata.normalize("NFC", printable_path(absolute))


def read_curation(cfg: DatasetConfig, root: Path) -> CurationLists:
    """The lists that `cfg` names, or else quarantine.csv and groups.csv in `root`.

    Raises `InputError` if a named list does not exist, and for an invalid list.
    """
    quarantine, groups = root / QUARANTINE_FILE, root / GROUPS_FILE
    if cfg.quarantine is not None:
        quarantine = existing_file("dataset.quarantine", cfg.quarantine)
    if cfg.groups is not None:
        groups = existing_file("dataset.groups", cfg.groups)
    reason_cells, missing_photos = _read("dataset.quarantine", quarantine, REASON_COLUMN, root)
    group_cells, missing_members = _read("dataset.groups", groups, GROUP_COLUMN, root)
    fine = {path for path, reason in reason_cells if reason.casefold() == FINE}
    # Reversed, because the first reason of a file counts.
    reasons = {path: reason for path, reason in reversed(reason_cells) if path not in fine}
    members = {path: group for path, group in group_cells if group}
    notes = [*missing_photos, *missing_members]
    if members:
        notes.append(
            f"{groups.name} assigns {len(members)} files to {len(set(members.values()))} groups; "
            "a split never divides a group."
        )
    return CurationLists(root, reasons, members, tuple(notes))


def read_curation_list(key: str, file: Path, column: str) -> list[CsvRow]:
    """The rows of quarantine.csv or groups.csv; a missing file has none.

    `key` names the list, `column` is its column besides `path`.
    """
    if not file.exists():
        return []
    rows = read_csv_rows(file, ("path", column), ("by",), key)
    for row in rows:
        if not row.cells["path"]:
            raise InputError(f"{row.location} has no path; fill it in or delete the line")
    return rows


def _read(key: str, file: Path, column: str, root: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """(canonical path, cell) of every row, and a note on files that do not exist."""
    rows = read_curation_list(key, file, column)
    cells = [(canonical_path(root, row.cells["path"]), row.cells[column]) for row in rows]
    missing = [
        row.cells["path"]
        for row, (path, _) in zip(rows, cells, strict=True)
        # A path with escaped bytes cannot be looked up.
        if not os.path.lexists(path) and "\\x" not in path
    ]
    if not missing:
        return cells, []
    shown = ", ".join(missing[:_MAX_SHOWN]) + (", …" if len(missing) > _MAX_SHOWN else "")
    files = "1 file that does" if len(missing) == 1 else f"{len(missing)} files that do"
    return cells, [f"{file.name} names {files} not exist: {shown}."]
