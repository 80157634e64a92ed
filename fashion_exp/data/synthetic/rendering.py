"""Light and camera. Lighting is computed for all pieces at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fashion_exp.data.synthetic.backdrop import Backdrop, render_backdrop
from fashion_exp.data.synthetic.layout import (
    HEIGHT_LEVELS,
    NEUTRAL,
    SUBPIXEL_BITS,
    Layout,
    View,
    rasterize,
)
from fashion_exp.data.synthetic.patterns import TILE, Fabric
from fashion_exp.data.synthetic.pieces import Fold, Piece
from fashion_exp.data.synthetic.random_choices import Floats, Pixels, smooth_noise

GRID = 96
"""Side of the grid on which folds and light are modeled, at every image size."""

_CENTERS = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID


@dataclass(frozen=True)
class Light:
    """Direction of the light (a unit vector in the image plane) and its hardness (0 to 1)."""

    x: float
    y: float
    hardness: float


@dataclass(frozen=True)
class Scene:
    """Everything in the image, in relative coordinates; `heights` (GRID, GRID) are the folds'."""

    pieces: list[Piece]
    view: View
    fabric: Fabric
    backdrop: Backdrop
    light: Light
    heights: Floats


def random_light(rng: np.random.Generator, upright: bool) -> Light:
    """From above if the backdrop is upright, else from any side."""
    a = rng.uniform(-2.8, -0.35) if upright else rng.uniform(-np.pi, np.pi)
    return Light(float(np.cos(a)), float(np.sin(a)), float(rng.uniform(0.1, 1.0)))


def fold_heights(view: View, folds: list[Fold], rng: np.random.Generator) -> Floats:
    """Height of the fabric on a (GRID, GRID) raster of the image."""
    fine, broad = np.zeros((2, GRID, GRID), dtype=np.float32)
    lines = view.to_pixels([fold.line for fold in folds], GRID)
    for line, fold in zip(lines, folds, strict=True):
        target, width = fine if fold.width < 0.05 else broad, fold.width * view.scale * GRID
        thickness = max(1, round(width))
        cv2.polylines(target, [line], False, fold.height, thickness, cv2.LINE_8, SUBPIXEL_BITS)
    heights = cv2.GaussianBlur(fine, (0, 0), 1.0) + cv2.GaussianBlur(broad, (0, 0), 2.0) * 1.8
    return heights + 0.3 * smooth_noise(rng, 9, GRID) + 0.12 * smooth_noise(rng, 26, GRID)


def render(scene: Scene, side: int) -> Pixels:
    """The lit scene, uint8 RGB (side, side, 3)."""
    light, unit = scene.light, scene.view.scale * side
    layout = rasterize(scene.pieces, scene.view, side)
    albedo, tone = render_backdrop(scene.backdrop, side)
    slope_x = cv2.Sobel(scene.heights, cv2.CV_32F, 1, 0, scale=0.25)
    slope_y = cv2.Sobel(scene.heights, cv2.CV_32F, 0, 1, scale=0.25)
    u, v = _fabric_coordinates(scene.view, slope_x, slope_y, side)
    _paint_pieces(albedo, layout.number, scene, u, v, unit)
    shading = (slope_x * light.x + slope_y * light.y) * (0.35 + 0.5 * light.hardness)
    shading = cv2.resize(np.clip(shading, -0.35, 0.55), (side, side))
    cv2.copyTo(_garment_tone(layout, scene.pieces, shading), layout.number, tone)
    tone *= _relief(layout.height, unit, light)
    if scene.backdrop.upright:
        tone *= _cast_shadow(layout.number, light, scene.backdrop.depth)
    return cv2.multiply(albedo, cv2.merge((tone, tone, tone)), dtype=cv2.CV_8U)


def _fabric_coordinates(
    view: View, slope_x: Floats, slope_y: Floats, side: int
) -> tuple[Floats, Floats]:
    """Garment coordinates of every pixel, displaced by folds."""
    h = np.linalg.inv(view.homography).astype(np.float32)
    x, y = _CENTERS[None], _CENTERS[:, None]
    w = 1 / (h[2, 0] * x + (h[2, 1] * y + h[2, 2]))
    u = (h[0, 0] * x + (h[0, 1] * y + h[0, 2])) * w + slope_x * 0.02
    v = (h[1, 0] * x + (h[1, 1] * y + h[1, 2])) * w + slope_y * 0.02
    return cv2.resize(u, (side, side)), cv2.resize(v, (side, side))


def _paint_pieces(
    albedo: Pixels, number: Pixels, scene: Scene, u: Floats, v: Floats, unit: float
) -> None:
    """Paints the material of every piece over the backdrop, within the pieces' bounding box."""
    left, top, width, height = cv2.boundingRect(number)
    window = np.s_[top : top + height, left : left + width]
    number = np.ascontiguousarray(number[window])
    u, v = u[window], v[window]
    grain = np.deg2rad([piece.grain for piece in scene.pieces])
    c, s = _by_piece(np.cos(grain).tolist(), number), _by_piece(np.sin(grain).tolist(), number)
    pixels = _sample_pattern(scene.fabric, u * c - v * s, u * s + v * c, unit)
    colors, is_plain = _plain_colors(scene.pieces, scene.fabric)
    plain = cv2.LUT(cv2.merge((number, number, number)), colors)
    cv2.copyTo(plain, cv2.LUT(number, is_plain), pixels)
    albedo[window] = cv2.copyTo(pixels, number, albedo[window].copy())


def _plain_colors(pieces: list[Piece], fabric: Fabric) -> tuple[Pixels, Pixels]:
    """Lookup tables by piece number: the color of pieces without a pattern, and which these are."""
    named = {"trim": fabric.trim, "thread": fabric.thread}
    colors, is_plain = np.zeros((256, 1, 3), dtype=np.uint8), np.zeros(256, dtype=np.uint8)
    for k, material in enumerate([*(piece.material for piece in pieces), "thread"], 1):
        if material != "tile":
            colors[k] = named[material] if isinstance(material, str) else material
            is_plain[k] = 1
    return colors, is_plain


def _by_piece(values: Sequence[float], number: Pixels, button: float = 1.0) -> Floats:
    """The value of each pixel's piece; 0 on the backdrop."""
    table = np.zeros(256, dtype=np.float32)
    table[1 : len(values) + 2] = [*values, button]
    return cv2.LUT(number, table)


def _sample_pattern(fabric: Fabric, u: Floats, v: Floats, unit: float) -> Pixels:
    """The fabric's colors at garment coordinates (u, v); `unit` is a garment unit in pixels."""
    side = max(8, round(fabric.repeat * unit))
    interpolation = cv2.INTER_AREA if side < TILE else cv2.INTER_LINEAR
    tile = cv2.resize(fabric.tile, (side, side), interpolation=interpolation)
    # One more row and column are five times as fast as OpenCV's own wrapping.
    tile = cv2.copyMakeBorder(tile, 0, 1, 0, 1, cv2.BORDER_WRAP)
    u, v = u * (1 / fabric.repeat), v * (1 / fabric.repeat)
    u, v = (u - np.floor(u)) * side, (v - np.floor(v)) * side
    return cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _garment_tone(layout: Layout, pieces: list[Piece], shading: Floats) -> Floats:
    tone = _by_piece([piece.tone / NEUTRAL for piece in pieces], layout.number, 1 / NEUTRAL)
    softness = _by_piece([float(piece.soft) for piece in pieces], layout.number, 0.3)
    return tone * layout.ink * (1 - shading * softness)


def _relief(levels: Pixels, unit: float, light: Light) -> Floats:
    """Lit and dark edges of raised pieces, and the shadows that they cast."""
    height = levels.astype(np.float32) * (1 / HEIGHT_LEVELS)
    blurred = cv2.GaussianBlur(height, (0, 0), 0.02 * unit)
    edge = cv2.Sobel(blurred, cv2.CV_32F, 1, 0, scale=light.x * unit / 8)
    edge += cv2.Sobel(blurred, cv2.CV_32F, 0, 1, scale=light.y * unit / 8)
    edge *= -(0.25 + 0.3 * light.hardness)
    edge[height < blurred] = 0
    half = cv2.resize(height, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    around = _shift(cv2.GaussianBlur(half, (0, 0), 0.0175 * unit), light, 0.025 * unit)
    shadow = cv2.resize(around, height.shape) - height
    shadow = np.clip(shadow * 14, 0, 1) * (0.25 + 0.25 * light.hardness)
    return (1 + np.clip(edge, -0.4, 0.3)) * (1 - shadow)


def _cast_shadow(number: Pixels, light: Light, depth: float) -> Floats:
    """The garment's shadow on a wall that is `depth` image sides behind it."""
    mask = cv2.resize(np.minimum(number, 1).astype(np.float32), (64, 64))
    soft = cv2.GaussianBlur(_shift(mask, light, depth * 64), (0, 0), 0.6 + depth * 25)
    shadow = cv2.resize(soft, number.shape) * (0.2 + 0.3 * light.hardness)
    return 1 - shadow * (number == 0)


def _shift(image: Floats, light: Light, distance: float) -> Floats:
    """The image moved away from the light, by pixels."""
    matrix = np.array([[1, 0, -light.x * distance], [0, 1, -light.y * distance]])
    return cv2.warpAffine(image, matrix, image.shape)


def photograph(pixels: Pixels, size: int, light: Light, rng: np.random.Generator) -> Pixels:
    """The image (size, size, 3) with uneven light, vignette, white balance, blur and noise."""
    falloff = _uneven_light(light, rng)
    if rng.random() < 0.12:
        falloff *= _window_light(rng)
    falloff = cv2.resize(falloff, (size, size))
    warmth, exposure = rng.uniform(-0.06, 0.06), rng.uniform(0.88, 1.15)
    balance = (1 + rng.normal(0, 0.03, 3) + np.array([warmth, 0, -warmth])) * exposure
    blur, noise = rng.uniform(0, 0.0045) * size, rng.uniform(1, 3.5)
    image = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
    gains = cv2.merge([falloff * gain for gain in balance.tolist()])
    image = cv2.multiply(image, gains, dtype=cv2.CV_32F)
    if blur > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    grain = rng.standard_normal((size, size), dtype=np.float32) * noise
    return cv2.add(image, cv2.merge((grain, grain, grain)), dtype=cv2.CV_8U)


def _uneven_light(light: Light, rng: np.random.Generator) -> Floats:
    """Brighter towards the light, darker in the corners."""
    x, y = _CENTERS[None] - 0.5, _CENTERS[:, None] - 0.5
    slope, vignette = rng.uniform(0, 0.35), rng.uniform(0, 0.45)
    falloff = 1 + slope * (light.x * x + light.y * y) - vignette * (x * x + y * y)
    return falloff.astype(np.float32)


def _window_light(rng: np.random.Generator) -> Floats:
    """Sunlight through a window: four bright, slanted panes."""
    panes = np.zeros((GRID, GRID), dtype=np.float32)
    corners = np.array([(0, 0), (0.42, 0), (0.42, 0.42), (0, 0.42)])
    slant = np.array([[1, rng.uniform(-0.5, 0.5)], [rng.uniform(-0.5, 0.5), 1]])
    position, width = rng.uniform(0.1, 0.6, 2), rng.uniform(0.4, 0.8)
    for pane in ((0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5)):
        points = ((corners + pane) * width @ slant + position) * GRID
        cv2.fillPoly(panes, [np.rint(points).astype(np.int32)], 1.0)
    soft = cv2.GaussianBlur(panes, (0, 0), rng.uniform(1, 3))
    return 0.86 + soft * rng.uniform(0.2, 0.4)
