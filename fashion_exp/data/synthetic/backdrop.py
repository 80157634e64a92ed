"""What the garment lies on or hangs before, and what else strayed into the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from fashion_exp.data.synthetic.colours import Colour, Pixels, contrast, dye, dye_unlike
from fashion_exp.data.synthetic.curves import turn
from fashion_exp.data.synthetic.patterns import PATTERNS
from fashion_exp.data.synthetic.random_choices import Floats, one_of, pick, soft_noise

SWATCH = 192
"""Side in pixels on which a surface is painted, whatever the picture's size."""


@dataclass(frozen=True)
class Backdrop:
    """A surface: its colour (or pattern, SWATCH x SWATCH RGB), and tones to multiply it with.

    `tilt` (degrees) and `zoom` say how the camera sees it; clothes hang `depth` picture sides
    before an upright one (0: they lie on it).
    """

    colour: Colour
    pattern: Pixels | None
    tone: Floats
    tilt: float
    zoom: float
    depth: float

    @property
    def upright(self) -> bool:
        return self.depth > 0


def paint(rng: np.random.Generator, garment: Colour) -> Backdrop:
    """A surface that rarely has the garment's own colour."""
    kind = pick(rng, _WEIGHTS)
    for _ in range(5):
        ground = _ground(kind, rng)
        if contrast(ground, garment) > 55:
            break
    upright = kind in ("wall", "panels") and rng.random() < 0.85
    return Backdrop(
        colour=ground,
        pattern=_blanket(rng, ground) if kind == "blanket" else None,
        tone=SURFACES[kind](rng),
        tilt=float(rng.normal(0, 2) if upright else rng.uniform(-180, 180)),
        zoom=float(rng.uniform(1.5, 2.4)),
        depth=float(rng.uniform(0.015, 0.06)) if upright else 0.0,
    )


def seen(scenery: Backdrop, side: int) -> tuple[Pixels, Floats]:
    """The surface's colours and tones on side x side pixels, turned and enlarged."""
    zoom = scenery.zoom * side / SWATCH
    matrix = np.hstack([turn(scenery.tilt) * zoom, np.full((2, 1), side / 2)])
    matrix[:, 2] -= matrix[:, :2] @ np.full(2, SWATCH / 2)
    how = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REFLECT}
    tone = cv2.warpAffine(scenery.tone, matrix, (side, side), **how)
    if scenery.pattern is not None:
        return cv2.warpAffine(scenery.pattern, matrix, (side, side), **how), tone
    albedo = np.empty((side, side, 3), dtype=np.uint8)
    return cv2.rectangle(albedo, (0, 0), (side, side), scenery.colour.tolist(), cv2.FILLED), tone


def _ground(kind: str, rng: np.random.Generator) -> Colour:
    base = np.array(one_of(rng, *_GROUNDS[kind])) if kind in _GROUNDS else dye(rng)
    return np.clip(base + rng.normal(0, 7) + rng.normal(0, 4, 3), 20, 250)


def _blanket(rng: np.random.Generator, ground: Colour) -> Pixels:
    """A patterned cover: the weavers' own patterns, larger and quieter."""
    pattern = one_of(rng, "checks", "across", "flowers", "blots", "dots")
    other = 0.55 * ground + 0.45 * dye_unlike(rng, ground, 40)
    cloth = PATTERNS[pattern](rng, [ground, other, (ground + other) / 2])
    cloth = np.clip(cloth, 0, 255).astype(np.uint8)
    return cv2.resize(cloth, (SWATCH, SWATCH), interpolation=cv2.INTER_LINEAR)


def _wall(rng: np.random.Generator) -> Floats:
    return 1 + 0.01 * soft_noise(rng, 128, SWATCH) + 0.02 * soft_noise(rng, 6, SWATCH)


def _wood(rng: np.random.Generator) -> Floats:
    """Planks of uneven tone with their grain along them."""
    tone = 1 + 0.035 * soft_noise(rng, 128, SWATCH, 16) + 0.025 * soft_noise(rng, 32, SWATCH, 8)
    edges = np.linspace(0, SWATCH, int(rng.integers(4, 10)) + 1).astype(int).tolist()
    for top, bottom in pairwise(edges):
        seam = int(rng.integers(0, SWATCH))
        left, right = (1 + rng.normal(0, 0.06, 2)).tolist()
        tone[top:bottom, :seam] *= left
        tone[top:bottom, seam:] *= right
        tone[top:bottom, seam : seam + 2] *= 0.7
        tone[top : top + 2] *= 0.68
    return tone


def _sheet(rng: np.random.Generator) -> Floats:
    """A bed sheet: soft folds lit from one side."""
    wide = int(rng.integers(1, 3))
    height = 1.4 * soft_noise(rng, int(rng.integers(4, 7)), SWATCH // 2, wide)
    height += 0.35 * np.abs(soft_noise(rng, 12, SWATCH // 2, wide))
    depth = rng.uniform(0.1, 0.27)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=depth)
    slope += cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=depth * 0.6)
    tone = cv2.resize(np.clip(1 + slope, 0.6, 1.2), (SWATCH, SWATCH))
    return tone + 0.012 * soft_noise(rng, 128, SWATCH)


def _tiles(rng: np.random.Generator) -> Floats:
    tone = 1 + 0.03 * soft_noise(rng, 24, SWATCH)
    count = int(rng.integers(2, 5))
    shades = (1 + rng.normal(0, 0.02, (count, count))).astype(np.float32)
    tone *= cv2.resize(shades, (SWATCH, SWATCH), interpolation=cv2.INTER_NEAREST)
    grout = one_of(rng, 0.72, 0.8, 1.12)
    for at in range(0, SWATCH, SWATCH // count):
        tone[at : at + 3] *= grout
        tone[:, at : at + 3] *= grout
    return tone


def _carpet(rng: np.random.Generator) -> Floats:
    return 1 + 0.06 * soft_noise(rng, 128, SWATCH) + 0.04 * soft_noise(rng, 24, SWATCH)


def _panels(rng: np.random.Generator) -> Floats:
    """A wardrobe or panelled door."""
    tone = 1 + 0.015 * soft_noise(rng, 64, SWATCH)
    for x in np.cumsum(rng.integers(36, 96, 4)).tolist():
        tone[:, x : x + 2] *= 0.72
        tone[:, x + 2 : x + 4] *= 1.08
    return tone


SURFACES: dict[str, Callable[[np.random.Generator], Floats]] = {
    "wall": _wall,
    "wood": _wood,
    "sheet": _sheet,
    "tiles": _tiles,
    "carpet": _carpet,
    "blanket": _sheet,
    "panels": _panels,
}
_WEIGHTS = {
    "wall": 0.36, "wood": 0.17, "sheet": 0.24, "tiles": 0.07, "carpet": 0.06, "blanket": 0.03,
    "panels": 0.07,
}  # fmt: skip
_WOODS = [(196, 164, 122), (168, 126, 86), (120, 86, 62), (206, 190, 168), (146, 140, 134)]
_PALE = [(232, 230, 224), (214, 214, 212), (222, 212, 196), (196, 206, 212), (176, 178, 176)]
_GROUNDS = {
    "wood": _WOODS,
    "tiles": [*_PALE, (150, 132, 116), (96, 98, 104)],
    "wall": [*_PALE, *_PALE, (150, 170, 178), (206, 180, 160), (120, 128, 122)],
    "panels": [*_PALE, *_WOODS],
    "carpet": [(150, 140, 128), (98, 100, 108), (186, 170, 148), (124, 84, 78), (84, 98, 94)],
}
