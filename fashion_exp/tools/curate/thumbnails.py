"""Small pictures of photos for a page, of what can be read."""

from __future__ import annotations

import io
import time

from PIL import Image

from fashion_exp.data.decode import decode
from fashion_exp.data.table import UnreadableImage
from fashion_exp.reporting.report_content import Photo
from fashion_exp.tools.curate.image_tree import Place
from fashion_exp.tools.curate.inspection import read_content

_EDGE = 160
"""Of the longer side, px."""

MOST_PHOTOS = 400
"""On one page, so that it is soon made and a browser can open it."""


def photo(place: Place, caption: str, max_megapixels: float) -> Photo:
    label = place.label or "no class"
    return Photo(_small(place.file, max_megapixels), place.path, label, caption)


def swatch(colour: tuple[int, int, int], label: str, caption: str) -> Photo:
    """A colour as a picture."""
    return Photo(_jpeg(Image.new("RGB", (16, 16), colour)), "", label, caption)


def _small(file: str, max_megapixels: float) -> bytes | None:
    try:
        picture = Image.fromarray(decode(read_content(file), max_megapixels))
    except UnreadableImage:
        return None
    picture.thumbnail((_EDGE, _EDGE))
    return _jpeg(picture)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=80)
    return buffer.getvalue()


def now() -> str:
    return time.strftime("%Y-%m-%d %H:%M")
