"""Light and camera. What light does to a pixel is worked out for all pieces at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fashion_exp.data.synthetic.backdrop import Backdrop, seen
from fashion_exp.data.synthetic.colours import Pixels
from fashion_exp.data.synthetic.fabric import Fabric
from fashion_exp.data.synthetic.layout import HEIGHT, NEUTRAL, SUBPIXEL, Layout, View, lay
from fashion_exp.data.synthetic.patterns import TILE
from fashion_exp.data.synthetic.pieces import Fold, Piece
from fashion_exp.data.synthetic.random_choices import Floats, soft_noise

GRID = 96
"""Side of the grid on which folds are modelled, whatever the picture's size."""


@dataclass(frozen=True)
class Light:
    """Where it comes from (a unit vector in the picture's plane) and how hard it is (0 to 1)."""

    x: float
    y: float
    hardness: float


@dataclass(frozen=True)
class Scene:
    """All that there is to see, in no pixels yet; `heights` is the cloth's on GRID x GRID."""

    pieces: list[Piece]
    view: View
    fabric: Fabric
    backdrop: Backdrop
    light: Light
    heights: Floats


def light_from(rng: np.random.Generator, upright: bool) -> Light:
    """From above before a wall, from anywhere over a floor."""
    a = rng.uniform(-2.8, -0.35) if upright else rng.uniform(-np.pi, np.pi)
    return Light(float(np.cos(a)), float(np.sin(a)), float(rng.uniform(0.1, 1.0)))


def fold_heights(view: View, folds: list[Fold], rng: np.random.Generator) -> Floats:
    """Height of the cloth on a GRID x GRID raster of the picture."""
    fine, broad = np.zeros((2, GRID, GRID), dtype=np.float32)
    lines = view.place([fold.line for fold in folds], GRID)
    for line, fold in zip(lines, folds, strict=True):
        target, thick = fine if fold.width < 0.05 else broad, fold.width * view.scale * GRID
        cv2.polylines(
            target, [line], False, fold.height, max(1, round(thick)), cv2.LINE_8, SUBPIXEL
        )
    heights = cv2.GaussianBlur(fine, (0, 0), 1.0) + cv2.GaussianBlur(broad, (0, 0), 2.0) * 1.8
    return heights + 0.3 * soft_noise(rng, 9, GRID) + 0.12 * soft_noise(rng, 26, GRID)


def shoot(scene: Scene, side: int) -> Pixels:
    """The lit scene on side x side pixels, uint8 RGB."""
    light, unit = scene.light, scene.view.scale * side
    layout = lay(scene.pieces, scene.view, side)
    albedo, tone = seen(scene.backdrop, side)
    slope_x = cv2.Sobel(scene.heights, cv2.CV_32F, 1, 0, scale=0.25)
    slope_y = cv2.Sobel(scene.heights, cv2.CV_32F, 0, 1, scale=0.25)
    u, v = _threads(scene.view, slope_x, slope_y, side)
    _dress(albedo, layout.number, scene, (u, v), unit)
    lit = (slope_x * light.x + slope_y * light.y) * (0.35 + 0.5 * light.hardness)
    folds = cv2.resize(np.clip(lit, -0.35, 0.55), (side, side))
    cv2.copyTo(_garment_tone(layout, scene.pieces, folds), layout.number, tone)
    tone *= _relief(layout.height, unit, light)
    if scene.backdrop.upright:
        tone *= _cast_shadow(layout.number, light, scene.backdrop.depth)
    return cv2.multiply(albedo, cv2.merge((tone, tone, tone)), dtype=cv2.CV_8U)


def _threads(view: View, slope_x: Floats, slope_y: Floats, side: int) -> tuple[Floats, Floats]:
    """Garment coordinates of every pixel; folds bend the pattern."""
    h = np.linalg.inv(view.homography).astype(np.float32)
    steps = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID
    x, y = steps[None], steps[:, None]
    w = 1 / (h[2, 0] * x + (h[2, 1] * y + h[2, 2]))
    u = (h[0, 0] * x + (h[0, 1] * y + h[0, 2])) * w + slope_x * 0.02
    v = (h[1, 0] * x + (h[1, 1] * y + h[1, 2])) * w + slope_y * 0.02
    return cv2.resize(u, (side, side)), cv2.resize(v, (side, side))


def _dress(
    albedo: Pixels, number: Pixels, scene: Scene, threads: tuple[Floats, Floats], unit: float
) -> None:
    """Paint every piece's material over the backdrop's, within the box that holds them."""
    left, top, wide, high = cv2.boundingRect(number)
    window = np.s_[top : top + high, left : left + wide]
    number = np.ascontiguousarray(number[window])
    u, v = threads[0][window], threads[1][window]
    grain = np.deg2rad([piece.grain for piece in scene.pieces])
    c, s = _by_piece(np.cos(grain).tolist(), number), _by_piece(np.sin(grain).tolist(), number)
    worn = _pattern(scene.fabric, u * c - v * s, u * s + v * c, unit)
    colours, is_plain = _plain_colours(scene.pieces, scene.fabric)
    plain = cv2.LUT(cv2.merge((number, number, number)), colours)
    cv2.copyTo(plain, cv2.LUT(number, is_plain), worn)
    albedo[window] = cv2.copyTo(worn, number, albedo[window].copy())


def _plain_colours(pieces: list[Piece], fabric: Fabric) -> tuple[Pixels, Pixels]:
    """By piece number: the colour of what has no pattern, and whether it has none."""
    known = {"trim": fabric.trim, "thread": fabric.thread}
    colours, is_plain = np.zeros((256, 1, 3), dtype=np.uint8), np.zeros(256, dtype=np.uint8)
    for k, material in enumerate([*(piece.material for piece in pieces), "thread"], 1):
        if material != "tile":
            colours[k] = known[material] if isinstance(material, str) else material
            is_plain[k] = 1
    return colours, is_plain


def _by_piece(values: Sequence[float], number: Pixels, button: float = 1.0) -> Floats:
    """Each pixel's value from one per piece; 0 on the backdrop."""
    table = np.zeros(256, dtype=np.float32)
    table[1 : len(values) + 2] = [*values, button]
    return cv2.LUT(number, table)


def _pattern(fabric: Fabric, u: Floats, v: Floats, unit: float) -> Pixels:
    """The cloth's colours at garment coordinates (u, v), `unit` pixels being 1."""
    side = max(8, round(fabric.repeat * unit))
    shrink = cv2.INTER_AREA if side < TILE else cv2.INTER_LINEAR
    tile = cv2.resize(fabric.tile, (side, side), interpolation=shrink)
    # OpenCV's own wrapping takes five times as long as a tile with one more row and column.
    tile = cv2.copyMakeBorder(tile, 0, 1, 0, 1, cv2.BORDER_WRAP)
    u, v = u * (1 / fabric.repeat), v * (1 / fabric.repeat)
    u, v = (u - np.floor(u)) * side, (v - np.floor(v)) * side
    return cv2.remap(tile, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _garment_tone(layout: Layout, pieces: list[Piece], folds: Floats) -> Floats:
    tone = _by_piece([piece.tone / NEUTRAL for piece in pieces], layout.number, 1 / NEUTRAL)
    soft = _by_piece([float(piece.soft) for piece in pieces], layout.number, 0.3)
    return tone * layout.ink * (1 - folds * soft)


def _relief(levels: Pixels, unit: float, light: Light) -> Floats:
    """What stands above its surroundings has a lit edge, a dark edge, and casts a shadow."""
    height = levels.astype(np.float32) * (1 / HEIGHT)
    soft = cv2.GaussianBlur(height, (0, 0), 0.02 * unit)
    edge = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=light.x * unit / 8)
    edge += cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=light.y * unit / 8)
    edge *= -(0.25 + 0.3 * light.hardness)
    edge[height < soft] = 0
    half = cv2.resize(height, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    around = _shifted(cv2.GaussianBlur(half, (0, 0), 0.0175 * unit), light, 0.025 * unit)
    shadow = cv2.resize(around, height.shape) - height
    shadow = np.clip(shadow * 14, 0, 1) * (0.25 + 0.25 * light.hardness)
    return (1 + np.clip(edge, -0.4, 0.3)) * (1 - shadow)


def _cast_shadow(number: Pixels, light: Light, depth: float) -> Floats:
    """The shadow on the wall of what hangs `depth` picture sides before it."""
    mask = cv2.resize(np.minimum(number, 1).astype(np.float32), (64, 64))
    soft = cv2.GaussianBlur(_shifted(mask, light, depth * 64), (0, 0), 0.6 + depth * 25)
    shadow = cv2.resize(soft, number.shape) * (0.2 + 0.3 * light.hardness)
    return 1 - shadow * (number == 0)


def _shifted(image: Floats, light: Light, distance: float) -> Floats:
    """The image moved away from the light by a distance in pixels."""
    move = np.array([[1, 0, -light.x * distance], [0, 1, -light.y * distance]])
    return cv2.warpAffine(image, move, image.shape)


def expose(pixels: Pixels, size: int, light: Light, rng: np.random.Generator) -> Pixels:
    """The photograph, size x size: uneven light, vignette, white balance, blur and noise."""
    fall = _uneven(light, rng)
    if rng.random() < 0.12:
        fall *= _window_light(rng)
    fall = cv2.resize(fall, (size, size))
    warmth, exposure = rng.uniform(-0.06, 0.06), rng.uniform(0.88, 1.15)
    balance = (1 + rng.normal(0, 0.03, 3) + np.array([warmth, 0, -warmth])) * exposure
    blur, noise = rng.uniform(0, 0.0045) * size, rng.uniform(1, 3.5)
    image = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
    gains = cv2.merge([fall * gain for gain in balance.tolist()])
    image = cv2.multiply(image, gains, dtype=cv2.CV_32F)
    if blur > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    grain = rng.standard_normal((size, size), dtype=np.float32) * noise
    return cv2.add(image, cv2.merge((grain, grain, grain)), dtype=cv2.CV_8U)


def _uneven(light: Light, rng: np.random.Generator) -> Floats:
    """Brighter towards the light, darker in the corners."""
    steps = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID - 0.5
    x, y = steps[None], steps[:, None]
    slope, vignette = rng.uniform(0, 0.35), rng.uniform(0, 0.45)
    fall = 1 + slope * (light.x * x + light.y * y) - vignette * (x * x + y * y)
    return fall.astype(np.float32)


def _window_light(rng: np.random.Generator) -> Floats:
    """Sun through a window: four bright panes, slanting."""
    panes = np.zeros((GRID, GRID), dtype=np.float32)
    corners = np.array([(0, 0), (0.42, 0), (0.42, 0.42), (0, 0.42)])
    slant = np.array([[1, rng.uniform(-0.5, 0.5)], [rng.uniform(-0.5, 0.5), 1]])
    at, wide = rng.uniform(0.1, 0.6, 2), rng.uniform(0.4, 0.8)
    for pane in ((0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5)):
        points = ((corners + pane) * wide @ slant + at) * GRID
        cv2.fillPoly(panes, [np.rint(points).astype(np.int32)], 1.0)
    soft = cv2.GaussianBlur(panes, (0, 0), rng.uniform(1, 3))
    return 0.86 + soft * rng.uniform(0.2, 0.4)
