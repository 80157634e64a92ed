"""Inspects the files of an image table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fashion_exp.data.image_files import FileReader
from fashion_exp.data.table import ImageReader, ImageTable, SubsetReader
from fashion_exp.inspection.cache import InspectionCache, inspect_files
from fashion_exp.inspection.image import ImageInspection
from fashion_exp.inspection.image_tree import ImageFile
from fashion_exp.process import cpu_count
from fashion_exp.reporting.progress import Tick

MAX_MEGAPIXELS = 40.0
"""Limit for photos of a data set that has none, 10⁶ px."""


def table_files(table: ImageTable, part: str) -> list[ImageFile]:
    """The files of a table's rows; none if it does not read files."""
    reader: ImageReader = table.read
    rows = np.arange(len(table))
    while isinstance(reader, SubsetReader):
        rows = reader.rows[rows]
        reader = reader.read
    if not isinstance(reader, FileReader):
        return []
    names = [table.classes[label] for label in table.labels]
    return [
        ImageFile(path, os.path.realpath(reader.files[row]), name, part)
        for path, row, name in zip(table.rows["path"], rows, names, strict=True)
    ]


def inspect_table_files(
    files: Sequence[ImageFile], cache: Path, max_megapixels: float | None,
    tick: Tick = lambda done, total=None: None,
) -> list[ImageInspection]:  # fmt: skip
    """The inspection of each file, from the cache where it is known."""
    store = InspectionCache(cache / "looks.sqlite")
    limit = max_megapixels or MAX_MEGAPIXELS
    inspections = dict(inspect_files(files, store, limit, cpu_count(), tick))
    return [inspections[position] for position in range(len(files))]
