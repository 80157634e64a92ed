"""The surface that a garment lies on or hangs in front of."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from fashion_exp.data.synthetic.curves import rotation
from fashion_exp.data.synthetic.patterns import PATTERNS
from fashion_exp.data.synthetic.random_choices import (
    Color,
    Floats,
    Pixels,
    choose,
    choose_weighted,
    color_distance,
    contrasting_color,
    random_color,
    smooth_noise,
)

SWATCH = 192
"""Side of a surface before it is scaled to the image, px."""


@dataclass(frozen=True)
class Backdrop:
    """A surface: its color or pattern (SWATCH, SWATCH, 3), and brightness factors for it."""

    color: Color
    pattern: Pixels | None
    tone: Floats
    angle: float
    """Rotation in the image, degrees."""
    zoom: float
    depth: float
    """Distance behind a hanging garment, as a fraction of the image's side; 0 if it lies flat."""

    @property
    def upright(self) -> bool:
        return self.depth > 0


def random_backdrop(rng: np.random.Generator, garment: Color) -> Backdrop:
    """A surface whose color usually differs from the garment's."""
    kind = choose_weighted(rng, _WEIGHTS)
    for _ in range(5):
        ground = _ground_color(kind, rng)
        if color_distance(ground, garment) > 55:
            break
    upright = kind in ("wall", "panels") and rng.random() < 0.85
    return Backdrop(
        color=ground,
        pattern=_blanket(rng, ground) if kind == "blanket" else None,
        tone=_SURFACES[kind](rng),
        angle=float(rng.normal(0, 2) if upright else rng.uniform(-180, 180)),
        zoom=float(rng.uniform(1.5, 2.4)),
        depth=float(rng.uniform(0.015, 0.06)) if upright else 0.0,
    )


def render_backdrop(backdrop: Backdrop, side: int) -> tuple[Pixels, Floats]:
    """Colors (side, side, 3) and brightness factors (side, side) of the transformed surface."""
    zoom = backdrop.zoom * side / SWATCH
    matrix = np.hstack([rotation(backdrop.angle) * zoom, np.full((2, 1), side / 2)])
    matrix[:, 2] -= matrix[:, :2] @ np.full(2, SWATCH / 2)
    options = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REFLECT}
    tone = cv2.warpAffine(backdrop.tone, matrix, (side, side), **options)
    if backdrop.pattern is not None:
        return cv2.warpAffine(backdrop.pattern, matrix, (side, side), **options), tone
    albedo = np.empty((side, side, 3), dtype=np.uint8)
    return cv2.rectangle(albedo, (0, 0), (side, side), backdrop.color.tolist(), cv2.FILLED), tone


def _ground_color(kind: str, rng: np.random.Generator) -> Color:
    colors = _GROUND_COLORS.get(kind)
    base = np.array(choose(rng, *colors)) if colors else random_color(rng)
    return np.clip(base + rng.normal(0, 7) + rng.normal(0, 4, 3), 20, 250)


def _blanket(rng: np.random.Generator, ground: Color) -> Pixels:
    """A cover with one of the fabric patterns, larger and with less contrast."""
    pattern = choose(rng, "checks", "horizontal_stripes", "flowers", "blots", "dots")
    second = 0.55 * ground + 0.45 * contrasting_color(rng, ground, 40)
    tile = PATTERNS[pattern](rng, [ground, second, (ground + second) / 2])
    tile = np.clip(tile, 0, 255).astype(np.uint8)
    return cv2.resize(tile, (SWATCH, SWATCH), interpolation=cv2.INTER_LINEAR)


def _wall(rng: np.random.Generator) -> Floats:
    return 1 + 0.01 * smooth_noise(rng, 128, SWATCH) + 0.02 * smooth_noise(rng, 6, SWATCH)


def _wood(rng: np.random.Generator) -> Floats:
    """Planks of different brightness with lengthwise grain."""
    tone = 1 + 0.035 * smooth_noise(rng, 128, SWATCH, 16) + 0.025 * smooth_noise(rng, 32, SWATCH, 8)
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
    stretch = int(rng.integers(1, 3))
    height = 1.4 * smooth_noise(rng, int(rng.integers(4, 7)), SWATCH // 2, stretch)
    height += 0.35 * np.abs(smooth_noise(rng, 12, SWATCH // 2, stretch))
    depth = rng.uniform(0.1, 0.27)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=depth)
    slope += cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=depth * 0.6)
    tone = cv2.resize(np.clip(1 + slope, 0.6, 1.2), (SWATCH, SWATCH))
    return tone + 0.012 * smooth_noise(rng, 128, SWATCH)


def _tiles(rng: np.random.Generator) -> Floats:
    tone = 1 + 0.03 * smooth_noise(rng, 24, SWATCH)
    count = int(rng.integers(2, 5))
    shades = (1 + rng.normal(0, 0.02, (count, count))).astype(np.float32)
    tone *= cv2.resize(shades, (SWATCH, SWATCH), interpolation=cv2.INTER_NEAREST)
    grout = choose(rng, 0.72, 0.8, 1.12)
    for start in range(0, SWATCH, SWATCH // count):
        tone[start : start + 3] *= grout
        tone[:, start : start + 3] *= grout
    return tone


def _carpet(rng: np.random.Generator) -> Floats:
    return 1 + 0.06 * smooth_noise(rng, 128, SWATCH) + 0.04 * smooth_noise(rng, 24, SWATCH)


def _panels(rng: np.random.Generator) -> Floats:
    """A wardrobe or paneled door."""
    tone = 1 + 0.015 * smooth_noise(rng, 64, SWATCH)
    for x in np.cumsum(rng.integers(36, 96, 4)).tolist():
        tone[:, x : x + 2] *= 0.72
        tone[:, x + 2 : x + 4] *= 1.08
    return tone


_SURFACES = {"wall": _wall, "wood": _wood, "sheet": _sheet, "tiles": _tiles, "carpet": _carpet,
             "blanket": _sheet, "panels": _panels}  # fmt: skip
_WEIGHTS = {"wall": 0.36, "wood": 0.17, "sheet": 0.24, "tiles": 0.07, "carpet": 0.06,
            "blanket": 0.03, "panels": 0.07}  # fmt: skip
_WOODS = [(196, 164, 122), (168, 126, 86), (120, 86, 62), (206, 190, 168), (146, 140, 134)]
_PALE = [(232, 230, 224), (214, 214, 212), (222, 212, 196), (196, 206, 212), (176, 178, 176)]
_GROUND_COLORS = {
    "wood": _WOODS,
    "tiles": [*_PALE, (150, 132, 116), (96, 98, 104)],
    "wall": [*_PALE, *_PALE, (150, 170, 178), (206, 180, 160), (120, 128, 122)],
    "panels": [*_PALE, *_WOODS],
    "carpet": [(150, 140, 128), (98, 100, 108), (186, 170, 148), (124, 84, 78), (84, 98, 94)],
}
