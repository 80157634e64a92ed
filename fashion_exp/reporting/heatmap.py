"""Pictures of what a network looked at: a photo beside the maps that lie over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fashion_exp.reporting.contact_sheets import contact_sheet

if TYPE_CHECKING:
    from PIL import Image

MIN_EDGE = 224
"""Small images are enlarged to at least this many px, so that single cells of a map
are visible."""
_COLORS = "inferno"
_OPACITY = 0.65
"""Of the color where the map is highest; it is transparent where the map is 0 or negative."""


def overlay(image: np.ndarray, contributions: np.ndarray) -> Image.Image:
    """The image with its highest contributions in bright colors, those of 0 or less left as is.

    `image` is uint8 (h, w, 1 or 3); `contributions` (rows, columns) cover the whole image.
    """
    from matplotlib import colormaps
    from PIL import Image

    photo = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")
    factor = max(1, -(-MIN_EDGE // min(photo.size)))
    photo = photo.resize((photo.width * factor, photo.height * factor), Image.Resampling.NEAREST)
    positive = contributions.clip(min=0) / max(float(contributions.max()), 1e-12)
    cells = Image.fromarray((255 * positive).round().astype(np.uint8))
    smooth = np.asarray(cells.resize(photo.size, Image.Resampling.BICUBIC)) / 255
    colors = 255 * colormaps[_COLORS](smooth)[..., :3]
    opacity = _OPACITY * smooth[..., None]
    blended = (1 - opacity) * np.asarray(photo) + opacity * colors
    return Image.fromarray(blended.round().astype(np.uint8))


def side_by_side(
    image: np.ndarray, caption: str, maps: Mapping[str, np.ndarray], title: str
) -> Image.Image:
    """The image with its caption, and beside it each map over the image, by the map's caption."""
    photo = image[..., 0] if image.shape[2] == 1 else image
    pictures = [photo, *(np.asarray(overlay(image, values)) for values in maps.values())]
    return contact_sheet(pictures, [caption, *maps], len(pictures), title)
