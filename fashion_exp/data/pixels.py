"""All images of a table at the network's input size, decoded once and cached for all runs."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fashion_exp.cache.array_store import ArrayStore, store_key
from fashion_exp.cache.provenance import library_versions, source_hash
from fashion_exp.data.decode import OPTIONAL_DECODERS
from fashion_exp.data.geometry import Geometry, resize
from fashion_exp.data.parallel import map_in_processes
from fashion_exp.data.table import (
    ImageReader,
    ImageTable,
    SourceUnavailableError,
    UnreadableImageError,
    left_out_table,
)
from fashion_exp.errors import InputError

_BYTES_PER_TASK = 8e6


@dataclass(frozen=True)
class CachedPixels:
    """The images of a table's rows, read from a store on disk instead of held in memory."""

    read: ImageReader
    ids: tuple[str, ...]
    geometry: Geometry
    store: ArrayStore
    reused: int
    """Number of images that the store had before."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def key(self) -> str:
        """Hash of everything besides the image ids that determines the pixels."""
        return self.store.folder.name

    def __getitem__(self, row: int) -> np.ndarray:
        """A writable copy of the image, uint8 (size, size, channels).

        An image whose stored copy is damaged is decoded and stored again.
        """
        stored = self.store.read(self.ids[row])
        if stored is not None:
            return stored
        image = resize(self.read(row), self.geometry)
        self.store.add({self.ids[row]: image})
        return image


def load_pixels(
    table: ImageTable,
    geometries: Sequence[Geometry],
    max_left_out: float | None,
    processes: int,
    progress: Callable[[int, int], None],
    cache: Path,
    before_decoding: Callable[[], object] = lambda: None,
) -> tuple[ImageTable, list[CachedPixels]]:
    """The readable rows of the table, and their pixels in each geometry.

    Images missing from the store below `cache` are decoded first, after a call of
    `before_decoding`; `progress` receives (images done, all images). The store also has unreadable
    images, with the reasons.

    Raises `InputError` if the share of files left out exceeds `max_left_out` (None: no limit), or
    if a class has no readable image.
    """
    stores = {geometry: _open_store(table, geometry, cache) for geometry in geometries}
    ids = table.rows["image_id"].to_list()
    missing = [row for row, image in enumerate(ids) if any(image not in s for s in stores.values())]
    reused = [sum(image in store for image in ids) for store in stores.values()]
    if missing:
        before_decoding()
    reasons = _decode(table, stores, missing, processes, progress)
    for store in stores.values():
        store.refresh()
        reasons |= {row: store.absent[x] for row, x in enumerate(ids) if x in store.absent}
    readable = _drop_rows(table, dict(sorted(reasons.items())))
    _check_left_out(readable, max_left_out)
    _check_classes(readable)
    readable_ids = tuple(readable.rows["image_id"])
    return readable, [
        CachedPixels(readable.read, readable_ids, geometry, store, count)
        for (geometry, store), count in zip(stores.items(), reused, strict=True)
    ]


def _open_store(table: ImageTable, geometry: Geometry, cache: Path) -> ArrayStore:
    key_fields = _key_fields(table, geometry)
    folder = cache / "pixels" / store_key(key_fields)
    return ArrayStore(folder, geometry.shape, "uint8", key_fields)


def _key_fields(table: ImageTable, geometry: Geometry) -> dict[str, Any]:
    """Everything besides its id that determines a stored image."""
    return {
        "geometry": asdict(geometry),
        "reading": table.read_options,
        "source": source_hash(
            "data/geometry.py", "data/decode.py", "data/image_formats.py", *table.source_files
        ),
        "versions": library_versions("pillow", "numpy", *OPTIONAL_DECODERS),
    }


def _decode(
    table: ImageTable, stores: Mapping[Geometry, ArrayStore], rows: list[int], processes: int,
    progress: Callable[[int, int], None],
) -> dict[int, str]:  # fmt: skip
    """Add the images of these rows to the stores; return {row: reason} of unavailable ones.

    An image is decoded once for all geometries.

    Concurrent runs that fill one store take the tasks in different random orders, and skip the
    images that another run has added.
    """
    image_bytes = sum(int(np.prod(geometry.shape)) for geometry in stores)
    _check_disk_space(next(iter(stores.values())).folder, len(rows) * image_bytes)
    step = int(min(512, max(16, _BYTES_PER_TASK // image_bytes)))
    tasks = [rows[start : start + step] for start in range(0, len(rows), step)]
    random.Random(os.getpid()).shuffle(tasks)
    unavailable: dict[int, str] = {}
    done = len(table) - len(rows)
    progress(done, len(table))
    decode_task = partial(_decode_task, table, stores)
    for task, reasons in zip(tasks, map_in_processes(decode_task, tasks, processes), strict=True):
        unavailable |= reasons
        done += len(task)
        progress(done, len(table))
    return unavailable


def _decode_task(
    table: ImageTable, stores: Mapping[Geometry, ArrayStore], rows: list[int]
) -> dict[int, str]:
    for store in stores.values():
        store.refresh()
    images: dict[Geometry, dict[str, np.ndarray]] = {geometry: {} for geometry in stores}
    unreadable: dict[str, str] = {}
    unavailable: dict[int, str] = {}
    for row in rows:
        image_id = str(table.rows["image_id"][row])
        missing = [geometry for geometry, store in stores.items() if image_id not in store]
        if not missing:
            continue
        try:
            pixels = table.read(row)
            for geometry in missing:
                images[geometry][image_id] = resize(pixels, geometry)
        except SourceUnavailableError as error:
            unavailable[row] = str(error)
        except UnreadableImageError as error:
            unreadable[image_id] = str(error)
    for geometry, store in stores.items():
        store.add(images[geometry], unreadable)
    return unavailable


def _check_disk_space(folder: Path, required: int) -> None:
    free = shutil.disk_usage(folder).free
    if required > free:
        raise InputError(
            f"{folder}: the images at this size need {required / 1e9:.1f} GB, but only "
            f"{free / 1e9:.1f} GB are free; free space with `cache clear`, choose another disk "
            "with outputs=FOLDER, or reduce dataset.image_size"
        )


def _drop_rows(table: ImageTable, reasons: Mapping[int, str]) -> ImageTable:
    """The table without the rows in `reasons`, whose files join `left_out`."""
    if not reasons:
        return table
    left_out = []
    for row, reason in reasons.items():
        path, copies = str(table.rows["path"][row]), int(table.rows["copies"][row])
        paths = table.copy_paths.get(str(table.rows["image_id"][row]), [path] * copies)
        note = f" ({copies} copies)" if copies > 1 else ""
        left_out += [(path, reason + note) for path in paths]
    return table.take(
        [row for row in range(len(table)) if row not in reasons], left_out_table(left_out)
    )


def _check_left_out(table: ImageTable, max_left_out: float | None) -> None:
    """Apply the limit to unusable files; files that a person excluded do not count."""
    excluded = len(table.left_out) - len(table.unusable)
    unusable, files = len(table.unusable), table.file_count - excluded
    if max_left_out is None or unusable <= max_left_out * files:
        return
    examples = ", ".join(
        f"{file.path!r} ({file.reason})" for file in table.unusable.head(3).itertuples()
    )
    raise InputError(
        f"dataset.max_left_out: {unusable} of {files} files ({unusable / files:.1%}) cannot be "
        f"used, more than {max_left_out:.1%}: {examples}{', …' if unusable > 3 else ''}; repair or "
        "remove them, or raise dataset.max_left_out"
    )


def _check_classes(table: ImageTable) -> None:
    empty = [name for name, count in table.class_counts.items() if count == 0]
    if empty:
        raise InputError(
            f"dataset.classes: no usable image of {', '.join(empty)} "
            f"({len(table.left_out)} files were left out); repair the files, or drop the class"
        )
