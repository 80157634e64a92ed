"""Random choices, colors (RGB, 0 to 255) and noise."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from functools import cache
from itertools import accumulate
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Color = NDArray[np.float64]
T = TypeVar("T")

_DYES = np.array([
    (28, 30, 36), (58, 60, 66), (112, 114, 118), (176, 176, 174), (240, 240, 238),
    (236, 226, 204), (206, 182, 148), (170, 128, 84), (104, 70, 50), (24, 36, 74),
    (46, 72, 128), (88, 124, 170), (158, 190, 220), (30, 104, 112), (132, 190, 176),
    (44, 80, 56), (112, 124, 72), (196, 58, 48), (126, 28, 44), (226, 116, 90),
    (238, 184, 188), (206, 92, 132), (122, 74, 128), (188, 168, 208), (214, 162, 52),
    (226, 122, 46),
], dtype=float)  # fmt: skip
"""Colors of clothes."""

_SHEETS = 6
"""Cached noise sheets per kind: a new sheet takes longer than the rest of an image."""


def choose(rng: np.random.Generator, *options: T) -> T:
    """One option, uniformly; ten times as fast as `rng.choice`."""
    return options[int(rng.integers(len(options)))]


def choose_weighted(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    """One key, with a probability proportional to its weight."""
    ends = list(accumulate(weights.values()))
    return list(weights)[bisect(ends, rng.random() * ends[-1], hi=len(ends) - 1)]


def random_color(rng: np.random.Generator) -> Color:
    """A common dye with a small random deviation."""
    return np.clip(_DYES[rng.integers(len(_DYES))] + rng.normal(0, 9, 3), 12, 246)


def contrasting_color(rng: np.random.Generator, other: Color, min_distance: float) -> Color:
    """A color at least `min_distance` from another; the last of six tries if all are closer."""
    for _ in range(6):
        color = random_color(rng)
        if color_distance(color, other) >= min_distance:
            break
    return color


def color_distance(first: Color, second: Color) -> float:
    """Weighted Euclidean distance, 0 to 255; the weights approximate perception."""
    red, green, blue = (first - second).tolist()
    return float((0.3 * red**2 + 0.5 * green**2 + 0.2 * blue**2) ** 0.5)


def smooth_noise(rng: np.random.Generator, cells: int, side: int, stretch: int = 1) -> Floats:
    """Smooth periodic noise (side, side) of about unit variance, read-only.

    It has `cells` independent values from top to bottom and is stretched horizontally.
    """
    sheet = _noise_sheet(cells, side, stretch, int(rng.integers(_SHEETS)))
    x, y = rng.integers(0, side, 2).tolist()
    return sheet[y : y + side, x : x + side]


@cache
def _noise_sheet(cells: int, side: int, stretch: int, number: int) -> Floats:
    """One period of the noise, repeated twice in each direction so that any window fits."""
    rng = np.random.default_rng((cells, stretch, number))
    grid = rng.standard_normal((cells, max(cells // stretch, 2)), dtype=np.float32)
    grid = np.pad(grid, 2, mode="wrap")
    steps = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = steps * (grid.shape[1] - 4) + 1.5, steps * cells + 1.5
    map_x, map_y = np.tile(x, (side, 1)), np.repeat(y[:, None], side, axis=1)
    sheet = np.tile(cv2.remap(grid, map_x, map_y, cv2.INTER_CUBIC) * 1.3, (2, 2))
    sheet.flags.writeable = False
    return sheet
