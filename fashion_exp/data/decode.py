"""Decoding of image files to upright 8-bit RGB, with a short reason for files that fail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import os_error_reason

# Pillow warns at 89 megapixels and refuses at twice its limit. Ours is an option, and `decode`
# checks it against the header before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
_FORMAT_NAMES = {"MPO": "JPEG", "WEBP": "WebP"}
"""Display names of Pillow's formats where they differ."""
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
    """Decode a file, or the bytes of a file, to uint8 (height, width, 3) RGB.

    The image is turned upright by its EXIF orientation, transparency is laid on white, 16-bit
    grayscale is scaled by its full range, and of an animation the first frame is decoded. The
    content determines the format, not the name. Raises `UnreadableImageError` with a short reason.
    """
    with _open(source) as image:
        if reason := oversize_reason(*image.size, max_megapixels):
            raise UnreadableImageError(reason)
        try:
            image.load()
            return np.array(_to_rgb(_turn_upright(image)))
        except (MemoryError, UnreadableImageError):
            raise
        # Pillow's decoders raise OSError, SyntaxError, struct.error and others.
        except Exception as error:
            raise UnreadableImageError(_broken_reason(_format_name(image), error)) from error


@dataclass(frozen=True)
class ImageHeader:
    """What the header of an image file states."""

    kind: str
    """Format: JPEG, PNG, WebP, BMP, GIF or TIFF."""
    mode: str
    """Pillow's mode: RGB, L, P, CMYK, RGBA, …"""
    width: int
    """As stored, px."""
    height: int
    """As stored, px."""
    orientation: int
    """EXIF orientation: 1 is upright, 2 to 8 are turned or mirrored."""
    frames: int
    """Number of frames of an animation, or of pages."""


def read_header(source: Path | str | bytes) -> ImageHeader:
    """Read the header without decoding pixels; raises `UnreadableImageError` like `decode`."""
    with _open(source) as image:
        try:
            # A phone's photo may contain a second image (MPO), which is not an animation.
            frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        except Exception:  # a later frame is broken; only the first matters
            frames = 1
        name = _format_name(image)
        return ImageHeader(name, image.mode, *image.size, _orientation(image), frames)


def oversize_reason(width: int, height: int, max_megapixels: float) -> str:
    """Why an image of this size exceeds the limit; "" if it does not."""
    megapixels = width * height / 1e6
    if megapixels <= max_megapixels:
        return ""
    return f"{math.ceil(megapixels * 10) / 10:g} megapixels, more than {max_megapixels:g}"


def _open(source: Path | str | bytes) -> Image.Image:
    file = BytesIO(source) if isinstance(source, bytes) else source
    try:
        return Image.open(file, formats=_FORMATS)
    except MemoryError:
        raise
    except Exception as error:
        raise UnreadableImageError(_open_error_reason(source, error)) from error


def _open_error_reason(source: Path | str | bytes, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os_error_reason(error)
    start = _first_bytes(source)
    if not start:
        return "empty file"
    name = next((name for magic, name in _SIGNATURES.items() if start.startswith(magic)), None)
    if name is None:
        return "not a JPEG, PNG, WebP, BMP, GIF or TIFF image"
    # The message of UnidentifiedImageError has only the file name.
    if isinstance(error, UnidentifiedImageError):
        return f"broken {name}"
    return _broken_reason(name, error)


def _first_bytes(source: Path | str | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:12]
    with open(source, "rb") as file:
        return file.read(12)


def _broken_reason(format_name: str, error: Exception) -> str:
    message = " ".join(str(error).split()).lower()
    if "truncated" in message:
        return f"truncated {format_name}"
    return f"broken {format_name} ({message})" if message else f"broken {format_name}"


def _format_name(image: Image.Image) -> str:
    return _FORMAT_NAMES.get(image.format or "", image.format or "image")


def _turn_upright(image: Image.Image) -> Image.Image:
    transposition = _UPRIGHT.get(_orientation(image))
    return image if transposition is None else image.transpose(transposition)


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # an intact image may have broken metadata
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _scale_16_bit(image).convert("RGB")
    if image.mode == "F":
        raise UnreadableImageError("floating-point pixels")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    on_white = Image.new("RGBA", image.size, "white")
    on_white.alpha_composite(image.convert("RGBA"))
    return on_white.convert("RGB")


def _scale_16_bit(image: Image.Image) -> Image.Image:
    """16-bit grayscale as its high byte, as Pillow converts 16-bit color."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise UnreadableImageError("32-bit integer pixels")
    return Image.fromarray((values >> 8).astype(np.uint8))
