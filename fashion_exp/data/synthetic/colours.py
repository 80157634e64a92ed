"""Colours (RGB, 0 to 255) that clothes are really dyed in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Colour = NDArray[np.float64]

_DYES = np.array([
    (28, 30, 36), (58, 60, 66), (112, 114, 118), (176, 176, 174), (240, 240, 238),
    (236, 226, 204), (206, 182, 148), (170, 128, 84), (104, 70, 50), (24, 36, 74),
    (46, 72, 128), (88, 124, 170), (158, 190, 220), (30, 104, 112), (132, 190, 176),
    (44, 80, 56), (112, 124, 72), (196, 58, 48), (126, 28, 44), (226, 116, 90),
    (238, 184, 188), (206, 92, 132), (122, 74, 128), (188, 168, 208), (214, 162, 52),
    (226, 122, 46),
], dtype=float)  # fmt: skip


def dye(rng: np.random.Generator) -> Colour:
    """One colour off the rack, a little off its name."""
    return np.clip(_DYES[rng.integers(len(_DYES))] + rng.normal(0, 9, 3), 12, 246)


def dye_unlike(rng: np.random.Generator, other: Colour, least: float) -> Colour:
    """A colour with at least that contrast to another, if a few tries find one."""
    for _ in range(6):
        colour = dye(rng)
        if contrast(colour, other) >= least:
            break
    return colour


def contrast(one: Colour, other: Colour) -> float:
    """How far apart two colours look: a weighted distance from 0 to 255."""
    red, green, blue = (one - other).tolist()
    return float((0.3 * red**2 + 0.5 * green**2 + 0.2 * blue**2) ** 0.5)
