"""Cloth by the metre: colours, patterns and weaves, as tiles that repeat without a seam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

TILE = 128
"""Side of a tile in pixels, whatever the picture's size: one repeat of the pattern."""

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Colour = NDArray[np.float64]
T = TypeVar("T")

DYES = np.array([
    (28, 30, 36), (58, 60, 66), (112, 114, 118), (176, 176, 174), (240, 240, 238),
    (236, 226, 204), (206, 182, 148), (170, 128, 84), (104, 70, 50), (24, 36, 74),
    (46, 72, 128), (88, 124, 170), (158, 190, 220), (30, 104, 112), (132, 190, 176),
    (44, 80, 56), (112, 124, 72), (196, 58, 48), (126, 28, 44), (226, 116, 90),
    (238, 184, 188), (206, 92, 132), (122, 74, 128), (188, 168, 208), (214, 162, 52),
    (226, 122, 46),
], dtype=float)  # fmt: skip
"""Colours that clothes are really dyed in (RGB, 0 to 255)."""


@dataclass(frozen=True)
class Fabric:
    """A tile (TILE x TILE RGB), the side of one repeat in garment units, and the trim's colour."""

    tile: Pixels
    repeat: float
    trim: Colour
    thread: Colour


def dye(rng: np.random.Generator) -> Colour:
    """One colour off the rack, a little off its name."""
    return np.clip(DYES[rng.integers(len(DYES))] + rng.normal(0, 9, 3), 12, 246)


def contrast(one: Colour, other: Colour) -> float:
    """How far apart two colours look: a weighted RGB distance (0 to about 255)."""
    return float(np.sqrt(((one - other) ** 2 * (0.3, 0.5, 0.2)).sum()))


def dye_unlike(rng: np.random.Generator, other: Colour, least: float) -> Colour:
    """A colour at least that far from another, if a few tries find one."""
    for _ in range(6):
        colour = dye(rng)
        if contrast(colour, other) >= least:
            break
    return colour


def soft_noise(rng: np.random.Generator, cells: int, side: int, wide: int = 1) -> Floats:
    """Smooth noise of about unit variance on side x side pixels, without a seam at the edges.

    `wide` stretches it sideways. One of a few stored sheets, shifted: drawing each anew would
    cost more than all the rest of a picture.
    """
    sheet = _noise_sheet(cells, side, wide, int(rng.integers(6)))
    x, y = rng.integers(0, side, 2).tolist()
    return sheet[y : y + side, x : x + side]


@cache
def _noise_sheet(cells: int, side: int, wide: int, variant: int) -> Floats:
    rng = np.random.default_rng((cells, wide, variant))
    grid = rng.standard_normal((cells, max(cells // wide, 2)), dtype=np.float32)
    grid = np.pad(grid, 2, mode="wrap")
    steps = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = steps * (grid.shape[1] - 4) + 1.5, steps * cells + 1.5
    at_x, at_y = np.tile(x, (side, 1)), np.repeat(y[:, None], side, 1)
    sheet = np.tile(cv2.remap(grid, at_x, at_y, cv2.INTER_CUBIC) * np.float32(1.3), (2, 2))
    sheet.flags.writeable = False
    return sheet


def weave(rng: np.random.Generator, texture: str) -> Fabric:
    """Cloth of a random colour and pattern in the given texture."""
    ground = dye(rng)
    quiet = one_of(rng, 0.0, 0.0, 0.4, 0.65)
    others = [dye_unlike(rng, ground, least) * (1 - quiet) + ground * quiet for least in (45, 30)]
    colours = [ground, *others]
    names, weights = zip(*_PATTERN_WEIGHTS.items(), strict=True)
    pattern = names[int(np.searchsorted(np.cumsum(weights), rng.random() * sum(weights)))]
    tile = PATTERNS[pattern](rng, colours)
    relief = TEXTURES[texture](rng).astype(np.float32, copy=False)
    trim = ground if rng.random() < 0.8 else colours[1]
    dark = ground.mean() < 90
    thread = np.clip(ground * (1.4 if dark else 0.5) + (70 if dark else 0), 0, 250)
    return Fabric(
        tile=cv2.multiply(tile, cv2.cvtColor(relief, cv2.COLOR_GRAY2RGB), dtype=cv2.CV_8U),
        repeat=float(rng.uniform(0.55, 0.95)),
        trim=trim,
        thread=thread if rng.random() < 0.75 else colours[1],
    )


def one_of(rng: np.random.Generator, *choices: T) -> T:
    """One of the choices, evenly (`rng.choice` takes ten times as long)."""
    return choices[int(rng.integers(len(choices)))]


def _solid(colour: Colour) -> Floats:
    tile = np.empty((TILE, TILE, 3), dtype=np.float32)
    return cv2.rectangle(tile, (0, 0), (TILE, TILE), colour.tolist(), cv2.FILLED)


def _bands(rng: np.random.Generator, colours: list[Colour], count: int) -> Floats:
    """A row of TILE colours: the same few bands, `count` times over."""
    period = TILE // count
    row = np.empty((period, 3), dtype=np.float32)
    row[:] = colours[0]
    at = 0
    for k in range(rng.integers(1, 3)):
        width = max(2, int(period * rng.uniform(0.12, 0.42)))
        row[at : at + width] = colours[1 + k]
        at += width + max(1, int(period * rng.uniform(0.05, 0.25)))
    return np.resize(row, (TILE, 3))


def plain(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    return _solid(colours[0])


def melange(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    flecks = soft_noise(rng, 128, TILE, wide=2)[..., None]
    return _solid(colours[0]) + flecks * np.float32(rng.uniform(6, 14))


def across(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    row = _bands(rng, colours, one_of(rng, 2, 4, 4, 8, 8))
    return np.repeat(row[:, None], TILE, axis=1)


def upright(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    row = _bands(rng, colours, one_of(rng, 4, 8, 8, 16))
    return np.repeat(row[None], TILE, axis=0)


def checks(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    row = _bands(rng, colours, one_of(rng, 2, 4, 4, 8, 8))
    return (row[:, None] + row[None]) / 2


def dots(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    tile = _solid(colours[0])
    count = one_of(rng, 3, 4, 6, 8)
    step = TILE / count
    radius = step * rng.uniform(0.12, 0.3)
    for row in range(count):
        for column in range(count):
            at = (step * (column + 0.5), step * (row + 0.5 + (column % 2) * 0.5))
            _dot(tile, at, radius, colours[1])
            if row == count - 1 and column % 2:
                _dot(tile, (at[0], at[1] - TILE), radius, colours[1])
    return tile


def flowers(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    tile = _solid(colours[0])
    count = int(rng.integers(6, 22))
    size = TILE * 0.55 / np.sqrt(count)
    for at in rng.uniform(0, TILE, (count, 2)):
        _wrapped(tile, at, size * 1.6, _leaf, rng.uniform(0, 360), size, colours[2])
    for at in rng.uniform(0, TILE, (count, 2)):
        _wrapped(tile, at, size, _flower, rng.uniform(0, 360), size * rng.uniform(0.6, 1), colours)
    return tile


def blots(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    """Camouflage, batik or animal print, as the noise has it."""
    tile = _solid(colours[0])
    cells = int(rng.integers(5, 14))
    wide = one_of(rng, 1, 1, 2)
    for colour, level in zip(colours[1:], (0.25, 0.7), strict=True):
        mask = np.clip(soft_noise(rng, cells, TILE, wide) * 4 - level * 4, 0, 1)[..., None]
        tile += mask * (colour.astype(np.float32) - tile)
    return tile


def nordic(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    """Bands of mirrored pixel motifs, as in Fair Isle knitting."""
    cells = 32
    half = rng.random((cells, 4)) < 0.5
    half[rng.random(cells) < 0.35] = False
    motif = np.tile(np.hstack([half, half[:, ::-1]]), (1, cells // 8))
    second = np.where(rng.random((cells, 1, 1)) < 0.5, colours[1], colours[2])
    tile = np.where(motif[..., None], second, colours[0]).astype(np.float32)
    return cv2.resize(tile, (TILE, TILE), interpolation=cv2.INTER_NEAREST)


def _dot(tile: Floats, at: tuple[float, float], radius: float, colour: Colour) -> None:
    centre = (round(at[0] * 16), round(at[1] * 16))
    cv2.circle(tile, centre, round(radius * 16), colour.tolist(), -1, cv2.LINE_8, 4)


def _wrapped(tile: Floats, at: NDArray[np.float64], reach: float, draw: Callable[..., None],
             *how: object) -> None:  # fmt: skip
    """Draw a motif, and again across the tile's edges where it reaches over them."""
    for dx in (-TILE, 0, TILE):
        for dy in (-TILE, 0, TILE):
            x, y = at[0] + dx, at[1] + dy
            if -reach < x < TILE + reach and -reach < y < TILE + reach:
                draw(tile, (x, y), *how)


def _leaf(tile: Floats, at: tuple[float, float], angle: float, size: float, colour: Colour) -> None:
    box = (at, (size * 2.2, size * 0.55), angle)
    cv2.ellipse(tile, box, colour.tolist(), -1)


def _flower(tile: Floats, at: tuple[float, float], angle: float, size: float,
            colours: list[Colour]) -> None:  # fmt: skip
    for petal in np.deg2rad(angle + 72 * np.arange(5)):
        _dot(tile, (at[0] + size * 0.5 * np.cos(petal), at[1] + size * 0.5 * np.sin(petal)),
             size * 0.36, colours[1])  # fmt: skip
    _dot(tile, at, size * 0.26, (colours[1] * 0.4 + colours[2] * 0.6))


def _jersey(rng: np.random.Generator) -> Floats:
    return 1 + np.float32(0.02) * soft_noise(rng, 96, TILE)


def _grid() -> tuple[Floats, Floats]:
    steps = np.arange(TILE, dtype=np.float32) / TILE
    return steps[None, :], steps[:, None]


def _weave(rng: np.random.Generator) -> Floats:
    x, y = _grid()
    count = one_of(rng, 24, 32, 48)
    twill = np.sin(2 * np.pi * count * (x + y * one_of(rng, 0.0, 1.0)))
    return 1 + np.float32(0.035) * twill + np.float32(0.02) * soft_noise(rng, 64, TILE)


def _knit(rng: np.random.Generator) -> Floats:
    """Columns of V-shaped stitches."""
    x, y = _grid()
    columns = int(rng.integers(12, 26))
    across = np.abs((x * columns) % 1 - 0.5)
    stitch = np.sin(2 * np.pi * (y * columns + across * 1.6))
    depth = np.float32(rng.uniform(0.12, 0.22))
    return 1 + depth * stitch - np.float32(0.2) * (across > 0.4)


def _rib(rng: np.random.Generator) -> Floats:
    x, y = _grid()
    ridges = np.cos(2 * np.pi * int(rng.integers(8, 20)) * x)
    return 1 + np.float32(rng.uniform(0.1, 0.2)) * ridges + 0 * y


def _cable(rng: np.random.Generator) -> Floats:
    """Plaited ropes between ribs."""
    x, y = _grid()
    ropes = int(rng.integers(2, 5))
    phase = (x * ropes) % 1
    swing = 0.12 * np.sin(2 * np.pi * ropes * 1 * y)
    one = np.exp(-(((phase - 0.5 - swing) / 0.09) ** 2))
    two = np.exp(-(((phase - 0.5 + swing) / 0.09) ** 2))
    ribs = np.cos(2 * np.pi * phase * 8) * (np.abs(phase - 0.5) > 0.3)
    return (0.86 + 0.2 * np.maximum(one, two) + 0.07 * ribs).astype(np.float32)


PATTERNS: dict[str, Callable[[np.random.Generator, list[Colour]], Floats]] = {
    "plain": plain,
    "melange": melange,
    "across": across,
    "upright": upright,
    "checks": checks,
    "dots": dots,
    "flowers": flowers,
    "blots": blots,
    "nordic": nordic,
}
_PATTERN_WEIGHTS = {
    "plain": 0.44, "melange": 0.1, "across": 0.11, "upright": 0.07, "checks": 0.1,
    "dots": 0.05, "flowers": 0.07, "blots": 0.03, "nordic": 0.03,
}  # fmt: skip
TEXTURES: dict[str, Callable[[np.random.Generator], Floats]] = {
    "jersey": _jersey,
    "weave": _weave,
    "knit": _knit,
    "rib": _rib,
    "cable": _cable,
}
