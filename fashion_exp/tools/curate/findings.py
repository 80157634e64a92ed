"""What is wrong with a file, or worth a look, by rules that each say what they hold against it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fashion_exp.data.decode import Header, header
from fashion_exp.data.image_files import opened
from fashion_exp.data.table import UnreadableImage
from fashion_exp.tools.curate.duplicates import BLANK
from fashion_exp.tools.curate.image_tree import Place
from fashion_exp.tools.curate.inspection import Look, Sight

ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WebP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
}
USUAL_MODES = frozenset({"RGB", "L"})
PALE = 8.0
"""Largest standard deviation of a channel, of 255, of a picture that shows very little."""
ELONGATED = 3.0
"""Least ratio of the sides of a picture of which a square shows but a part."""

KINDS = {
    "unreadable": "cannot be decoded to the last pixel",
    "oversized": "more pixels than the limit; not decoded",
    "blank": "one colour all over",
    "tiny": "a side shorter than the limit: enlarged, it shows little",
    "elongated": f"one side {ELONGATED:g} times the other or more: cut or padded much",
    "pale": "hardly any contrast",
    "mode": "stored neither as RGB nor as grey: converted, transparency laid on white",
    "ending": "the content is of another kind than the name says; the content counts",
    "animated": "several frames or pages: the first is taken",
    "turned": "turned upright by its EXIF orientation, as other programs may not do",
    "hidden": "a picture whose name has no ending of one: not taken",
}
"""Each kind of finding, and what it means; the graver first."""

LEFT_OUT = frozenset({"unreadable", "oversized", "blank"})
"""Kinds that must not be trained on: they go into quarantine."""


@dataclass(frozen=True)
class Finding:
    place: Place
    kind: str
    detail: str
    """What was found, in a few words: "truncated JPEG"."""

    @property
    def leaves_out(self) -> bool:
        return self.kind in LEFT_OUT


def find(places: Sequence[Place], looks: Sequence[Look], tiny: int) -> list[Finding]:
    """Everything that the rules find, by path; `tiny`: the shortest side that is none, px."""
    return [
        Finding(place, kind, detail)
        for place, look in zip(places, looks, strict=True)
        for kind, detail in _of_file(place, look, tiny)
    ]


def _of_file(place: Place, look: Look, tiny: int) -> Iterator[tuple[str, str]]:
    if look.sight is None:
        yield ("oversized" if "megapixels" in look.reason else "unreadable"), look.reason
    else:
        yield from _of_sight(look.sight, tiny)
    if look.header is not None:
        yield from _of_header(look.header, place.path)


def _of_sight(sight: Sight, tiny: int) -> Iterator[tuple[str, str]]:
    size = f"{sight.width} × {sight.height} px"
    if sight.spread <= BLANK:
        yield "blank", f"blank: all {_hexadecimal(sight.colour)}"
    elif sight.spread <= PALE:
        yield "pale", f"standard deviation {sight.spread:.1f} of 255"
    if min(sight.width, sight.height) < tiny:
        yield "tiny", size
    if max(sight.width, sight.height) >= ELONGATED * min(sight.width, sight.height):
        yield "elongated", size


def _of_header(header: Header, path: str) -> Iterator[tuple[str, str]]:
    ending = os.path.splitext(path)[1]
    if ending.casefold() not in ENDINGS[header.kind]:
        yield "ending", f"{header.kind} named {ending}"
    if header.mode not in USUAL_MODES:
        yield "mode", f"mode {header.mode}"
    if header.frames > 1:
        yield "animated", f"{header.frames} frames"
    if header.orientation != 1:
        yield "turned", f"orientation {header.orientation}"


def _hexadecimal(colour: Sequence[float]) -> str:
    return "#" + "".join(f"{round(channel):02x}" for channel in colour)


def find_hidden(places: Sequence[Place]) -> list[Finding]:
    """Pictures among the files whose names have no ending of one."""
    told = ((place, _hidden(place.file)) for place in places)
    return [Finding(place, "hidden", detail) for place, detail in told if detail]


_NOT_READ = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"avif": "AVIF"}
"""What telephones save, by the brand in their first box."""


def _hidden(file: str) -> str:
    """What kind of picture the file is, "" if none."""
    try:
        with opened(file) as content:
            first = content.read(12)
        brand = _NOT_READ.get(first[8:12]) if first[4:8] == b"ftyp" else None
        if brand is not None:
            return f"{brand} is not read; convert it to JPEG"
        kind = header(file).kind
    except UnreadableImage:
        return ""
    return f"a {kind}; give its name the ending {ENDINGS[kind][0]}"
