"""All pictures of a table at the network's input size, decoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from fashion_exp.data.memory import available_bytes
from fashion_exp.data.parallel import in_processes
from fashion_exp.data.table import (
    ImageTable,
    Reader,
    UnreadableImage,
    left_out_table,
)
from fashion_exp.errors import InputError

_ROWS_PER_TASK = 16
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True)
class Geometry:
    """The shape of a network's input and how a picture comes into it."""

    size: int
    """Edge, px."""
    fit: str
    """crop: the middle square; pad: all, on its mean colour; stretch: all, distorted."""
    interpolation: str
    """nearest, bilinear, bicubic or lanczos."""
    channels: int
    """3: RGB, grey repeated; 1: grey, colours as luma (ITU-R 601-2)."""


@dataclass(frozen=True)
class Pixels:
    """The pictures of a table's rows, from memory if they are `held`, else read at each access."""

    read: Reader
    count: int
    geometry: Geometry
    held: np.ndarray | None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, rows: int | np.ndarray) -> np.ndarray:
        """uint8 (size, size, channels) of one row, or (n, size, size, channels) of n rows.

        The caller's own to change.
        """
        if self.held is not None:
            return np.array(self.held[rows])
        if isinstance(rows, (int, np.integer)):
            return resize(self.read(int(rows)), self.geometry)
        pictures = [resize(self.read(int(row)), self.geometry) for row in rows]
        return np.array(pictures, np.uint8).reshape(-1, *_shape(self.geometry))

    @property
    def nbytes(self) -> int:
        """Memory that the pictures take."""
        return 0 if self.held is None else self.held.nbytes


def resize(picture: np.ndarray, geometry: Geometry) -> np.ndarray:
    """A uint8 picture, (height, width) or (height, width, 3), as (size, size, channels).

    Pillow's filters average over all pixels that fall onto one: they are those that timm's weights
    were trained and evaluated with. OpenCV's INTER_AREA is 1.7 times as fast and differs by 0.4 of
    255 on average. A picture of the size asked for keeps its values.
    """
    image = Image.fromarray(picture)
    if image.mode != _MODES[geometry.channels]:
        image = image.convert(_MODES[geometry.channels])
    if image.size != (geometry.size, geometry.size):
        image = _FITS[geometry.fit](image, geometry.size, _FILTERS[geometry.interpolation])
    return np.array(image).reshape(_shape(geometry))


def _shape(geometry: Geometry) -> tuple[int, int, int]:
    return geometry.size, geometry.size, geometry.channels


def _crop(image: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    edge = min(image.size)
    left, top = ((side - edge) // 2 for side in image.size)
    return image.resize((size, size), resampling, box=(left, top, left + edge, top + edge))


def _pad(image: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    mean = np.asarray(image).mean(axis=(0, 1)).round().astype(int)
    canvas = Image.new(image.mode, (size, size), tuple(np.atleast_1d(mean).tolist()))
    canvas.paste(
        image.resize((width, height), resampling), ((size - width) // 2, (size - height) // 2)
    )
    return canvas


def _stretch(image: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    return image.resize((size, size), resampling)


_FITS = {"crop": _crop, "pad": _pad, "stretch": _stretch}


def load_pixels(
    table: ImageTable,
    geometry: Geometry,
    max_left_out: float | None,
    processes: int,
    progress: Callable[[int, int], None],
    memory_budget: int | None = None,
) -> tuple[ImageTable, Pixels]:
    """The table without the pictures that cannot be read, and the pixels of the others.

    Every picture is decoded once now. They are kept if they fit into `memory_budget` bytes (a third
    of the free memory unless given). `progress` gets (pictures done, pictures in all). Raises
    `InputError` if the share of files left out is above `max_left_out` (null: no limit), or if a
    class has no picture left.
    """
    needed = len(table) * int(np.prod(_shape(geometry)))
    budget = available_bytes() // 3 if memory_budget is None else memory_budget
    held = np.empty((len(table), *_shape(geometry)), np.uint8) if needed <= budget else None
    reasons: dict[int, str] = {}
    for done, broken in _decode_all(table, geometry, held, processes):
        reasons |= broken
        progress(done, len(table))
    readable = _without(table, reasons)
    _check_left_out(readable, max_left_out)
    _check_classes(readable)
    if held is not None:
        held = _close_gaps(held, reasons)
    return readable, Pixels(readable.read, len(readable), geometry, held)


def _decode_all(
    table: ImageTable, geometry: Geometry, held: np.ndarray | None, processes: int
) -> Iterator[tuple[int, dict[int, str]]]:
    """Fills `held`; (pictures done, {row: why it has no picture}) after each few rows."""

    starts = range(0, len(table), _ROWS_PER_TASK)
    tasks = [range(start, min(start + _ROWS_PER_TASK, len(table))) for start in starts]
    work = partial(_decode_some, table, geometry, held is not None)
    for rows, (pictures, broken) in zip(tasks, in_processes(work, tasks, processes), strict=True):
        if held is not None:
            held[rows.start : rows.stop] = pictures
        yield rows.stop, broken


def _decode_some(
    table: ImageTable, geometry: Geometry, keep: bool, rows: range
) -> tuple[np.ndarray, dict[int, str]]:
    """The pictures (none unless `keep`), and {row: why it has no picture}."""
    pictures = np.zeros((len(rows) if keep else 0, *_shape(geometry)), np.uint8)
    broken = {}
    for place, row in enumerate(rows):
        try:
            picture = resize(table.read(row), geometry)
        except UnreadableImage as error:
            broken[row] = str(error)
            continue
        if keep:
            pictures[place] = picture
    return pictures, broken


def _without(table: ImageTable, reasons: dict[int, str]) -> ImageTable:
    if not reasons:
        return table
    listed = []
    for row, reason in reasons.items():
        path, copies = str(table.rows["path"][row]), int(table.rows["copies"][row])
        listed += [(path, reason + (f" ({copies} copies)" if copies > 1 else ""))] * copies
    keep = [row for row in range(len(table)) if row not in reasons]
    return table.take(keep, left_out_table(listed))


def _close_gaps(held: np.ndarray, reasons: dict[int, str]) -> np.ndarray:
    """The rows that were read, moved together in place: a copy would need the memory twice."""
    keep = [row for row in range(len(held)) if row not in reasons]
    for new, old in enumerate(keep):
        if new != old:
            held[new] = held[old]
    return held[: len(keep)]


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
