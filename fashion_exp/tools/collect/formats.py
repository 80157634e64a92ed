"""The kinds of pictures that are taken: by their first bytes, their names and their endings."""

from __future__ import annotations

from dataclasses import dataclass

from fashion_exp.tools.collect.rejections import Rejected


@dataclass(frozen=True)
class Format:
    name: str
    ending: str
    types: frozenset[str]
    """Content types, the registered one and old ones that servers still send."""

    def starts(self, content: bytes) -> bool:
        if self.name == "WebP":
            return content[:4] == b"RIFF" and content[8:12] == b"WEBP"
        return content.startswith(_MAGIC[self.name])


_MAGIC = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n"}

FORMATS = (
    Format("JPEG", ".jpg", frozenset({"image/jpeg", "image/jpg", "image/pjpeg"})),
    Format("PNG", ".png", frozenset({"image/png", "image/x-png"})),
    Format("WebP", ".webp", frozenset({"image/webp"})),
)

ACCEPT = "image/jpeg, image/png, image/webp"
"""Asked for by name: to `image/*` some servers answer with kinds that are not taken."""


def format_of(content: bytes, content_type: str | None) -> Format:
    """The kind of a picture by its bytes, with which the content type, if any, must agree.

    Raises `Rejected` if it is of no kind that is taken, or another than the server says.
    """
    found = next((kind for kind in FORMATS if kind.starts(content)), None)
    told = None if content_type is None else content_type.partition(";")[0].strip().casefold()
    if found is None:
        what = "" if told is None else f" (sent as {told or 'nothing'})"
        names = ", ".join(kind.name for kind in FORMATS)
        raise Rejected("no picture", f"its first bytes are of none of {names}{what}")
    if told is not None and told not in found.types:
        raise Rejected("wrong type", f"sent as {told or 'nothing'}, but it is {found.name}")
    return found
