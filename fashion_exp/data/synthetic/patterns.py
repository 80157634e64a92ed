"""Patterns and knits, as tiles that repeat without a seam."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from fashion_exp.data.synthetic.colours import Colour
from fashion_exp.data.synthetic.curves import turn
from fashion_exp.data.synthetic.random_choices import Floats, one_of, soft_noise

TILE = 128
"""Side of a tile in pixels, whatever the picture's size: one repeat of the pattern."""

_Y = (np.arange(TILE, dtype=np.float32) / TILE)[:, None]
_X = _Y.T

_ANGLES = np.linspace(0, 2 * np.pi, 40, endpoint=False)
_PETALS = (0.36 + 0.5 * np.abs(np.cos(2.5 * _ANGLES))[:, None] ** 0.6) * np.column_stack(
    [np.cos(_ANGLES), np.sin(_ANGLES)]
)


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


def _plain(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    return _solid(colours[0])


def _melange(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    flecks = soft_noise(rng, 128, TILE, wide=2)[..., None]
    return _solid(colours[0]) + flecks * rng.uniform(6, 14)


def _across(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    row = _bands(rng, colours, one_of(rng, 2, 4, 4, 8, 8))
    return np.repeat(row[:, None], TILE, axis=1)


def _upright(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    row = _bands(rng, colours, one_of(rng, 4, 8, 8, 16))
    return np.repeat(row[None], TILE, axis=0)


def _checks(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    row = _bands(rng, colours, one_of(rng, 2, 4, 4, 8, 8))
    return (row[:, None] + row[None]) * 0.5


def _dots(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    tile = _solid(colours[0])
    count = one_of(rng, 4, 4, 6, 8)
    step = TILE / count
    dot = partial(_dot, tile, radius=step * rng.uniform(0.12, 0.3), colour=colours[1])
    for row in range(count):
        for column in range(count):
            _wrapped(dot, step * (column + 0.5), step * (row + 0.5 + (column % 2) / 2), step / 2)
    return tile


def _flowers(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    """A leaf for every flower, scattered."""
    tile = _solid(colours[0])
    count = int(rng.integers(6, 22))
    size = 0.55 * TILE / count**0.5
    leaf = partial(_leaf, tile, size=size, colour=colours[2])
    flower = partial(_flower, tile, colours=colours)
    for x, y, angle in (rng.random((count, 3)) * (TILE, TILE, 360)).tolist():
        _wrapped(partial(leaf, angle=angle), x, y, size * 1.2)
    for x, y, angle, small in (rng.random((count, 4)) * (TILE, TILE, 360, 0.4)).tolist():
        _wrapped(partial(flower, angle=angle, size=size * (1 - small)), x, y, size)
    return tile


def _blots(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    """Camouflage, batik or animal print, as the noise has it."""
    tile = _solid(colours[0])
    cells = int(rng.integers(5, 14))
    wide = one_of(rng, 1, 1, 2)
    for colour, level in zip(colours[1:], (0.25, 0.7), strict=True):
        mask = np.clip(soft_noise(rng, cells, TILE, wide) * 4 - level * 4, 0, 1)[..., None]
        tile += mask * (colour.astype(np.float32) - tile)
    return tile


def _nordic(rng: np.random.Generator, colours: list[Colour]) -> Floats:
    """Bands of mirrored pixel motifs, as in Fair Isle knitting."""
    cells = 32
    half = rng.random((cells, 4)) < 0.5
    half[rng.random(cells) < 0.35] = False
    motif = np.tile(np.hstack([half, half[:, ::-1]]), (1, cells // 8))
    second = np.where(rng.random((cells, 1, 1)) < 0.5, colours[1], colours[2])
    tile = np.where(motif[..., None], second, colours[0]).astype(np.float32)
    return cv2.resize(tile, (TILE, TILE), interpolation=cv2.INTER_NEAREST)


def _wrapped(draw: Callable[[float, float], None], x: float, y: float, reach: float) -> None:
    """Draw a motif, and again across the tile's edges where it reaches over them."""
    for at_x in (x - TILE, x, x + TILE):
        for at_y in (y - TILE, y, y + TILE):
            if -reach < at_x < TILE + reach and -reach < at_y < TILE + reach:
                draw(at_x, at_y)


def _dot(tile: Floats, x: float, y: float, radius: float, colour: Colour) -> None:
    centre, reach = (round(x * 16), round(y * 16)), round(radius * 16)
    cv2.circle(tile, centre, reach, colour.tolist(), cv2.FILLED, shift=4)


def _leaf(tile: Floats, x: float, y: float, angle: float, size: float, colour: Colour) -> None:
    cv2.ellipse(tile, ((x, y), (size * 2.2, size * 0.55), angle), colour.tolist(), cv2.FILLED)


def _flower(
    tile: Floats, x: float, y: float, angle: float, size: float, colours: list[Colour]
) -> None:
    petals = _PETALS @ turn(angle).T * size + (x, y)
    cv2.fillPoly(tile, [np.rint(petals * 16).astype(np.int32)], colours[1].tolist(), shift=4)
    _dot(tile, x, y, size * 0.26, colours[1] * 0.4 + colours[2] * 0.6)


def _jersey(rng: np.random.Generator) -> Floats:
    return 1 + 0.02 * soft_noise(rng, 96, TILE)


def _weave(rng: np.random.Generator) -> Floats:
    """Plain or twilled."""
    threads = one_of(rng, 24, 32, 48)
    twill = np.sin(2 * np.pi * threads * (_X + _Y * one_of(rng, 0, 1)))
    return 1 + 0.035 * twill + 0.02 * soft_noise(rng, 64, TILE)


def _knit(rng: np.random.Generator) -> Floats:
    """Columns of V-shaped stitches."""
    columns = int(rng.integers(12, 26))
    across = np.abs((_X * columns) % 1 - 0.5)
    stitch = np.sin(2 * np.pi * (_Y * columns + across * 1.6))
    return 1 + rng.uniform(0.12, 0.22) * stitch - 0.2 * (across > 0.4).astype(np.float32)


def _rib(rng: np.random.Generator) -> Floats:
    ridges = np.cos(2 * np.pi * int(rng.integers(8, 20)) * _X)
    return np.repeat(1 + rng.uniform(0.1, 0.2) * ridges, TILE, axis=0)


def _cable(rng: np.random.Generator) -> Floats:
    """Plaited ropes between ribs."""
    ropes = int(rng.integers(2, 5))
    across = (_X * ropes) % 1 - 0.5
    swing = 0.12 * np.sin(2 * np.pi * ropes * _Y)
    nearer = np.minimum(np.abs(across - swing), np.abs(across + swing))
    ribs = np.cos(2 * np.pi * across * 8) * (np.abs(across) > 0.3)
    return 0.86 + 0.2 * np.exp(-120 * nearer**2) + 0.07 * ribs


PATTERNS: dict[str, Callable[[np.random.Generator, list[Colour]], Floats]] = {
    "plain": _plain,
    "melange": _melange,
    "across": _across,
    "upright": _upright,
    "checks": _checks,
    "dots": _dots,
    "flowers": _flowers,
    "blots": _blots,
    "nordic": _nordic,
}
"""Each gives TILE x TILE RGB (0 to 255) from three colours, the first being the ground."""

TEXTURES: dict[str, Callable[[np.random.Generator], Floats]] = {
    "jersey": _jersey,
    "weave": _weave,
    "knit": _knit,
    "rib": _rib,
    "cable": _cable,
}
"""Each gives the tones (about 1) of a TILE x TILE surface."""
