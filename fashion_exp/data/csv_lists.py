"""CSV files that people write and edit: read strictly, each mistake told by its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.atomic_io import write_text
from fashion_exp.data.decode import reason
from fashion_exp.errors import InputError, suggest


@dataclass(frozen=True)
class Row:
    where: str
    """For messages: the knob, the file and the line."""
    cells: Mapping[str, str]
    """By column, without blanks around them; "" where there is nothing."""


def read_list(
    file: Path, required: Sequence[str], optional: Sequence[str] = (), key: str = ""
) -> list[Row]:
    """The rows of a CSV file; other columns come along.

    It is UTF-8, its columns are separated by commas, or by semicolons as some spreadsheets do.
    Raises `InputError`, in the name of the `key` that gave the file, for what is not such a file,
    lacks a required column, has one of ours twice, or has a line of more fields than columns.
    """
    name = f"{key}: '{file}'" if key else f"{file}:"
    try:
        # utf-8-sig: spreadsheets put a byte-order mark in front, which is no part of "path"
        with file.open(encoding="utf-8-sig", newline="") as opened:
            text = opened.read()
        header = text.partition("\n")[0]
        separator = ";" if ";" in header and "," not in header else ","
        lines = csv.DictReader(io.StringIO(text, ""), delimiter=separator, strict=True)
        return list(_rows(lines, name, required, optional))
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8; save it as that") from error
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV file: {error}") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {reason(error)}") from error


def _rows(
    rows: csv.DictReader[str], name: str, required: Sequence[str], optional: Sequence[str]
) -> Iterator[Row]:
    rows.fieldnames = [column.strip() for column in rows.fieldnames or ()]
    _check_columns(list(rows.fieldnames), name, required, optional)
    for row in rows:
        where = f"{name.removesuffix(':')}, line {rows.line_num}"
        if None in row:
            raise InputError(f"{where} has more fields than columns; quote a text with a comma")
        yield Row(where, {column: (cell or "").strip() for column, cell in row.items()})


def _check_columns(
    columns: list[str], name: str, required: Sequence[str], optional: Sequence[str]
) -> None:
    for column in required:
        if column not in columns:
            hint = suggest(column, columns) or "columns are separated by commas"
            raise InputError(f"{name} has no column '{column}'; {hint}")
    for column in (*required, *optional):
        if columns.count(column) > 1:
            raise InputError(f"{name} has the column '{column}' twice; keep one")


def write_list(file: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Whole or as it was before; columns that only some rows have stand behind `columns`."""
    every = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    target = io.StringIO()
    writer = csv.DictWriter(target, every, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, target.getvalue())
