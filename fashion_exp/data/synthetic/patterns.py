"""Fabric: seamless patterns and textures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from fashion_exp.data.synthetic.curves import rotation
from fashion_exp.data.synthetic.random_choices import (
    Color,
    Floats,
    Pixels,
    choose,
    choose_weighted,
    contrasting_color,
    random_color,
    smooth_noise,
)

TILE = 128
"""Side of a tile, px, at every image size. A tile is one period of the pattern."""

_Y = (np.arange(TILE, dtype=np.float32) / TILE)[:, None]
_X = _Y.T

_ANGLES = np.linspace(0, 2 * np.pi, 40, endpoint=False)
_PETALS = (0.36 + 0.5 * np.abs(np.cos(2.5 * _ANGLES))[:, None] ** 0.6) * np.column_stack(
    [np.cos(_ANGLES), np.sin(_ANGLES)]
)


def _solid(color: Color) -> Floats:
    return np.full((TILE, TILE, 3), color, dtype=np.float32)


def _bands(rng: np.random.Generator, colors: list[Color], count: int) -> Floats:
    """A row of TILE colors: one or two bands, repeated `count` times."""
    period = TILE // count
    row = np.empty((period, 3), dtype=np.float32)
    row[:] = colors[0]
    start = 0
    for k in range(rng.integers(1, 3)):
        width = max(2, int(period * rng.uniform(0.12, 0.42)))
        row[start : start + width] = colors[1 + k]
        start += width + max(1, int(period * rng.uniform(0.05, 0.25)))
    return np.resize(row, (TILE, 3))


def _plain(rng: np.random.Generator, colors: list[Color]) -> Floats:
    return _solid(colors[0])


def _melange(rng: np.random.Generator, colors: list[Color]) -> Floats:
    flecks = smooth_noise(rng, 128, TILE, stretch=2)[..., None]
    return _solid(colors[0]) + flecks * rng.uniform(6, 14)


def _horizontal_stripes(rng: np.random.Generator, colors: list[Color]) -> Floats:
    row = _bands(rng, colors, choose(rng, 2, 4, 4, 8, 8))
    return np.repeat(row[:, None], TILE, axis=1)


def _vertical_stripes(rng: np.random.Generator, colors: list[Color]) -> Floats:
    row = _bands(rng, colors, choose(rng, 4, 8, 8, 16))
    return np.repeat(row[None], TILE, axis=0)


def _checks(rng: np.random.Generator, colors: list[Color]) -> Floats:
    row = _bands(rng, colors, choose(rng, 2, 4, 4, 8, 8))
    return (row[:, None] + row[None]) * 0.5


def _dots(rng: np.random.Generator, colors: list[Color]) -> Floats:
    tile = _solid(colors[0])
    count = choose(rng, 4, 4, 6, 8)
    step = TILE / count
    radius = step * rng.uniform(0.12, 0.3)
    for row in range(count):
        for column in range(count):
            center = step * (column + 0.5), step * (row + 0.5 + (column % 2) / 2)
            for x, y in _copies(*center, step / 2):
                _draw_dot(tile, x, y, radius, colors[1])
    return tile


def _flowers(rng: np.random.Generator, colors: list[Color]) -> Floats:
    """Scattered flowers and as many leaves."""
    tile = _solid(colors[0])
    count = int(rng.integers(6, 22))
    size = 0.55 * TILE / count**0.5
    axes = size * 2.2, size * 0.55
    for x, y, angle in (rng.random((count, 3)) * (TILE, TILE, 360)).tolist():
        for center in _copies(x, y, size * 1.2):
            cv2.ellipse(tile, (center, axes, angle), colors[2].tolist(), cv2.FILLED)
    for x, y, angle, shrink in (rng.random((count, 4)) * (TILE, TILE, 360, 0.4)).tolist():
        for center in _copies(x, y, size):
            _draw_flower(tile, *center, angle, size * (1 - shrink), colors)
    return tile


def _blots(rng: np.random.Generator, colors: list[Color]) -> Floats:
    """Irregular spots as in camouflage, batik or animal print."""
    tile = _solid(colors[0])
    cells = int(rng.integers(5, 14))
    stretch = choose(rng, 1, 1, 2)
    for color, level in zip(colors[1:], (0.25, 0.7), strict=True):
        mask = np.clip(smooth_noise(rng, cells, TILE, stretch) * 4 - level * 4, 0, 1)[..., None]
        tile += mask * (color.astype(np.float32) - tile)
    return tile


def _nordic(rng: np.random.Generator, colors: list[Color]) -> Floats:
    """Bands of mirrored pixel motifs, as in Fair Isle knitting."""
    cells = 32
    half = rng.random((cells, 4)) < 0.5
    half[rng.random(cells) < 0.35] = False
    motif = np.tile(np.hstack([half, half[:, ::-1]]), (1, cells // 8))
    foreground = np.where(rng.random((cells, 1, 1)) < 0.5, colors[1], colors[2])
    tile = np.where(motif[..., None], foreground, colors[0]).astype(np.float32)
    return cv2.resize(tile, (TILE, TILE), interpolation=cv2.INTER_NEAREST)


def _copies(x: float, y: float, reach: float) -> Iterator[tuple[float, float]]:
    """Centers of a motif and of its copies that reach over the tile's edges."""
    for copy_x in (x - TILE, x, x + TILE):
        for copy_y in (y - TILE, y, y + TILE):
            if -reach < copy_x < TILE + reach and -reach < copy_y < TILE + reach:
                yield copy_x, copy_y


def _draw_dot(tile: Floats, x: float, y: float, radius: float, color: Color) -> None:
    center, reach = (round(x * 16), round(y * 16)), round(radius * 16)
    cv2.circle(tile, center, reach, color.tolist(), cv2.FILLED, shift=4)


def _draw_flower(
    tile: Floats, x: float, y: float, angle: float, size: float, colors: list[Color]
) -> None:
    petals = _PETALS @ rotation(angle).T * size + (x, y)
    cv2.fillPoly(tile, [np.rint(petals * 16).astype(np.int32)], colors[1].tolist(), shift=4)
    _draw_dot(tile, x, y, size * 0.26, colors[1] * 0.4 + colors[2] * 0.6)


def _jersey(rng: np.random.Generator) -> Floats:
    return 1 + 0.02 * smooth_noise(rng, 96, TILE)


def _weave(rng: np.random.Generator) -> Floats:
    """Plain weave or twill."""
    threads = choose(rng, 24, 32, 48)
    twill = np.sin(2 * np.pi * threads * (_X + _Y * choose(rng, 0, 1)))
    return 1 + 0.035 * twill + 0.02 * smooth_noise(rng, 64, TILE)


def _knit(rng: np.random.Generator) -> Floats:
    """Columns of V-shaped stitches."""
    columns = int(rng.integers(12, 26))
    x = np.abs((_X * columns) % 1 - 0.5)
    stitch = np.sin(2 * np.pi * (_Y * columns + x * 1.6))
    return 1 + rng.uniform(0.12, 0.22) * stitch - 0.2 * (x > 0.4).astype(np.float32)


def _rib(rng: np.random.Generator) -> Floats:
    ridges = np.cos(2 * np.pi * int(rng.integers(8, 20)) * _X)
    return np.repeat(1 + rng.uniform(0.1, 0.2) * ridges, TILE, axis=0)


def _cable(rng: np.random.Generator) -> Floats:
    """Twisted ropes between ribs."""
    ropes = int(rng.integers(2, 5))
    x = (_X * ropes) % 1 - 0.5
    swing = 0.12 * np.sin(2 * np.pi * ropes * _Y)
    distance = np.minimum(np.abs(x - swing), np.abs(x + swing))
    ribs = np.cos(2 * np.pi * x * 8) * (np.abs(x) > 0.3)
    return 0.86 + 0.2 * np.exp(-120 * distance**2) + 0.07 * ribs


PATTERNS: dict[str, Callable[[np.random.Generator, list[Color]], Floats]] = {
    "plain": _plain,
    "melange": _melange,
    "horizontal_stripes": _horizontal_stripes,
    "vertical_stripes": _vertical_stripes,
    "checks": _checks,
    "dots": _dots,
    "flowers": _flowers,
    "blots": _blots,
    "nordic": _nordic,
}
"""Each maps three colors, the ground color first, to RGB (TILE, TILE, 3), 0 to 255."""

TEXTURES: dict[str, Callable[[np.random.Generator], Floats]] = {
    "jersey": _jersey,
    "weave": _weave,
    "knit": _knit,
    "rib": _rib,
    "cable": _cable,
}
"""Each returns brightness factors (TILE, TILE) around 1."""

PATTERN_WEIGHTS = {
    "plain": 0.44, "melange": 0.1, "horizontal_stripes": 0.11, "vertical_stripes": 0.07,
    "checks": 0.1, "dots": 0.05, "flowers": 0.07, "blots": 0.03, "nordic": 0.03,
}  # fmt: skip


@dataclass(frozen=True)
class Fabric:
    """A tile (TILE, TILE, 3) and its side in garment units.

    `trim` colors ribbed bands; `thread` colors buttons, belts and emblems.
    """

    tile: Pixels
    repeat: float
    trim: Color
    thread: Color


def random_fabric(rng: np.random.Generator, texture: str) -> Fabric:
    ground = random_color(rng)
    blend = choose(rng, 0.0, 0.0, 0.4, 0.65)  # from full contrast to tone on tone
    second, third = (
        contrasting_color(rng, ground, distance) * (1 - blend) + ground * blend
        for distance in (45, 30)
    )
    tile = PATTERNS[choose_weighted(rng, PATTERN_WEIGHTS)](rng, [ground, second, third])
    relief = TEXTURES[texture](rng)
    is_dark = ground.mean() < 90
    thread = np.clip(ground * (1.4 if is_dark else 0.5) + (70 if is_dark else 0), 0, 250)
    return Fabric(
        tile=cv2.multiply(tile, cv2.merge((relief, relief, relief)), dtype=cv2.CV_8U),
        repeat=float(rng.uniform(0.55, 0.95)),
        trim=ground if rng.random() < 0.8 else second,
        thread=thread if rng.random() < 0.75 else second,
    )
