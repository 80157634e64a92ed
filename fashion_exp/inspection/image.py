"""Inspection of one image file: everything that the check, duplicates and summary need."""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from fashion_exp.data.decode import BinaryFile, ImageHeader, decode, oversize_reason, read_header
from fashion_exp.data.image_files import content_id
from fashion_exp.data.table import SourceUnavailableError, UnreadableImageError

VERSION = 3
"""Version of an inspection's content and algorithms; cached inspections of others are ignored."""

EDGE = 32
"""Edge of the small gray image for hashes and comparison, px: four times the hash's frequencies."""

_STORED_NAMES = {
    "pixel_hash": "pixels", "mirrored_phash": "mirrored", "gray_base64": "grey",
    "mean_rgb": "colour", "max_std": "spread",
}  # fmt: skip
"""Keys of the cached JSON that differ from the field names of `PixelStats`."""


@dataclass(frozen=True)
class PixelStats:
    """Statistics of the decoded pixels; intensities are 0 to 255."""

    width: int
    height: int
    """After EXIF rotation, px."""
    pixel_hash: str
    """Hash of the rotated RGB pixels; independent of file format."""
    phash: int
    """64-bit perceptual hash: which of the lowest DCT frequencies exceed their median."""
    mirrored_phash: int
    """`phash` of the mirrored image."""
    gray_base64: str
    """`gray` as base64."""
    mean_rgb: tuple[float, float, float]
    max_std: float
    """Largest standard deviation of a channel over all pixels."""

    @property
    def gray(self) -> np.ndarray:
        """The image resized to uint8 (EDGE, EDGE), luma of ITU-R 601-2."""
        return np.frombuffer(b64decode(self.gray_base64), np.uint8).reshape(EDGE, EDGE)

    @property
    def brightness(self) -> float:
        """Mean luma."""
        return float(self.gray.mean())


@dataclass(frozen=True)
class ImageInspection:
    """Result of inspecting a file; depends only on its content and the megapixel limit."""

    image_id: str
    """As in the image table; "" if the file cannot be opened."""
    size_bytes: int
    header: ImageHeader | None
    stats: PixelStats | None
    """None if the image was not decoded; `reason` says why."""
    reason: str = ""
    is_oversized: bool = False
    """Whether the image exceeds the megapixel limit."""
    is_temporary: bool = False
    """Whether the image can be inspected after a package is installed."""

    def to_json(self) -> dict[str, Any]:
        stats = self.stats and {
            _STORED_NAMES.get(name, name): value for name, value in asdict(self.stats).items()
        }
        return {
            "image_id": self.image_id,
            "bytes": self.size_bytes,
            "header": self.header and asdict(self.header),
            "sight": stats,
            "reason": self.reason,
        }


def inspection_from_json(saved: dict[str, Any]) -> ImageInspection:
    """Inverse of `ImageInspection.to_json`."""
    stats = None
    if saved["sight"]:
        names = {stored: name for name, stored in _STORED_NAMES.items()}
        fields = {names.get(name, name): value for name, value in saved["sight"].items()}
        stats = PixelStats(**fields | {"mean_rgb": tuple(fields["mean_rgb"])})
    head = saved["header"] and ImageHeader(**saved["header"])
    return ImageInspection(saved["image_id"], saved["bytes"], head, stats, saved["reason"])


def inspect_image(content: BinaryFile, max_megapixels: float) -> ImageInspection:
    """Inspects an open file; decodes all pixels, of an animation those of the first frame."""
    name, size, head = content_id(content), content.seek(0, os.SEEK_END), None
    try:
        head = read_header(content)
        if message := oversize_reason(head.width, head.height, max_megapixels):
            return ImageInspection(name, size, head, None, message, is_oversized=True)
        return ImageInspection(name, size, head, _pixel_stats(decode(content, max_megapixels)))
    except UnreadableImageError as error:
        is_temporary = isinstance(error, SourceUnavailableError)
        return ImageInspection(name, size, head, None, str(error), is_temporary=is_temporary)


def _pixel_stats(pixels: np.ndarray) -> PixelStats:
    image = Image.fromarray(pixels)
    gray = image.convert("L").resize((EDGE, EDGE), Image.Resampling.LANCZOS)
    means, deviations = _channel_stats(image)
    red, green, blue = (round(mean, 2) for mean in means)
    return PixelStats(
        width=image.width,
        height=image.height,
        pixel_hash=hashlib.sha256(repr(pixels.shape).encode() + pixels.data).hexdigest()[:16],
        phash=_phash(gray),
        mirrored_phash=_phash(gray.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        gray_base64=b64encode(gray.tobytes()).decode(),
        mean_rgb=(red, green, blue),
        max_std=round(max(deviations), 3),
    )


def _channel_stats(image: Image.Image) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel, as PIL.ImageStat's without its slow loops."""
    counts = np.array(image.histogram(), np.int64).reshape(-1, 256)
    levels, pixels = np.arange(256), image.width * image.height
    means = counts @ levels / pixels
    variances = (counts @ levels**2 - (counts @ levels) ** 2.0 / pixels) / pixels
    return means.tolist(), np.sqrt(variances.clip(0)).tolist()


def _phash(gray: Image.Image) -> int:
    from imagehash import phash

    return int.from_bytes(np.packbits(phash(gray).hash).tobytes(), "big")
