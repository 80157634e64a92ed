"""CSV files that people write and edit: read strictly, each mistake told by its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.data.decode import reason
from fashion_exp.errors import InputError, nearest
from fashion_exp.files import write_text


@dataclass(frozen=True)
class Row:
    where: str
    """For messages: the knob, the file and the line."""
    cells: Mapping[str, str]
    """By column, without blanks around them; "" where there is nothing."""


def read_list(
    key: str, file: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> list[Row]:
    """The rows of a CSV file, UTF-8 and separated by commas; other columns come along.

    Raises `InputError` in the name of `key` for what is not such a file, lacks a required column,
    has one of ours twice, or has a line of more fields than columns.
    """
    try:
        # utf-8-sig: spreadsheets put a byte-order mark in front, which is no part of "path"
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return list(_rows(csv.DictReader(lines, strict=True), key, file, required, optional))
    except UnicodeDecodeError as error:
        raise InputError(f"{key}: '{file}' is not UTF-8; save it as that") from error
    except csv.Error as error:
        raise InputError(f"{key}: '{file}' is not a CSV file: {error}") from error
    except OSError as error:
        raise InputError(f"{key}: '{file}' cannot be read: {reason(error)}") from error


def _rows(
    rows: csv.DictReader[str],
    key: str,
    file: Path,
    required: Sequence[str],
    optional: Sequence[str],
) -> Iterator[Row]:
    rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
    _check_columns(list(rows.fieldnames), f"{key}: '{file}'", required, optional)
    for row in rows:
        where = f"{key}: '{file}', line {rows.line_num}"
        if None in row:
            raise InputError(f"{where} has more fields than columns; quote a text with a comma")
        yield Row(where, {name: (cell or "").strip() for name, cell in row.items()})


def _check_columns(
    columns: list[str], where: str, required: Sequence[str], optional: Sequence[str]
) -> None:
    for name in required:
        if name not in columns:
            hint = nearest(name, columns) or "columns are separated by commas"
            raise InputError(f"{where} has no column '{name}'; {hint}")
    for name in (*required, *optional):
        if columns.count(name) > 1:
            raise InputError(f"{where} has the column '{name}' twice; keep one")


def write_list(file: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Whole or as it was before; columns that only some rows have stand behind `columns`."""
    every = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    target = io.StringIO()
    writer = csv.DictWriter(target, every, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, target.getvalue())
