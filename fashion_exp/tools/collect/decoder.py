"""Detects the format of collected images and inspects them in a process that they may crash."""

from __future__ import annotations

from dataclasses import dataclass

from fashion_exp.data.isolated_decoder import DecodingTimeoutError, IsolatedDecoder
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.tools.collect.rejections import Postponed, Rejected

MAX_MEGAPIXELS = 40.0
MAX_SECONDS = 60.0
"""Wall-clock time for one image; the process itself limits its CPU time."""
THUMBNAIL_SIZE = 200
"""Pixels of the longer side."""
_MAX_THUMBNAIL_BYTES = 1 << 20


_CONTENT_TYPES = {
    ".jpg": ("image/jpeg", "image/jpg", "image/pjpeg"),
    ".png": ("image/png", "image/x-png"),
    ".webp": ("image/webp",),
}
"""The accepted formats by file suffix, with obsolete content types that servers still send."""

ACCEPT = "image/jpeg, image/png, image/webp"
"""Accept header. With `image/*` some servers send formats that we do not accept."""


@dataclass(frozen=True)
class DecodedImage:
    """Properties of an image after its EXIF rotation."""

    width: int
    height: int
    pixels: str
    """SHA-256 of the pixels."""
    thumbnail: bytes = b""
    """JPEG; empty unless requested."""


class Decoder(IsolatedDecoder):
    def decode(self, content: bytes, thumbnail: bool = False) -> DecodedImage:
        """Decodes an image file.

        Raises `Rejected` if the image is broken, too large, or crashes the process, and
        `Postponed` if decoding exceeds the time limit.
        """
        size = THUMBNAIL_SIZE if thumbnail else 0
        try:
            properties, jpeg = self.ask(
                content, MAX_SECONDS, _MAX_THUMBNAIL_BYTES, thumbnail=size,
                max_megapixels=MAX_MEGAPIXELS,
            )  # fmt: skip
            return DecodedImage(
                int(properties["width"]),
                int(properties["height"]),
                str(properties.get("pixels")),
                jpeg,
            )
        except UnreadableImageError as error:
            kind = "too large" if "megapixels" in str(error) else "broken picture"
            raise Rejected(kind, str(error)) from error
        except DecodingTimeoutError as error:
            raise Postponed("too slow", str(error)) from error


def detect_format(content: bytes, content_type: str | None) -> str:
    """The suffix of an image file's format by its first bytes: .jpg, .png or .webp.

    Raises `Rejected` if the format is not accepted or contradicts the content type.
    """
    declared = None
    if content_type is not None:
        declared = content_type.partition(";")[0].strip().casefold() or "nothing"
    if content.startswith(b"\xff\xd8\xff"):
        suffix = ".jpg"
    elif content.startswith(b"\x89PNG\r\n\x1a\n"):
        suffix = ".png"
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        suffix = ".webp"
    else:
        note = f" (sent as {declared})" if declared else ""
        raise Rejected("no picture", f"not a JPEG, PNG or WebP file{note}")
    if declared and declared not in _CONTENT_TYPES[suffix]:
        raise Rejected("wrong type", f"sent as {declared} but is a {suffix} file")
    return suffix
