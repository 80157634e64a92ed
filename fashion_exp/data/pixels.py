"""All pictures of a table at the network's input size, decoded once and kept for every run."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fashion_exp.cache.array_store import ArrayStore
from fashion_exp.cache.manager import store_key
from fashion_exp.cache.provenance import library_versions, source_hash
from fashion_exp.data.geometry import Geometry, resize
from fashion_exp.data.parallel import in_processes
from fashion_exp.data.table import ImageTable, OutOfReach, Reader, UnreadableImage, left_out_table
from fashion_exp.errors import InputError

_BYTES_PER_TASK = 8e6


@dataclass(frozen=True)
class Pixels:
    """The pictures of a table's rows, from the store, which no run's memory has to hold."""

    read: Reader
    ids: tuple[str, ...]
    geometry: Geometry
    store: ArrayStore
    reused: int
    """Pictures that were in the store before."""

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> np.ndarray:
        """uint8 (size, size, channels), the caller's own to change.

        A picture that is damaged in the store is made again, there too.
        """
        kept = self.store.read(self.ids[row])
        if kept is not None:
            return kept
        again = resize(self.read(row), self.geometry)
        self.store.add({self.ids[row]: again})
        return again


def pixels_about(table: ImageTable, geometry: Geometry) -> dict[str, Any]:
    """Everything beside its id that a picture in the store depends on."""
    return {
        "geometry": asdict(geometry),
        "reading": table.reading,
        "source": source_hash("data/geometry.py", "data/decode.py", *table.drawn_by),
        "versions": library_versions("pillow", "numpy"),
    }


def load_pixels(
    table: ImageTable,
    geometry: Geometry,
    max_left_out: float | None,
    processes: int,
    progress: Callable[[int, int], None],
    cache: Path,
    before_decoding: Callable[[], object] = lambda: None,
) -> tuple[ImageTable, Pixels]:
    """The table without the pictures that cannot be read, and the pixels of the others.

    What the store below `cache` lacks is decoded now, after `before_decoding`; `progress` gets
    (pictures done, pictures in all). Unreadable ones are remembered with their reasons. Raises
    `InputError` if the share of files left out is above `max_left_out` (null: no limit), or if a
    class has no picture left.
    """
    about = pixels_about(table, geometry)
    store = ArrayStore(cache / "pixels" / store_key(about), geometry.shape, "uint8", about)
    ids = table.rows["image_id"].to_list()
    lacking = [row for row, image in enumerate(ids) if image not in store]
    if lacking:
        before_decoding()
    passing = _decode(table, geometry, store, lacking, processes, progress)
    store.refresh()
    reasons = {row: store.absent[image] for row, image in enumerate(ids) if image in store.absent}
    readable = _without(table, dict(sorted((reasons | passing).items())))
    _check_left_out(readable, max_left_out)
    _check_classes(readable)
    named = tuple(readable.rows["image_id"])
    return readable, Pixels(readable.read, named, geometry, store, len(ids) - len(lacking))


def _decode(
    table: ImageTable, geometry: Geometry, store: ArrayStore, rows: list[int], processes: int,
    progress: Callable[[int, int], None],
) -> dict[int, str]:  # fmt: skip
    """Adds the pictures of these rows to the store; gives those out of reach, with the reason.

    Processes that fill one store at once go through it in orders of their own, and each leaves out
    what another has added since.
    """
    size = int(np.prod(geometry.shape))
    _check_space(store.folder, len(rows) * size)
    step = int(min(512, max(16, _BYTES_PER_TASK // size)))
    tasks = [rows[start : start + step] for start in range(0, len(rows), step)]
    random.Random(os.getpid()).shuffle(tasks)
    out_of_reach: dict[int, str] = {}
    done = len(table) - len(rows)
    progress(done, len(table))
    work = partial(_decode_some, table, geometry, store)
    for task, reasons in zip(tasks, in_processes(work, tasks, processes), strict=True):
        out_of_reach |= reasons
        done += len(task)
        progress(done, len(table))
    return out_of_reach


def _decode_some(
    table: ImageTable, geometry: Geometry, store: ArrayStore, rows: list[int]
) -> dict[int, str]:
    store.refresh()
    pictures: dict[str, np.ndarray] = {}
    unreadable: dict[str, str] = {}
    out_of_reach: dict[int, str] = {}
    for row in rows:
        image = str(table.rows["image_id"][row])
        if image in store:
            continue
        try:
            pictures[image] = resize(table.read(row), geometry)
        except OutOfReach as error:
            out_of_reach[row] = str(error)
        except UnreadableImage as error:
            unreadable[image] = str(error)
    store.add(pictures, unreadable)
    return out_of_reach


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder}: the pictures at this size need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} "
            "are free; `cache clear` makes room, outputs=FOLDER takes another disk, and a smaller "
            "dataset.image_size needs less"
        )


def _without(table: ImageTable, reasons: Mapping[int, str]) -> ImageTable:
    if not reasons:
        return table
    listed = []
    for row, reason in reasons.items():
        path, copies = str(table.rows["path"][row]), int(table.rows["copies"][row])
        listed += [(path, reason + (f" ({copies} copies)" if copies > 1 else ""))] * copies
    keep = [row for row in range(len(table)) if row not in reasons]
    return table.take(keep, left_out_table(listed))


def _check_left_out(table: ImageTable, max_left_out: float | None) -> None:
    """The limit is for what nobody has looked at: what people have set aside is their decision."""
    left, found = len(table.unusable), table.found - len(table.set_aside)
    if max_left_out is None or left <= max_left_out * found:
        return
    first = table.unusable.head(3).itertuples()
    examples = ", ".join(f"{file.path!r} ({file.reason})" for file in first)
    raise InputError(
        f"dataset.max_left_out: {left} of {found} files ({left / found:.1%}) cannot be used, more "
        f"than {max_left_out:.1%}: {examples}{', …' if left > 3 else ''}; mend or remove them, or "
        "raise dataset.max_left_out"
    )


def _check_classes(table: ImageTable) -> None:
    counts = np.bincount(table.labels, minlength=len(table.classes))
    if lacking := [name for name, n in zip(table.classes, counts, strict=True) if n == 0]:
        raise InputError(
            f"dataset.classes: no usable image of {', '.join(lacking)} "
            f"({len(table.left_out)} files were left out); mend them, or drop the class"
        )
