"""The camera's view, and the pieces rasterized as a map of their numbers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fashion_exp.data.synthetic.curves import Points, join, project, rotation
from fashion_exp.data.synthetic.pieces import Piece, Seam
from fashion_exp.data.synthetic.random_choices import Pixels

NEUTRAL = 128
"""Gray level of `Layout.ink` that leaves the brightness unchanged."""
HEIGHT_LEVELS = 200.0
"""Gray levels per garment unit of height."""
SUBPIXEL_BITS = 4
"""Fractional bits of OpenCV's fixed-point coordinates."""


@dataclass(frozen=True)
class View:
    """Maps garment units to fractions of the image's side; `scale` is the approximate factor.

    `swing` moves the hem sideways. `wave` bends all lines slightly: amplitude, two frequencies,
    two phases.
    """

    homography: NDArray[np.float64]
    scale: float
    swing: float
    wave: tuple[float, float, float, float, float]

    def to_pixels(self, curves: list[Points], side: int) -> list[NDArray[np.int32]]:
        """Each curve on an image of side × side pixels, in OpenCV's fixed-point coordinates."""
        points = join(*curves)
        x, y = points[:, 0], points[:, 1]
        amplitude, fx, fy, px, py = self.wave
        low = np.maximum(y - 0.4, 0)
        bent = np.empty_like(points)
        bent[:, 0] = x + self.swing * low**1.5 + amplitude * np.sin(fy * y + px) * (low + 0.3)
        bent[:, 1] = y + amplitude * np.sin(fx * x + py)
        fixed = project(bent, self.homography) * (side * 2**SUBPIXEL_BITS) - 2 ** (
            SUBPIXEL_BITS - 1
        )
        pixels = np.rint(fixed).astype(np.int32)
        return np.split(pixels, np.cumsum([len(curve) for curve in curves])[:-1])


def random_view(garment: list[Piece], upright: bool, rng: np.random.Generator) -> View:
    """A rotated, shifted and tilted view that the garment nearly fills; sometimes cropped."""
    corners = join(*(piece.outline for piece in garment))
    low, high = corners.min(axis=0), corners.max(axis=0)
    fill = rng.uniform(0.8, 0.98) if rng.random() < 0.88 else rng.uniform(1.0, 1.2)
    scale = fill / float((high - low).max())
    slack = np.maximum(1 - (high - low) * scale, 0.08)
    center = 0.5 + rng.uniform(-0.25, 0.25, 2) * slack
    placement = np.eye(3)
    placement[:2, :2] = rotation(rng.normal(0, 2 if upright else 5)) * scale
    placement[:2, 0] *= rng.uniform(0.9, 1.1)
    placement[:2, 2] = center - placement[:2, :2] @ ((low + high) / 2)
    tilt = np.eye(3)
    tilt[2, :2] = rng.normal(0, 0.05, 2)
    tilt[2, 2] = 1 - tilt[2, :2].sum() / 2
    fx, fy, px, py = rng.uniform((2, 2, 0, 0), (5, 5, 6.3, 6.3)).tolist()
    return View(
        homography=tilt @ placement,
        scale=scale,
        swing=rng.normal(0, 0.06),
        wave=(rng.uniform(0.005, 0.025), fx, fy, px, py),
    )


@dataclass(frozen=True)
class Layout:
    """Per pixel: the number of the topmost piece, the tone of lines, the height in gray levels.

    Number 0 is the backdrop; buttons have the number after the last piece's.
    """

    number: Pixels
    ink: Pixels
    height: Pixels


def rasterize(pieces: list[Piece], view: View, side: int) -> Layout:
    """Draws the pieces on side × side pixels, the last on top."""
    curves = [piece.outline for piece in pieces]
    for piece in pieces:
        curves += [line for seam in piece.seams for line in seam.lines]
        curves += [] if piece.buttons is None else [piece.buttons]
    pixels = iter(view.to_pixels(curves, side))
    outlines = [next(pixels) for _ in pieces]
    number, height = np.zeros((2, side, side), dtype=np.uint8)
    layout = Layout(number, np.full((side, side), NEUTRAL, dtype=np.uint8), height)
    unit, top = view.scale * side, 0.0
    for k, (piece, outline) in enumerate(zip(pieces, outlines, strict=True), 1):
        top = min(top + piece.lift * HEIGHT_LEVELS, 250)
        for target, value in ((number, k), (height, round(top)), (layout.ink, NEUTRAL)):
            cv2.fillPoly(target, [outline], value, cv2.LINE_8, SUBPIXEL_BITS)
        for seam in piece.seams:
            _draw_seam(layout.ink, seam, [next(pixels) for _ in seam.lines], unit)
        for center in [] if piece.buttons is None else next(pixels).tolist():
            radius = round(max(0.9, 0.03 * unit) * 2**SUBPIXEL_BITS)
            for target, value in ((number, len(pieces) + 1), (height, round(top) + 4)):
                cv2.circle(target, center, radius, value, cv2.FILLED, cv2.LINE_8, SUBPIXEL_BITS)
    return layout


def _draw_seam(ink: Pixels, seam: Seam, lines: list[NDArray[np.int32]], unit: float) -> None:
    """Draws lines `unit` times the seam's width; lines below a pixel are fainter instead."""
    width = seam.width * unit
    tone = 1 + (seam.tone - 1) * min(1.0, width)
    level, thickness = round(tone * NEUTRAL), max(1, round(width))
    cv2.polylines(ink, lines, False, level, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
