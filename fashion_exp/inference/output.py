"""Files of predictions, written table by table: CSV, Parquet or JSON lines by their ending."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fashion_exp.atomic_io import atomic_write
from fashion_exp.data.csv_lists import frame_as_csv
from fashion_exp.errors import InputError
from fashion_exp.paths import check_writable

Write = Callable[[pd.DataFrame], object]

ROWS_PER_GROUP = 2**14
"""Of a Parquet file: groups of a batch each would be slow to read."""

_CSV_DIGITS = "%.9g"
"""Enough to restore a float32."""


def open_predictions(path: Path) -> AbstractContextManager[Write]:
    """A function that appends a table; the file appears whole, when the block ends without an
    exception. Raises `InputError` as `check_into`."""
    check_into(path)
    return FORMATS[path.suffix.casefold()](path)


def check_into(path: Path) -> None:
    """Raises `InputError` for another ending, or if the file cannot be written."""
    if path.suffix.casefold() not in FORMATS:
        raise InputError(f"--into {path}: choose the format by the ending: {', '.join(FORMATS)}")
    check_writable(path.parent, "--into")


@contextmanager
def _csv(path: Path) -> Iterator[Write]:
    with atomic_write(path) as draft, open(draft, "w", encoding="utf-8", newline="") as file:
        yield lambda table: file.write(frame_as_csv(table, _CSV_DIGITS, header=not file.tell()))


@contextmanager
def _json_lines(path: Path) -> Iterator[Write]:
    with atomic_write(path) as draft, open(draft, "w", encoding="utf-8") as file:
        yield lambda table: file.writelines(f"{json.dumps(row)}\n" for row in json_rows(table))


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    with atomic_write(path) as draft, ExitStack() as stack:
        writers: list[pq.ParquetWriter] = []
        pending: list[pa.Table] = []

        def write(table: pd.DataFrame) -> None:
            schema = pa.schema([(name, _TYPES.get(name, pa.float64())) for name in table.columns])
            pending.append(pa.Table.from_pandas(table, schema, preserve_index=False))
            if sum(map(len, pending)) >= ROWS_PER_GROUP:
                write_group()

        def write_group() -> None:
            rows = pa.concat_tables(pending)
            if not writers:
                writers.append(stack.enter_context(pq.ParquetWriter(draft, rows.schema)))
            writers[0].write_table(rows)
            pending.clear()

        yield write
        if pending:
            write_group()


_TYPES = {
    **dict.fromkeys(("path", "predicted", "runner_up", "prediction_set", "reason"), pa.string()),
    "unfamiliar": pa.bool_(),
}
"""All other columns are numbers."""


@contextmanager
def json_array(file: TextIO) -> Iterator[Write]:
    """Writes the rows of all tables as one JSON array, as they come."""
    separators = chain(["[\n"], repeat(",\n"))

    def write(table: pd.DataFrame) -> None:
        for row in json_rows(table):
            file.write(f"{next(separators)}{json.dumps(row)}")

    yield write
    file.write("\n]\n")


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One object per row; what is missing is null."""
    values = table.astype(object).where(table.notna(), None)
    return [dict(zip(table.columns, row, strict=True)) for row in values.itertuples(index=False)]


FORMATS: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".jsonl": _json_lines,
}
