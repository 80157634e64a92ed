"""Where everything lies in the picture: the camera's view, and the pieces as a map of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from fashion_exp.data.synthetic.colours import Pixels
from fashion_exp.data.synthetic.curves import Points, project, turn
from fashion_exp.data.synthetic.pieces import Piece, Seam

NEUTRAL = 128
"""Grey level of ink that leaves a tone as it is."""
HEIGHT = 200.0
"""Grey levels per garment unit of height."""
SUBPIXEL = 4
"""Binary places of the fixed-point coordinates that OpenCV draws with."""


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
        placed = project(bent, self.homography) * (side * 2**SUBPIXEL) - 2 ** (SUBPIXEL - 1)
        pixels = np.rint(placed).astype(np.int32)
        ends = np.cumsum([len(a) for a in arrays]).tolist()
        return [pixels[a:b] for a, b in pairwise([0, *ends])]


def frame(garment: list[Piece], upright: bool, rng: np.random.Generator) -> View:
    """A view that the garment fills more or less: turned, shifted, tilted, sometimes cropped."""
    corners = np.concatenate([piece.outline for piece in garment])
    low, high = corners.min(axis=0), corners.max(axis=0)
    fill = rng.uniform(0.8, 0.98) if rng.random() < 0.88 else rng.uniform(1.0, 1.2)
    scale = fill / float((high - low).max())
    slack = np.maximum(1 - (high - low) * scale, 0.08)
    centre = 0.5 + rng.uniform(-0.25, 0.25, 2) * slack
    place = np.eye(3)
    place[:2, :2] = turn(rng.normal(0, 2 if upright else 5)) * scale
    place[:2, 0] *= rng.uniform(0.9, 1.1)
    place[:2, 2] = centre - place[:2, :2] @ ((low + high) / 2)
    tilt = np.eye(3)
    tilt[2, :2] = rng.normal(0, 0.05, 2)
    tilt[2, 2] = 1 - tilt[2, :2].sum() / 2
    fx, fy, px, py = rng.uniform((2, 2, 0, 0), (5, 5, 6.3, 6.3)).tolist()
    return View(
        homography=tilt @ place,
        scale=scale,
        swing=rng.normal(0, 0.06),
        wave=(rng.uniform(0.005, 0.025), fx, fy, px, py),
    )


@dataclass(frozen=True)
class Layout:
    """What lies where: the piece's number, the tones of lines, the heights in grey levels.

    Number 0 is the backdrop; buttons have the number after the last piece's.
    """

    number: Pixels
    ink: Pixels
    height: Pixels


def lay(pieces: list[Piece], view: View, side: int) -> Layout:
    """The pieces on side x side pixels, the last on top."""
    arrays = [piece.outline for piece in pieces]
    for piece in pieces:
        arrays += [line for seam in piece.seams for line in seam.lines]
        arrays += [] if piece.buttons is None else [piece.buttons]
    placed = iter(view.place(arrays, side))
    outlines = [next(placed) for _ in pieces]
    number, height = np.zeros((2, side, side), dtype=np.uint8)
    layout = Layout(number, np.full((side, side), NEUTRAL, dtype=np.uint8), height)
    unit, top = view.scale * side, 0.0
    for k, (piece, outline) in enumerate(zip(pieces, outlines, strict=True), 1):
        top = min(top + piece.lift * HEIGHT, 250)
        for target, value in ((number, k), (height, round(top)), (layout.ink, NEUTRAL)):
            cv2.fillPoly(target, [outline], value, cv2.LINE_8, SUBPIXEL)
        for seam in piece.seams:
            _sew(layout.ink, seam, [next(placed) for _ in seam.lines], unit)
        for centre in [] if piece.buttons is None else next(placed).tolist():
            radius = round(max(0.9, 0.03 * unit) * 2**SUBPIXEL)
            for target, value in ((number, len(pieces) + 1), (height, round(top) + 4)):
                cv2.circle(target, centre, radius, value, cv2.FILLED, cv2.LINE_8, SUBPIXEL)
    return layout


def _sew(ink: Pixels, seam: Seam, lines: list[NDArray[np.int32]], unit: float) -> None:
    """Draw lines whose width is `unit` times the seam's; below a pixel they are fainter instead."""
    wide = seam.width * unit
    tone = 1 + (seam.tone - 1) * min(1.0, wide)
    level, thick = round(tone * NEUTRAL), max(1, round(wide))
    cv2.polylines(ink, lines, False, level, thick, cv2.LINE_AA, SUBPIXEL)
