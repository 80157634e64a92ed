"""CSV files that people write and edit; errors name the file and the line."""

from __future__ import annotations

import csv
import io
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


def read_csv_rows(
    file: Path, required: Sequence[str], optional: Sequence[str] = (), key: str = ""
) -> list[CsvRow]:
    """Read a UTF-8 CSV file separated by commas, or by semicolons; additional columns are kept.

    `key` names the option that gave the file. Raises `InputError` if the file cannot be read or
    parsed, lacks a required column, has a required or optional column twice, or has a line with
    more fields than columns.
    """
    name = f"{key}: '{file}'" if key else f"{file}:"
    try:
        # utf-8-sig: spreadsheets write a byte-order mark
        with file.open(encoding="utf-8-sig", newline="") as handle:
            text = handle.read()
        header = text.partition("\n")[0]
        delimiter = ";" if ";" in header and "," not in header else ","
        reader = csv.DictReader(io.StringIO(text, ""), delimiter=delimiter, strict=True)
        return list(_checked_rows(reader, name, required, optional))
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8; save it as UTF-8") from error
    except csv.Error as error:
        raise InputError(f"{name} is not a CSV file: {error}") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {os_error_reason(error)}") from error


def _checked_rows(
    reader: csv.DictReader[str], name: str, required: Sequence[str], optional: Sequence[str]
) -> Iterator[CsvRow]:
    columns = [column.strip() for column in reader.fieldnames or ()]
    reader.fieldnames = columns
    for column in required:
        if column not in columns:
            hint = suggest(column, columns) or "columns are separated by commas"
            raise InputError(f"{name} has no column '{column}'; {hint}")
    for column in (*required, *optional):
        if columns.count(column) > 1:
            raise InputError(f"{name} has the column '{column}' twice; keep one")
    for row in reader:
        location = f"{name.removesuffix(':')}, line {reader.line_num}"
        if None in row:
            raise InputError(
                f"{location} has more fields than columns; quote text that contains a comma"
            )
        cells = {column: unguard_cell(cell or "").strip() for column, cell in row.items()}
        yield CsvRow(location, cells)


def write_csv_rows(file: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Write the file atomically; columns that only some rows have follow `columns`."""
    all_columns = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    cells = [[row.get(column, "") for column in all_columns] for row in rows]
    write_text(file, csv_text([list(all_columns), *cells]))


def frame_as_csv(frame: pd.DataFrame, float_format: str | None = None) -> str:
    """The table as CSV without its index, safe to open with a spreadsheet."""
    return str(frame.map(guard_cell).to_csv(index=False, float_format=float_format))
