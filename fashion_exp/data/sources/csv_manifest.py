"""The source `csv`: a CSV file that lists images by path and label, optionally group and part."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig, Targets
from fashion_exp.data.csv_lists import CsvRow, local_path, read_csv_rows
from fashion_exp.data.image_files import FILE_COLUMNS
from fashion_exp.data.label_shares import Shares, format_shares, mean_shares, parse_shares
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.data.sources.file_table import build_file_table
from fashion_exp.data.sources.parts import PARTS, part_of_name
from fashion_exp.data.sources.walk import existing_file, existing_folder
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, suggest

_REQUIRED = ("path", "label")
_GROUP = "group"
ANNOTATOR = "annotator"
"""Who gave the label of the row."""
_PART_COLUMNS = ("part", "split")
"""Columns of official parts, in any case; `split` only if it names a part at all. Without them, a
column that has nothing but the names of several parts is read."""

_MAX_SHOWN = 8
"""Number of columns that a note names."""


def load_csv(cfg: DatasetConfig, targets: Targets = Targets.single) -> ImageTable:
    """The images that `cfg.manifest` lists, a UTF-8 CSV file.

    Paths are relative to `cfg.root`, or else to the manifest's folder. Rows without a label and
    files that do not exist are left out. Raises `InputError` for an invalid manifest.
    """
    assert cfg.manifest is not None
    manifest = Path(cfg.manifest).expanduser()
    root = existing_folder("dataset.root", cfg.root) if cfg.root else manifest.parent
    files, unlabeled, notes = list_manifest(manifest, root, targets)
    if len(files) and not any(map(os.path.exists, files["file"])):
        example = files["path"].iloc[0]
        is_absolute = Path(example).is_absolute() or PureWindowsPath(example).drive
        remedy = (
            "make the paths relative to a folder, and give it"
            if is_absolute
            else "give their folder"
        )
        where = "exists here" if is_absolute else f"is in '{root.resolve()}'"
        raise InputError(
            f"dataset.manifest: no file that '{manifest}' lists {where}, such as '{example}'; "
            f"{remedy} as dataset.root"
        )
    return build_file_table(cfg, files, root, manifest, unlabeled, notes, targets)


def list_manifest(
    manifest: Path, root: Path, targets: Targets = Targets.single
) -> tuple[pd.DataFrame, list[tuple[str, str]], list[str]]:
    """The listed images (`FILE_COLUMNS`), (path, reason) of rows without a label, and notes.

    Unless the targets are single, a file in several rows with an annotator each has the shares of
    their labels.
    """
    file = existing_file("dataset.manifest", str(manifest))
    rows = read_csv_rows(file, _REQUIRED, (_GROUP, *_PART_COLUMNS), "dataset.manifest")
    several = targets is not Targets.single
    group_column, part_column = _group_column(rows), _part_column(rows)
    files, unlabeled = [], []
    for row in rows:
        path, label, group, part = _parse(row, group_column, part_column)
        path = local_path(path, root)
        if label:
            if several:
                parse_shares(label, row.location)
            files.append((path, os.path.realpath(root / path), label, part, group))
        else:
            unlabeled.append((path, "no label"))
    table = pd.DataFrame(files, columns=list(FILE_COLUMNS), dtype=object)
    if several and rows and ANNOTATOR in rows[0].cells:
        table["label"] = _joined_votes(table, targets)
    notes = [
        *_column_notes(rows, group_column, part_column, table, several),
        *_outside_notes(table, root),
    ]
    return table, unlabeled, notes


def _joined_votes(table: pd.DataFrame, targets: Targets) -> pd.Series:
    """The label of each row's file by all its rows."""
    if targets is not Targets.soft:
        raise InputError(
            f"dataset.manifest: the column '{ANNOTATOR}' gives shares of classes; set "
            "training.targets=soft, or delete the column"
        )
    votes: dict[str, list[Shares]] = {}
    for file, label in zip(table["file"], table["label"], strict=True):
        votes.setdefault(file, []).append(parse_shares(label, f"'{file}'"))
    joined = {file: format_shares(mean_shares(labels)) for file, labels in votes.items()}
    return table["file"].map(joined)


def _group_column(rows: Sequence[CsvRow]) -> str | None:
    names = rows[0].cells if rows else ()
    return next((name for name in names if name.casefold() == _GROUP), None)


def _part_column(rows: Sequence[CsvRow]) -> str | None:
    """The column of official parts, if there is one."""
    if not rows:
        return None
    columns = [name for name in rows[0].cells if name.casefold() not in (*_REQUIRED, _GROUP)]
    candidates = [
        name
        for name in columns
        if name.casefold() in _PART_COLUMNS
        and (name == "part" or any(part_of_name(row.cells[name]) for row in rows))
    ]
    candidates = candidates or [name for name in columns if _has_parts(rows, name)]
    if not candidates:
        return None
    first, *others = candidates
    for row in rows:
        for other in others:
            if part_of_name(row.cells[first]) != part_of_name(row.cells[other]):
                raise InputError(
                    f"{row.location} has the part '{row.cells[first]}' in the column '{first}' and "
                    f"'{row.cells[other]}' in '{other}'; delete one of these columns"
                )
    return first


def _has_parts(rows: Sequence[CsvRow], column: str) -> bool:
    """Whether a column has the names of several parts and nothing else."""
    parts = {part_of_name(text) for row in rows if (text := row.cells[column])}
    return "" not in parts and len(parts) > 1


def _parse(
    row: CsvRow, group_column: str | None, part_column: str | None
) -> tuple[str, str, str, str]:
    """Path, label, group and official part of a row."""
    path, label = (row.cells[name] for name in _REQUIRED)
    if not path:
        raise InputError(f"{row.location} has no path; fill it in or delete the line")
    if "\0" in path:
        raise InputError(f"{row.location} has a path with a null character; correct it")
    text = row.cells[part_column] if part_column is not None else ""
    if text and not part_of_name(text):
        hint = suggest(text.casefold(), PARTS)
        raise InputError(f"{row.location} has an unknown part '{text}'; {hint}")
    group = row.cells[group_column] if group_column is not None else ""
    return path, normalize_name(label), group, part_of_name(text)


def _column_notes(
    rows: Sequence[CsvRow], group_column: str | None, part_column: str | None,
    table: pd.DataFrame, several: bool,
) -> list[str]:  # fmt: skip
    """How the column of parts was read, and which columns are not read."""
    notes = []
    if part_column is not None:
        counts = Counter(table["part"])
        parts = [f"{counts[part]:,} {part}" for part in PARTS if counts[part]]
        without = [f"{counts['']:,} without a part"] if counts[""] else []
        notes.append(
            f"Official parts, from the column '{part_column}': {', '.join([*parts, *without])}."
        )
    read = {*_REQUIRED, group_column, part_column, *([ANNOTATOR] if several else [])}
    unread = (
        [name or "one without a name" for name in rows[0].cells if name not in read] if rows else []
    )
    if unread:
        more = f" and {len(unread) - _MAX_SHOWN} more" if len(unread) > _MAX_SHOWN else ""
        notes.append(f"Columns that are not read: {', '.join(unread[:_MAX_SHOWN])}{more}.")
    return notes


def _outside_notes(table: pd.DataFrame, root: Path) -> list[str]:
    """A note on files whose paths lead out of the root."""
    top = os.path.join(os.path.abspath(root), "")
    outside = [
        path
        for path in table["path"]
        if not os.path.normpath(os.path.join(top, path)).startswith(top)
    ]
    if not outside:
        return []
    return [
        f"Files outside '{root}', used as listed: {len(outside):,} of {len(table):,}, such as "
        f"{outside[0]}."
    ]
