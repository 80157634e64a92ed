"""Decoding of image files to upright 8-bit RGB, with a short reason for files that fail."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import OPEN_INFO, TiffImageFile

from fashion_exp.data.image_formats import READABLE_FORMATS, SNIFFED_BYTES, identify
from fashion_exp.data.regular_files import open_regular_file
from fashion_exp.data.table import SourceUnavailableError, UnreadableImageError
from fashion_exp.errors import os_error_reason

OPTIONAL_DECODERS: tuple[str, ...] = ()
"""Installed packages that add formats to Pillow."""

with suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()
    OPTIONAL_DECODERS = ("pillow-heif",)

# Pillow warns at 89 megapixels and refuses at twice its limit. Ours is an option, and `decode`
# checks it against the header before any pixel is decoded.
Image.MAX_IMAGE_PIXELS = None

# Pillow has this kind of TIFF only with the other byte order: 16-bit gray with 0 as white.
OPEN_INFO.setdefault((b"MM", 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))

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


BinaryFile = BufferedReader | BytesIO
ImageSource = Path | str | bytes | BinaryFile
"""A file, its content, or the open file."""


def decode(source: ImageSource, max_megapixels: float) -> np.ndarray:
    """Decode an image file to uint8 (height, width, 3) RGB.

    The image is turned upright by its EXIF orientation, transparency is laid on white, 16-bit
    grayscale is scaled by its full range, and of an animation the first frame is decoded. The
    content determines the format, not the name. Raises `UnreadableImageError` with a short reason.
    """
    with _open(source) as image:
        if reason := oversize_reason(*image.size, max_megapixels):
            raise UnreadableImageError(reason)
        try:
            image.load()
            rgb = _to_rgb(image)
            transposition = _UPRIGHT.get(_orientation(image))
            return np.array(rgb if transposition is None else rgb.transpose(transposition))
        except (MemoryError, UnreadableImageError):
            raise
        # Pillow's decoders raise OSError, SyntaxError, struct.error and others.
        except Exception as error:
            raise _decoding_error(_format_name(image), error) from error


@dataclass(frozen=True)
class ImageHeader:
    """What the header of an image file states."""

    kind: str
    """Format, a key of `READABLE_FORMATS`."""
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
    quality: float | None = None
    """Of a JPEG, on libjpeg's scale of 1 to 100, by its table for luminance; else None."""


LUMINANCE_SUM = 3688
"""Of the table of the JPEG standard (ITU-T T.81, table K.1), which libjpeg has at quality 50."""


def _jpeg_quality(image: Image.Image) -> float | None:
    """Inverts how libjpeg scales the standard's table; about right for the tables of others."""
    tables = getattr(image, "quantization", None)
    if not tables:
        return None
    percent = max(100 * sum(next(iter(tables.values()))) / LUMINANCE_SUM, 1e-6)
    return round((200 - percent) / 2 if percent <= 100 else 5000 / percent, 1)


def read_header(source: ImageSource) -> ImageHeader:
    """Read the header without decoding pixels; raises `UnreadableImageError` like `decode`."""
    with _open(source) as image:
        try:
            # A phone's photo may contain a second image (MPO), which is not an animation.
            frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        except Exception:  # a later frame is broken; only the first matters
            frames = 1
        name = _format_name(image)
        return ImageHeader(name, image.mode, *image.size, _orientation(image), frames,
                           _jpeg_quality(image))  # fmt: skip


def oversize_reason(width: int, height: int, max_megapixels: float) -> str:
    """Why an image of this size exceeds the limit; "" if it does not."""
    megapixels = width * height / 1e6
    if megapixels <= max_megapixels:
        return ""
    return f"{math.ceil(megapixels * 10) / 10:g} megapixels, more than {max_megapixels:g}"


@contextmanager
def _open(source: ImageSource) -> Iterator[Image.Image]:
    with _binary_file(source) as file:
        start = file.read(SNIFFED_BYTES)
        kind = identify(start)
        if reason := _missing_decoder(kind):
            raise reason
        if kind == "TIFF":
            # Given a file, libtiff maps it; the process would crash if the file were truncated.
            file = BytesIO(start + file.read())
        try:
            # Given a path, Pillow maps uncompressed files, and turned ones wrongly.
            image = Image.open(file, formats=_pillow_formats())
            is_preview = _is_preview(image)
        except MemoryError:
            raise
        except Exception as error:
            raise _open_error(start, kind, error) from error
        with image:
            if is_preview:
                raise UnreadableImageError(_unsupported_reason("camera raw"))
            yield image


def _binary_file(source: ImageSource) -> AbstractContextManager[BinaryFile]:
    """The file at its start."""
    if isinstance(source, bytes):
        return BytesIO(source)
    if isinstance(source, Path | str):
        return open_regular_file(source)
    source.seek(0)
    return nullcontext(source)


@cache
def _pillow_formats() -> tuple[str, ...]:
    """The formats that this installation can read, by Pillow's names."""
    Image.init()
    return tuple(name for name in READABLE_FORMATS.values() if name in Image.OPEN)


def _missing_decoder(kind: str) -> UnreadableImageError | None:
    """The error of an image of a format that cannot be read; None for any other file."""
    if not kind or READABLE_FORMATS.get(kind) in _pillow_formats():
        return None
    if kind in READABLE_FORMATS:
        package = "the package pillow-heif" if kind == "HEIC" else "a newer Pillow"
        return SourceUnavailableError(
            f"{kind} needs {package}; install it, or convert the image to JPEG"
        )
    return UnreadableImageError(_unsupported_reason(kind))


def _unsupported_reason(kind: str) -> str:
    return f"{kind} is not supported; convert the image to JPEG"


def _is_preview(image: Image.Image) -> bool:
    """Whether a TIFF has a small preview before the full image, as raw files of cameras have."""
    if not isinstance(image, TiffImageFile):
        return False
    kind, pages_below = 0x00FE, 0x014A
    return bool(image.tag_v2.get(kind, 0) & 1) and pages_below in image.tag_v2


def _open_error(start: bytes, kind: str, error: Exception) -> UnreadableImageError:
    if isinstance(error, OSError) and error.errno:
        return SourceUnavailableError(os_error_reason(error))
    if not start:
        return UnreadableImageError("empty file")
    if not kind:
        return UnreadableImageError("not a JPEG, PNG, WebP, BMP, GIF or TIFF image")
    # The message of UnidentifiedImageError has only the file name.
    if isinstance(error, UnidentifiedImageError):
        return UnreadableImageError(f"broken {kind}")
    return _decoding_error(kind, error)


def _decoding_error(kind: str, error: Exception) -> UnreadableImageError:
    if isinstance(error, OSError) and error.errno:
        return SourceUnavailableError(os_error_reason(error))
    message = " ".join(str(error).split()).lower()
    if "truncated" in message:
        return UnreadableImageError(f"truncated {kind}")
    return UnreadableImageError(f"broken {kind} ({message})" if message else f"broken {kind}")


def _format_name(image: Image.Image) -> str:
    """The format as in `READABLE_FORMATS`."""
    if image.format == "MPO":  # a phone's photo with a second image
        return "JPEG"
    names = {pillow_name: name for name, pillow_name in READABLE_FORMATS.items()}
    return names.get(image.format or "", image.format or "image")


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
    high = (values >> (_stored_bits(image) - 8)).astype(np.uint8)
    return Image.fromarray(255 - high if _is_white_zero(image) else high)


def _stored_bits(image: Image.Image) -> int:
    """16, or 12 for a TIFF of 12 bits, whose values Pillow does not scale."""
    bits_per_sample = 0x0102
    is_12_bit = isinstance(image, TiffImageFile) and image.tag_v2.get(bits_per_sample) == (12,)
    return 12 if is_12_bit else 16


def _is_white_zero(image: Image.Image) -> bool:
    """Whether 0 is white in a TIFF; Pillow inverts such images of up to 8 bits only."""
    photometric_interpretation = 0x0106
    return isinstance(image, TiffImageFile) and image.tag_v2.get(photometric_interpretation) == 0
