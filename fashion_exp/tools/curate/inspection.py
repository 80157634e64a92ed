"""One look at a picture file: everything that checking, grouping and telling want to know of it."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageStat

from fashion_exp.data.decode import Header, decode, header
from fashion_exp.data.image_files import image_id, opened
from fashion_exp.data.table import UnreadableImage

VERSION = 1
"""Of what a look holds and how it is computed; looks kept under another are not used."""

EDGE = 32
"""Of the small grey picture that is hashed and compared, px: four times the frequencies kept."""


@dataclass(frozen=True)
class Sight:
    """What the decoded pixels are."""

    width: int
    height: int
    """Upright, px."""
    pixels: str
    """Hash of the upright RGB pixels: the same for the same picture in another file."""
    phash: int
    """64 bits: which of the lowest frequencies of the grey picture lie above their median."""
    mirrored: int
    """The same of its mirror image."""
    grey: str
    """The picture stretched to `EDGE` × `EDGE`, 8-bit luma (ITU-R 601-2), in base 64."""
    colour: tuple[float, float, float]
    """Mean red, green, blue, of 255."""
    spread: float
    """Largest standard deviation of a channel over all pixels, of 255."""

    @property
    def small(self) -> np.ndarray:
        """`grey` as uint8 (EDGE, EDGE)."""
        return np.frombuffer(b64decode(self.grey), np.uint8).reshape(EDGE, EDGE)

    @property
    def brightness(self) -> float:
        """Mean luma, of 255."""
        return float(self.small.mean())


@dataclass(frozen=True)
class Look:
    """A file as it was found; its content decides all of it."""

    image_id: str
    """As in the image table; "" where the file cannot be opened."""
    bytes: int
    header: Header | None
    sight: Sight | None
    """None where `reason` says why."""
    reason: str = ""
    """Why it cannot be decoded, or may not."""

    def kept(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self)


def look_of(kept: dict[str, Any]) -> Look:
    """The look that `Look.kept` was made from."""
    head, sight = kept["header"], kept["sight"]
    seen = sight and Sight(**(sight | {"colour": tuple(sight["colour"])}))
    return Look(**(kept | {"header": head and Header(**head), "sight": seen}))


def read_content(file: str) -> bytes:
    """Raises `UnreadableImage` for what is no regular file, or empty."""
    with opened(file) as content:
        return content.read()


def look_at(content: bytes, max_megapixels: float) -> Look:
    """The look at a file's bytes; all pixels are decoded, of an animation those of the first."""
    name, size, head = image_id(BytesIO(content)), len(content), None
    try:
        head = header(content)
        return Look(name, size, head, _sight(decode(content, max_megapixels)))
    except UnreadableImage as error:
        return Look(name, size, head, None, str(error))


def _sight(picture: np.ndarray) -> Sight:
    image = Image.fromarray(picture)
    grey = image.convert("L").resize((EDGE, EDGE), Image.Resampling.LANCZOS)
    told = ImageStat.Stat(image)
    red, green, blue = (round(mean, 2) for mean in told.mean)
    return Sight(
        width=image.width,
        height=image.height,
        pixels=hashlib.sha256(repr(picture.shape).encode() + picture.data).hexdigest()[:16],
        phash=_phash(grey),
        mirrored=_phash(grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        grey=b64encode(grey.tobytes()).decode(),
        colour=(red, green, blue),
        spread=round(max(told.stddev), 3),
    )


def _phash(grey: Image.Image) -> int:
    from imagehash import phash

    return int.from_bytes(np.packbits(phash(grey).hash).tobytes(), "big")
