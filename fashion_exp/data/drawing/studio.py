"""Laying, lighting and photographing.

The pieces are first rastered into a map of piece numbers; what the light does to a pixel is then
worked out for all pieces at once, from tables of the pieces' properties.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fashion_exp.data.drawing.backdrop import SWATCH, Backdrop
from fashion_exp.data.drawing.cuts import Cut
from fashion_exp.data.drawing.fabric import TILE, Fabric, Floats, Pixels, soft_noise
from fashion_exp.data.drawing.geometry import Points, project, turn
from fashion_exp.data.drawing.pieces import Piece

GRID = 96
"""Side of the grid on which folds are modelled, whatever the picture's size."""
_SUBPIXEL = 4
_NEUTRAL = 128
_HEIGHT = 200.0
"""Grey levels per garment unit of height."""


@dataclass(frozen=True)
class Light:
    """Where it comes from (a unit vector in the picture's plane) and how hard it is (0 to 1)."""

    x: float
    y: float
    hardness: float


@dataclass(frozen=True)
class View:
    """From garment units to fractions of the picture's side; `scale` is about that of a unit.

    Cloth never lies straight: `swing` moves the hem aside, `wave` bends all lines slowly
    (amplitude, two frequencies, two phases).
    """

    homography: NDArray[np.float64]
    scale: float
    swing: float
    wave: tuple[float, float, float, float, float]

    def place(self, arrays: list[Points], side: int) -> list[NDArray[np.int32]]:
        """Each array of points on a picture of side x side pixels, in OpenCV's fixed point."""
        points = np.concatenate(arrays)
        x, y = points[:, 0], points[:, 1]
        height, fx, fy, px, py = self.wave
        low = np.maximum(y - 0.4, 0)
        bent = np.empty_like(points)
        bent[:, 0] = x + self.swing * low**1.5 + height * np.sin(fy * y + px) * (low + 0.3)
        bent[:, 1] = y + height * np.sin(fx * x + py)
        placed = project(bent, self.homography) * (side * 2**_SUBPIXEL) - 2 ** (_SUBPIXEL - 1)
        pixels = np.rint(placed).astype(np.int32)
        ends = np.cumsum([len(a) for a in arrays]).tolist()
        return [pixels[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


@dataclass(frozen=True)
class Layout:
    """What lies where: the piece's number (0: none), the tone of lines, heights in grey levels."""

    number: Pixels
    ink: Pixels
    height: Pixels
    cutouts: int


def lay(pieces: list[Piece], view: View, side: int) -> Layout:
    """Raster the pieces, the last on top; buttons count as one more piece, numbered last."""
    arrays = [p.outline for p in pieces]
    for piece in pieces:
        arrays += [line for seam in piece.seams for line in seam.lines]
        arrays += [piece.buttons] if piece.buttons is not None else []
    placed = iter(view.place(arrays, side))
    outlines = [next(placed) for _ in pieces]
    number, height = np.zeros((2, side, side), dtype=np.uint8)
    ink = np.full((side, side), _NEUTRAL, dtype=np.uint8)
    top, last, unit = 0.0, len(pieces) + 1, view.scale * side
    for k, (piece, outline) in enumerate(zip(pieces, outlines, strict=True), 1):
        top += piece.lift * _HEIGHT
        for target, value in ((number, k), (height, round(top)), (ink, _NEUTRAL)):
            cv2.fillPoly(target, [outline], value, cv2.LINE_8, _SUBPIXEL)
        for seam in piece.seams:
            wide = seam.width * unit
            tone = 1 + (seam.tone - 1) * min(1.0, wide)
            lines = [next(placed) for _ in seam.lines]
            cv2.polylines(ink, lines, False, round(tone * _NEUTRAL), max(1, round(wide)),
                          cv2.LINE_AA, _SUBPIXEL)  # fmt: skip
        if piece.buttons is not None:
            radius = round(max(0.9, 0.03 * unit) * 2**_SUBPIXEL)
            for centre in next(placed).tolist():
                cv2.circle(number, centre, radius, last, -1, cv2.LINE_8, _SUBPIXEL)
                cv2.circle(height, centre, radius, round(top + 4), -1, cv2.LINE_8, _SUBPIXEL)
    return Layout(number, ink, height, last)


def creases(cut: Cut, rng: np.random.Generator) -> list[tuple[Points, float, float]]:
    """Folds as (line, width, height): drapes from the waist down, and pulls here and there."""
    found = []
    for t in np.linspace(-0.9, 0.9, round(cut.gathers * rng.uniform(6, 12))):
        t, top, cut_off, width, height = t + rng.normal(0, 0.05), *rng.random(4)
        top, bottom = cut.waist_y + 0.35 * top, cut.length - 0.2 * cut_off
        line = np.array([(t * cut.waist, top), (t * cut.middle, (top + bottom) / 2),
                         (t * cut.hem * 1.03, bottom)])  # fmt: skip
        found.append((line, 0.04 + 0.08 * width, (1.2 - height) * (1 if height < 0.6 else -2)))
    for _ in range(int(rng.integers(5, 14))):
        x, y, length, width, height = rng.random(5)
        start = np.array([(2 * x - 1) * cut.chest, 0.2 + y * (cut.length - 0.2)])
        lean = rng.normal(-50 * np.sign(start[0]) * (start[1] < 0.9), 30)
        a = np.deg2rad(lean + 90)
        end = start + np.array([np.cos(a), np.sin(a)]) * (0.15 + 0.4 * length)
        middle = (start + end) / 2 + rng.normal(0, 0.03, 2)
        found.append((np.array([start, middle, end]), 0.02 + 0.05 * width,
                      (0.4 + height) * (1 if height < 0.5 else -0.7)))  # fmt: skip
    return found


def fold_heights(view: View, folds: list[tuple[Points, float, float]],
                 rng: np.random.Generator) -> Floats:  # fmt: skip
    """Height of the cloth on a GRID x GRID raster of the picture."""
    fine, broad = np.zeros((2, GRID, GRID), dtype=np.float32)
    lines = view.place([line for line, _, _ in folds], GRID)
    for line, (_, width, height) in zip(lines, folds, strict=True):
        target, thick = fine if width < 0.05 else broad, max(1, round(width * view.scale * GRID))
        cv2.polylines(target, [line], False, height, thick, cv2.LINE_8, _SUBPIXEL)
    heights = cv2.GaussianBlur(fine, (0, 0), 1.0) + cv2.GaussianBlur(broad, (0, 0), 2.0) * 1.8
    return heights + 0.3 * soft_noise(rng, 9, GRID) + 0.12 * soft_noise(rng, 26, GRID)


def shoot(layout: Layout, pieces: list[Piece], view: View, fabric: Fabric, scenery: Backdrop,
          light: Light, heights: Floats) -> Pixels:  # fmt: skip
    """The lit scene at the layout's resolution, uint8 RGB."""
    side = len(layout.number)
    albedo, tone = _backdrop(scenery, side)
    slope_x = cv2.Sobel(heights, cv2.CV_32F, 1, 0, scale=0.25)
    slope_y = cv2.Sobel(heights, cv2.CV_32F, 0, 1, scale=0.25)
    threads = _threads(view, slope_x, slope_y, side)
    _wear(albedo, layout.number, pieces, fabric, threads, view.scale * side)
    lit = (slope_x * light.x + slope_y * light.y) * np.float32(0.35 + 0.5 * light.hardness)
    folds = cv2.resize(np.clip(lit, -0.35, 0.55), (side, side))
    cv2.copyTo(_garment_tone(layout, pieces, folds), layout.number, tone)
    tone *= _shadows(layout, view, light, scenery.depth)
    return cv2.multiply(albedo, cv2.merge((tone, tone, tone)), dtype=cv2.CV_8U)


def _backdrop(scenery: Backdrop, side: int) -> tuple[Pixels, Floats]:
    """The surface's colours and tones, turned and enlarged."""
    zoom = scenery.zoom * side / SWATCH
    matrix = np.hstack([turn(scenery.tilt) * zoom, np.full((2, 1), side / 2)])
    matrix[:, 2] -= matrix[:, :2] @ np.full(2, SWATCH / 2)
    how = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REFLECT}
    tone = cv2.warpAffine(scenery.tone, matrix, (side, side), **how)
    if scenery.pattern is not None:
        return cv2.warpAffine(scenery.pattern, matrix, (side, side), **how), tone
    albedo = np.empty((side, side, 3), dtype=np.uint8)
    cv2.rectangle(albedo, (0, 0), (side, side), scenery.colour.tolist(), cv2.FILLED)
    return albedo, tone


def _wear(albedo: Pixels, number: Pixels, pieces: list[Piece], fabric: Fabric,
          threads: tuple[Floats, Floats], pixels_per_unit: float) -> None:  # fmt: skip
    """Paint every piece's material over the backdrop's, within the box that holds them."""
    left, top, wide, high = cv2.boundingRect(number)
    window = np.s_[top : top + high, left : left + wide]
    number = np.ascontiguousarray(number[window])
    u, v = threads[0][window], threads[1][window]
    grain = np.deg2rad([p.grain for p in pieces])
    c, s = _looked_up(np.cos(grain), number), _looked_up(np.sin(grain), number)
    worn = _pattern(fabric, u * c - v * s, u * s + v * c, pixels_per_unit)
    own = {"trim": fabric.trim, "thread": fabric.thread}
    solid = np.zeros((256, 1, 3), dtype=np.uint8)
    is_solid = np.zeros(256, dtype=np.uint8)
    for k, piece in enumerate(pieces, 1):
        if piece.material != "tile":
            solid[k], is_solid[k] = own.get(piece.material, piece.material), 1
    solid[len(pieces) + 1], is_solid[len(pieces) + 1] = fabric.thread, 1
    cv2.copyTo(cv2.LUT(cv2.merge((number, number, number)), solid), cv2.LUT(number, is_solid), worn)
    albedo[window] = cv2.copyTo(worn, number, albedo[window].copy())


def _looked_up(values: NDArray[np.float64] | list[float], number: Pixels, ground: float = 0.0,
               button: float = 1.0) -> Floats:  # fmt: skip
    """Each pixel's value, from one value per piece, one for no piece and one for buttons."""
    table = np.zeros(256, dtype=np.float32)
    table[: len(values) + 2] = [ground, *values, button]
    return cv2.LUT(number, table)


def _threads(view: View, slope_x: Floats, slope_y: Floats, side: int) -> tuple[Floats, Floats]:
    """Garment coordinates of every pixel; folds bend the pattern."""
    h = np.linalg.inv(view.homography).astype(np.float32)
    steps = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
    x, y = steps[None], steps[:, None]
    w = 1 / (h[2, 0] * x + (h[2, 1] * y + h[2, 2]))
    u = (h[0, 0] * x + (h[0, 1] * y + h[0, 2])) * w + slope_x * np.float32(0.02)
    v = (h[1, 0] * x + (h[1, 1] * y + h[1, 2])) * w + slope_y * np.float32(0.02)
    return cv2.resize(u, (side, side)), cv2.resize(v, (side, side))


def _pattern(fabric: Fabric, u: Floats, v: Floats, pixels_per_unit: float) -> Pixels:
    """The cloth's colours at garment coordinates (u, v)."""
    side = max(8, round(fabric.repeat * pixels_per_unit))
    shrink = cv2.INTER_AREA if side < TILE else cv2.INTER_LINEAR
    tile = cv2.resize(fabric.tile, (side, side), interpolation=shrink)
    # OpenCV's own wrapping is five times slower than a tile with one more row and column.
    tile = cv2.copyMakeBorder(tile, 0, 1, 0, 1, cv2.BORDER_WRAP)
    u, v = u * np.float32(1 / fabric.repeat), v * np.float32(1 / fabric.repeat)
    u, v = (u - np.floor(u)) * np.float32(side), (v - np.floor(v)) * np.float32(side)
    return cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _garment_tone(layout: Layout, pieces: list[Piece], folds: Floats) -> Floats:
    tone = _looked_up([p.tone / _NEUTRAL for p in pieces], layout.number, button=1 / _NEUTRAL)
    soft = _looked_up([float(p.soft) for p in pieces], layout.number, button=0.3)
    return tone * layout.ink * (1 - folds * soft)


def _shadows(layout: Layout, view: View, light: Light, depth: float) -> Floats:
    """What stands above its surroundings has a lit edge, a dark edge, and casts a shadow."""
    side = len(layout.number)
    unit = view.scale * side
    height = layout.height.astype(np.float32) * np.float32(1 / _HEIGHT)
    soft = cv2.GaussianBlur(height, (0, 0), 0.02 * unit)
    edge = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=light.x * unit / 8)
    edge += cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=light.y * unit / 8)
    edge *= (height > soft - np.float32(0.004)) * np.float32(-0.25 - 0.3 * light.hardness)
    half = cv2.resize(height, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    reach = 0.025 * unit
    shift = np.array([[1, 0, -light.x * reach], [0, 1, -light.y * reach]])
    around = cv2.warpAffine(cv2.GaussianBlur(half, (0, 0), 0.0175 * unit), shift, half.shape)
    shadow = cv2.resize(around, (side, side)) - height
    shadow = np.clip(shadow * 14, 0, 1) * np.float32(0.25 + 0.25 * light.hardness)
    tone = (1 + np.clip(edge, -0.4, 0.3)) * (1 - shadow)
    return tone * _cast(layout, light, depth) if depth else tone


def _cast(layout: Layout, light: Light, depth: float) -> Floats:
    """The shadow on the wall of what hangs `depth` picture sides before it."""
    side = len(layout.number)
    mask = cv2.resize(
        (layout.number > 0).astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA
    )
    shift = np.array([[1, 0, -light.x * depth * 64], [0, 1, -light.y * depth * 64]])
    soft = cv2.GaussianBlur(cv2.warpAffine(mask, shift, (64, 64)), (0, 0), 0.6 + depth * 25)
    shadow = cv2.resize(soft, (side, side)) * np.float32(0.2 + 0.3 * light.hardness)
    return 1 - shadow * (layout.number == 0)


def expose(pixels: Pixels, size: int, light: Light, rng: np.random.Generator) -> Pixels:
    """The photograph: fall-off of the light, vignette, white balance, blur, noise."""
    image = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    steps = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    x, y = steps[None], steps[:, None]
    slope, vignette = rng.uniform(0, 0.35), rng.uniform(0, 0.5)
    fall = (
        1 + (light.x * x + light.y * y) * np.float32(slope) - (x * x + y * y) * np.float32(vignette)
    )
    cast = rng.normal(0, 0.035, 3) + rng.uniform(-0.06, 0.06) * np.array([1, 0, -1])
    fall *= np.float32(rng.uniform(0.85, 1.15))
    image *= cv2.merge([fall * np.float32(1 + c) for c in cast])
    softness = rng.uniform(0, 0.0045) * size
    if softness > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), softness)
    noise = rng.standard_normal((size, size), dtype=np.float32) * np.float32(rng.uniform(1, 3.5))
    image += cv2.merge((noise, noise, noise))
    return np.clip(image, 0, 255).astype(np.uint8)
