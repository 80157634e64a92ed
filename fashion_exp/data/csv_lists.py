"""CSV files that people write and edit; errors name the file and the line."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import csv_text, guard_cell, unguard_cell, write_text
from fashion_exp.errors import InputError, os_error_reason, suggest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CsvRow:
    location: str
    """Option, file and line, for messages."""
    cells: Mapping[str, str]
    """Stripped text by column; "" for an empty cell."""


_DELIMITER_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a |"}
_SEPARATOR_LINE = re.compile(
    r'"?sep=(?P<delimiter>[^\r\n])"?[^\S\r\n]*(\r\n|\r|\n|$)', re.IGNORECASE
)
"""The first line of some files of Excel."""

_SPREADSHEETS = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
"""How files of Excel and LibreOffice begin."""


def read_csv_rows(
    file: Path, required: Sequence[str], optional: Sequence[str] = (), key: str = ""
) -> list[CsvRow]:
    """Read a CSV file as people and spreadsheets write them; additional columns are kept.

    The text is UTF-8, or UTF-16 with a byte-order mark. Fields are separated by commas, semicolons,
    tabs or |. Required columns are found in any case. Rows without any text are
    skipped. `key` names the option that gave the file. Raises `InputError` if the file cannot be
    read or parsed, lacks a required column, has a required or optional column twice, or has a line
    with more fields than columns.
    """
    name = f"{key}: '{file}'" if key else f"{file}:"
    try:
        content = file.read_bytes()
        if content.startswith(_SPREADSHEETS):
            raise InputError(f"{name} is a spreadsheet, not a CSV file; save it as CSV")
        text = _decode(content)
        separator = _SEPARATOR_LINE.match(text)
        body = text[separator.end() :] if separator else text
        delimiter = separator["delimiter"] if separator else _find_delimiter(body, required)
        reader = csv.DictReader(io.StringIO(body, ""), delimiter=delimiter, strict=True)
        return list(_checked_rows(reader, name, required, optional, 1 if separator else 0))
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8; save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV file: {error}") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {os_error_reason(error)}") from error


def _decode(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # Excel's "Unicode text"
        return content.decode("utf-16")
    return content.decode("utf-8-sig")  # spreadsheets write a byte-order mark


def _find_delimiter(text: str, required: Sequence[str]) -> str:
    """The first delimiter with which the header has the most required columns."""

    def count_required(delimiter: str) -> int:
        header = next(csv.reader(io.StringIO(text, ""), delimiter=delimiter), [])
        columns = {column.strip().casefold() for column in header}
        return sum(name in columns for name in required)

    return max(_DELIMITER_NAMES, key=count_required)


def _checked_rows(
    reader: csv.DictReader[str],
    name: str,
    required: Sequence[str],
    optional: Sequence[str],
    lines_above: int,
) -> Iterator[CsvRow]:
    columns = _column_names(reader.fieldnames or (), required)
    reader.fieldnames = columns
    for column in required:
        if column not in columns:
            hint = suggest(column, columns) if any(columns) else "the first line names the columns"
            raise InputError(f"{name} has no column '{column}'; {hint}")
    for column in (*required, *optional):
        if columns.count(column) > 1:
            raise InputError(f"{name} has the column '{column}' twice; keep one")
    delimiter = reader.reader.dialect.delimiter
    separator = _DELIMITER_NAMES.get(delimiter, delimiter)
    for row in reader:
        location = f"{name.removesuffix(':')}, line {reader.line_num + lines_above}"
        surplus: Sequence[str] = row.pop(None, ())
        if any(map(str.strip, surplus)):
            raise InputError(
                f"{location} has more fields than columns; quote text that contains {separator}"
            )
        cells = {column: unguard_cell(cell or "").strip() for column, cell in row.items()}
        if any(cells.values()):
            yield CsvRow(location, cells)


def _column_names(header: Sequence[str], required: Sequence[str]) -> list[str]:
    """The names in the header, with a required column in another case under its own name."""
    names = [name.strip() for name in header]
    other_case = {name.casefold(): name for name in required if name not in names}
    return [other_case.get(name.casefold(), name) for name in names]


def local_path(path: str, root: Path) -> str:
    """A path relative to `root`; one with the separators of Windows if only so it exists."""
    if "\\" not in path or os.path.lexists(root / path):
        return path
    local = path.replace("\\", "/")
    return local if os.path.lexists(root / local) else path


def write_csv_rows(file: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Write the file atomically; columns that only some rows have follow `columns`."""
    all_columns = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    cells = [[row.get(column, "") for column in all_columns] for row in rows]
    write_text(file, csv_text([list(all_columns), *cells]))


def frame_as_csv(frame: pd.DataFrame, float_format: str | None = None, header: bool = True) -> str:
    """The table as CSV without its index, safe to open with a spreadsheet."""
    guarded = frame.map(guard_cell)
    return str(guarded.to_csv(index=False, float_format=float_format, header=header))
