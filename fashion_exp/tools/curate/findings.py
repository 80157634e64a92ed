"""Rules that find damaged or unusual image files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fashion_exp.data.decode import ImageHeader, read_header
from fashion_exp.data.image_files import open_regular_file
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.tools.curate.duplicates import MAX_BLANK_STD
from fashion_exp.tools.curate.image_tree import ImageFile
from fashion_exp.tools.curate.inspection import ImageInspection, PixelStats

EXTENSIONS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WebP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
}
USUAL_MODES = frozenset({"RGB", "L"})
MAX_PALE_STD = 8.0
"""Largest standard deviation of a channel, of 255, of an image with very low contrast."""
MIN_ELONGATED_RATIO = 3.0
"""Aspect ratio from which a square crop shows only a small part of the image."""

KINDS = {
    "unreadable": "the image cannot be decoded completely",
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
    "hidden": "the file is an image without an image extension; it is ignored",
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
    files: Sequence[ImageFile], inspections: Sequence[ImageInspection], min_side: int
) -> list[Finding]:
    """Findings in the order of the files; a side below `min_side` px makes an image tiny."""
    return [
        Finding(file, kind, detail)
        for file, inspection in zip(files, inspections, strict=True)
        for kind, detail in _check_file(file.path, inspection, min_side)
    ]


def _check_file(path: str, inspection: ImageInspection, min_side: int) -> Iterator[tuple[str, str]]:
    if inspection.stats is None:
        yield ("oversized" if inspection.is_oversized else "unreadable"), inspection.reason
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
        yield "ending", f"{head.kind} named {extension}"
    if head.mode not in USUAL_MODES:
        yield "mode", f"mode {head.mode}"
    if head.frames > 1:
        yield "animated", f"{head.frames} frames"
    if head.orientation != 1:
        yield "turned", f"orientation {head.orientation}"


def find_hidden_images(files: Sequence[ImageFile]) -> list[Finding]:
    """Images among files without an image extension."""
    details = ((file, _hidden_image(file.real_path)) for file in files)
    return [Finding(file, "hidden", detail) for file, detail in details if detail]


_UNSUPPORTED_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"avif": "AVIF"}
"""Formats of phone cameras, by the brand in the first ISO-BMFF box."""


def _hidden_image(path: str) -> str:
    """Format of the image and what to do with it; "" if the file is no image."""
    try:
        with open_regular_file(path) as file:
            start = file.read(12)
        brand = _UNSUPPORTED_BRANDS.get(start[8:12]) if start[4:8] == b"ftyp" else None
        if brand is not None:
            return f"{brand} is not supported; convert it to JPEG"
        kind = read_header(path).kind
    except UnreadableImageError:
        return ""
    return f"{kind} content; add the extension {EXTENSIONS[kind][0]}"
