"""A picture file of any common kind to upright 8-bit RGB, or a short reason why not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fashion_exp.data.table import UnreadableImage

# Pillow warns at 89 megapixels and refuses at twice that, wherever its limit stands; ours is a
# knob, and is held against the header before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_SPOKEN = {"MPO": "JPEG", "WEBP": "WebP"}
_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"RIFF": "WebP",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(source: Path | str | bytes, max_megapixels: float) -> np.ndarray:
    """The picture of a file, or of a file's bytes, as uint8 (height, width, 3) RGB.

    Turned upright by its EXIF orientation, transparency laid on white, 16-bit grey scaled by its
    full range; of an animation the first frame. The content decides the format, not the name.
    Raises `UnreadableImage` with the reason in a few words.
    """
    with _open(source) as image:
        if large := too_large(*image.size, max_megapixels):
            raise UnreadableImage(large)
        kind = _SPOKEN.get(image.format or "", image.format or "picture")
        try:
            image.load()
            return np.array(_rgb(_upright(image)))
        except (MemoryError, UnreadableImage):
            raise
        # A decoder raises whatever its parser stumbles over: OSError, SyntaxError, struct.error …
        except Exception as error:
            raise UnreadableImage(_broken(kind, error)) from error


@dataclass(frozen=True)
class Header:
    """What a picture file says of itself, before a pixel is decoded."""

    kind: str
    """JPEG, PNG, WebP, BMP, GIF or TIFF."""
    mode: str
    """Pillow's: RGB, L, P, CMYK, RGBA, …"""
    width: int
    height: int
    """As stored, px."""
    orientation: int
    """Of EXIF: 1 is upright, 2 to 8 are turned or mirrored."""
    frames: int
    """Of an animation, or pages."""


def header(source: Path | str | bytes) -> Header:
    """Raises `UnreadableImage` where `decode` would for the same cause."""
    with _open(source) as image:
        kind = _SPOKEN.get(image.format or "", image.format or "picture")
        try:
            # a photo of a telephone may carry a second one, which is no animation
            frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        except Exception:  # a broken later frame; the first is what counts
            frames = 1
        return Header(kind, image.mode, *image.size, _orientation(image), frames)


def reason(error: OSError) -> str:
    """Why a file could not be opened, in the words of the operating system."""
    return (error.strerror or str(error)).lower()


def _open(source: Path | str | bytes) -> Image.Image:
    try:
        return Image.open(
            BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS
        )
    except MemoryError:
        raise
    except Exception as error:
        raise UnreadableImage(_not_opened(source, error)) from error


def _not_opened(source: Path | str | bytes, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return reason(error)
    first = _first_bytes(source)
    if not first:
        return "empty file"
    kind = next((kind for start, kind in _SIGNATURES.items() if first.startswith(start)), None)
    if kind is None:
        return "not a JPEG, PNG, WebP, BMP, GIF or TIFF picture"
    # Pillow names only the file when no parser of its own would have it
    return f"broken {kind}" if isinstance(error, UnidentifiedImageError) else _broken(kind, error)


def _first_bytes(source: Path | str | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:12]
    with open(source, "rb") as file:
        return file.read(12)


def _broken(kind: str, error: Exception) -> str:
    said = " ".join(str(error).split()).lower()
    if "truncated" in said:
        return f"truncated {kind}"
    return f"broken {kind} ({said})" if said else f"broken {kind}"


def too_large(width: int, height: int, max_megapixels: float) -> str:
    """Why a picture of so many pixels is not decoded; "" for one that is."""
    megapixels = width * height / 1e6
    if megapixels <= max_megapixels:
        return ""
    return f"{math.ceil(megapixels * 10) / 10:g} megapixels, more than {max_megapixels:g}"


def _upright(image: Image.Image) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        stated = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # broken metadata are no reason to lose a sound picture
        return 1
    return stated if stated in _UPRIGHT else 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _deep_grey(image).convert("RGB")
    if image.mode == "F":
        raise UnreadableImage("floating-point pixels")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    on_white = Image.new("RGBA", image.size, "white")
    on_white.alpha_composite(image.convert("RGBA"))
    return on_white.convert("RGB")


def _deep_grey(image: Image.Image) -> Image.Image:
    """16-bit grey by its high byte, as Pillow itself does for 16-bit colour."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise UnreadableImage("32-bit integer pixels")
    return Image.fromarray((values >> 8).astype(np.uint8))
