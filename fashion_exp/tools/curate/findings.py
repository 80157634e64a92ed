"""Rules that find damaged or unusual image files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fashion_exp.data.decode import ImageHeader, read_header
from fashion_exp.data.image_formats import EXTENSIONS
from fashion_exp.data.regular_files import open_regular_file
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.inspection.duplicates import MAX_BLANK_STD
from fashion_exp.inspection.image import ImageInspection, PixelStats
from fashion_exp.inspection.image_tree import ImageFile

USUAL_MODES = frozenset({"RGB", "L"})
MAX_PALE_STD = 8.0
"""Largest standard deviation of a channel, of 255, of an image with very low contrast."""
MIN_ELONGATED_RATIO = 3.0
"""Aspect ratio from which a square crop shows only a small part of the image."""

KINDS = {
    "unreadable": "the image cannot be decoded completely",
    "decoder": "the image needs a package that is not installed; runs leave it out and count it",
    "oversized": "the image has more pixels than the limit and was not decoded",
    "blank": "the whole image has one color",
    "tiny": "a side is shorter than the limit; enlarging adds no detail",
    "elongated": f"one side is {MIN_ELONGATED_RATIO:g} times the other or more; "
    "much is cropped or padded",
    "pale": "the image has very low contrast",
    "mode": "the image is neither RGB nor gray; it is converted, and transparency becomes white",
    "ending": "the extension contradicts the content; the content decides the format",
    "animated": "the file has several frames or pages; the first is used",
    "turned": "the EXIF orientation rotates the image; other programs may ignore it",
    "hidden": "the file is an image with the extension of another kind of file; it is ignored",
}
"""Kinds of findings with their meaning, most serious first."""

QUARANTINED_KINDS = frozenset({"unreadable", "oversized", "blank"})
"""Kinds of findings whose files must not be used for training."""


@dataclass(frozen=True)
class Finding:
    file: ImageFile
    kind: str
    detail: str
    """For example "truncated JPEG"."""

    @property
    def is_quarantined(self) -> bool:
        return self.kind in QUARANTINED_KINDS


def find_problems(
    files: Sequence[ImageFile], inspections: Iterable[tuple[int, ImageInspection]], min_side: int
) -> list[Finding]:
    """Findings in the order of the files; a side below `min_side` px makes an image tiny.

    `inspections`: (position in `files`, inspection) in any order; none is kept.
    """
    problems = [
        (position, Finding(files[position], kind, detail))
        for position, inspection in inspections
        for kind, detail in _check_file(files[position].path, inspection, min_side)
    ]
    problems.sort(key=lambda problem: problem[0])
    return [finding for _, finding in problems]


def _check_file(path: str, inspection: ImageInspection, min_side: int) -> Iterator[tuple[str, str]]:
    if inspection.is_oversized:
        yield "oversized", inspection.reason
    elif inspection.stats is None:
        yield ("decoder" if inspection.is_temporary else "unreadable"), inspection.reason
    else:
        yield from _check_pixels(inspection.stats, min_side)
    if inspection.header is not None:
        yield from _check_header(inspection.header, path)


def _check_pixels(stats: PixelStats, min_side: int) -> Iterator[tuple[str, str]]:
    size = f"{stats.width} × {stats.height} px"
    if stats.max_std <= MAX_BLANK_STD:
        color = "".join(f"{round(channel):02x}" for channel in stats.mean_rgb)
        yield "blank", f"blank: all #{color}"
    elif stats.max_std <= MAX_PALE_STD:
        yield "pale", f"standard deviation {stats.max_std:.1f} of 255"
    short, long = sorted((stats.width, stats.height))
    if short < min_side:
        yield "tiny", size
    if long >= MIN_ELONGATED_RATIO * short:
        yield "elongated", size


def _check_header(head: ImageHeader, path: str) -> Iterator[tuple[str, str]]:
    extension = os.path.splitext(path)[1]
    if extension.casefold() not in EXTENSIONS[head.kind]:
        name = f"named {extension}" if extension else "without an extension"
        yield "ending", f"{head.kind} {name}"
    if head.mode not in USUAL_MODES:
        yield "mode", f"mode {head.mode}"
    if head.frames > 1:
        yield "animated", f"{head.frames} frames"
    if head.orientation != 1:
        yield "turned", f"orientation {head.orientation}"


def find_hidden_images(files: Sequence[ImageFile]) -> list[Finding]:
    """Images among the files that are none by their extension."""
    kinds = ((file, _image_format(file.real_path)) for file in files)
    return [
        Finding(file, "hidden", f"{kind} content; add the extension {EXTENSIONS[kind][0]}")
        for file, kind in kinds
        if kind
    ]


def _image_format(path: str) -> str:
    """The format of an image; "" if the file is none."""
    try:
        with open_regular_file(path) as file:
            return read_header(file).kind
    except UnreadableImageError:
        return ""
