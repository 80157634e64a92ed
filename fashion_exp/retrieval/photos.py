"""The photos of an index: files, their copies, and attributes from a CSV list."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.data.csv_lists import local_path, read_csv_rows
from fashion_exp.data.decode import decode
from fashion_exp.data.image_files import FileReader
from fashion_exp.data.sources.walk import existing_folder
from fashion_exp.data.table import ImageTable, UnreadableImageError, left_out_table
from fashion_exp.errors import InputError, suggest
from fashion_exp.inference.sources import list_photos
from fashion_exp.inference.trained_run import MAX_MEGAPIXELS
from fashion_exp.inspection.cache import InspectionCache, inspect_files
from fashion_exp.inspection.duplicates import find_groups, find_pairs, usable_images
from fashion_exp.inspection.image import ImageInspection
from fashion_exp.inspection.image_tree import ImageFile
from fashion_exp.process import cpu_count
from fashion_exp.reporting.progress import Progress

NATIVE_SIZE = 224
"""Edge of the input of a network that has no size of its own, px."""
OWN_COLUMNS = ("image_id", "vector", "path", "file", "copies", "group", "folder", "width", "height",
               "bytes", "format", "predicted", "color", "pattern", "imagenet_classes",
               "imagenet_shares")  # fmt: skip
"""Columns that an index has besides the attributes and the scores."""
SCORE_PREFIXES = ("p_", "color_", "shade_", "pattern_")
"""Columns with shares and probabilities: p_dress, color_red, shade_navy, pattern_striped."""


def is_own_column(name: str) -> bool:
    return name in OWN_COLUMNS or name.startswith(SCORE_PREFIXES)


@dataclass(frozen=True)
class Photos:
    """Photos to index. Files of equal content are one photo."""

    rows: pd.DataFrame
    """One row per photo: image_id, path (of the first of its files), file (absolute), copies
    (number of files), group (photos that are near copies of each other have the same), folder (the
    name of the folder that it is in), width, height (px), bytes, format."""
    unreadable: dict[str, str]
    """{path: reason}."""


def find_photos(
    sources: Sequence[str], cache: Path, progress: Progress, max_megapixels: float = MAX_MEGAPIXELS
) -> Photos:
    """Inspects the photos that the sources name; what was inspected before is read from the cache.

    Raises `InputError` if there are none.
    """
    paths = list_photos(sources)
    files = [ImageFile(path, os.path.realpath(path), "", "") for path in paths]
    inspected: dict[int, ImageInspection] = {}
    tick = progress.stage("inspecting photos", len(files))
    for position, inspection in inspect_files(
        files, InspectionCache(cache / "looks.sqlite"), max_megapixels, cpu_count(), tick
    ):
        inspected[position] = inspection
    inspections = [inspected[position] for position in range(len(files))]
    usable = usable_images(files, inspections)
    tick = progress.stage("comparing photos", len(usable))
    groups = find_groups(usable, find_pairs(usable, tick), {})
    group_of = {member.image_id: group.name for group in groups for member in group.members}
    records = [
        {
            "image_id": inspection.image_id, "path": file.path, "file": file.real_path,
            "group": group_of.get(inspection.image_id, inspection.image_id),
            "folder": os.path.basename(os.path.dirname(file.real_path)),
            "width": inspection.stats.width, "height": inspection.stats.height,
            "bytes": inspection.size_bytes,
            "format": inspection.header.kind if inspection.header else "",
        }
        for file, inspection in zip(files, inspections, strict=True)
        if inspection.stats is not None
    ]  # fmt: skip
    unreadable = {
        file.path: inspection.reason
        for file, inspection in zip(files, inspections, strict=True)
        if inspection.stats is None
    }
    if not records:
        path, reason = next(iter(unreadable.items()))
        raise InputError(f"{path}: {reason}; none of the {len(files)} photos can be read")
    rows = pd.DataFrame(records).sort_values("path", kind="stable")
    copies = rows.groupby("image_id")["file"].nunique()
    rows = rows.drop_duplicates("image_id").assign(copies=lambda t: t["image_id"].map(copies))
    return Photos(rows.sort_values("image_id").reset_index(drop=True), unreadable)


def read_photo(source: str | bytes) -> np.ndarray:
    """Decodes a file, or its bytes, to uint8 (height, width, 3). Raises `InputError`."""
    try:
        return decode(source, MAX_MEGAPIXELS)
    except UnreadableImageError as error:
        name = "photo" if isinstance(source, bytes) else source
        raise InputError(f"{name}: {error}") from None


def table_of(photos: pd.DataFrame, max_megapixels: float = MAX_MEGAPIXELS) -> ImageTable:
    """The image table of `Photos.rows`, all of one class."""
    ids, files = tuple(photos["image_id"]), tuple(photos["file"])
    rows = pd.DataFrame(
        {"image_id": ids, "group_id": photos["group"].to_list(), "path": photos["path"].to_list(),
         "label": 0, "part": "", "copies": photos["copies"].to_list()}
    )  # fmt: skip
    read = FileReader(files, ids, max_megapixels)
    return ImageTable("photos", rows, ("photo",), read, NATIVE_SIZE, left_out_table([]))


def read_attributes(file: str, photos: pd.DataFrame) -> pd.DataFrame:
    """The further columns of a CSV list for each row of `photos`, numbers where all are numbers.

    The list has a column `path`, relative to the list or to the working directory. Photos that it
    does not name have missing values. Raises `InputError`.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        existing_folder("--attributes", str(path.parent))
        names = [p.name for p in path.parent.iterdir()]
        raise InputError(f"--attributes {file}: no such file; {suggest(path.name, names)}")
    rows = read_csv_rows(path, ["path"], key="--attributes")
    table = pd.DataFrame([row.cells for row in rows])
    if taken := sorted(name for name in map(str, table) if name != "path" and is_own_column(name)):
        raise InputError(
            f"--attributes {file}: the index has a column {taken[0]} of its own; rename it"
        )
    real = [real_path(text, path.parent) for text in table["path"]]
    named = table.assign(path=real).drop_duplicates("path", keep="last").set_index("path")
    if not named.index.isin(photos["file"]).any():
        raise InputError(
            f"--attributes {file}: names none of the {len(photos):,} photos; its first path is "
            f"{table['path'].iloc[0]}"
        )
    return named.reindex(photos["file"]).reset_index(drop=True).apply(_typed)


def real_path(listed: str, parent: Path) -> str:
    """The absolute path of a photo that a list in the folder `parent` names."""
    text = local_path(listed, parent)
    below = parent / text
    return os.path.realpath(below if os.path.lexists(below) else text)


def _typed(values: pd.Series) -> pd.Series:
    given = values[values.notna() & (values != "")].astype(str)
    numbers = pd.to_numeric(given, errors="coerce")
    if len(given) and numbers.notna().all():
        return numbers.astype(float).reindex(values.index)
    return given.reindex(values.index).astype("string")
