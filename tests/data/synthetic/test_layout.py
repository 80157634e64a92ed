"""Pieces are drawn at the right place, in order, and independently of resolution."""

from __future__ import annotations

import numpy as np

from fashion_exp.data.synthetic.curves import box
from fashion_exp.data.synthetic.layout import NEUTRAL, View, random_view, rasterize
from fashion_exp.data.synthetic.pieces import Piece, Seam

IDENTITY = View(np.eye(3), 1.0, 0.0, (0.0, 1.0, 1.0, 0.0, 0.0))


def test_last_piece_is_on_top_and_covers_lines_below() -> None:
    line = Seam([np.array([(0.0, 0.5), (1.0, 0.5)])], 0.05, 0.5)
    below = Piece(box(0.5, 0.5, 0.4, 0.4), seams=(line,))
    above = Piece(box(0.5, 0.5, 0.2, 0.2), buttons=np.array([(0.5, 0.5)]))
    layout = rasterize([below, above], IDENTITY, 100)
    assert layout.number[50, 5] == 0 and layout.number[50, 20] == 1 and layout.number[40, 50] == 2
    assert layout.number[50, 50] == 3
    assert layout.ink[50, 20] < NEUTRAL == layout.ink[50, 40] == layout.ink[20, 50]
    assert 0 == layout.height[5, 5] < layout.height[20, 20] < layout.height[40, 40]


def test_piece_covers_the_same_area_at_every_resolution() -> None:
    piece = Piece(box(0.47, 0.52, 0.31, 0.23))
    areas = [(rasterize([piece], IDENTITY, side).number > 0).mean() for side in (64, 192, 448)]
    assert np.allclose(areas, 4 * 0.31 * 0.23, atol=0.02)


def test_line_below_a_pixel_is_fainter_not_wider() -> None:
    line = [np.array([(0.2, 0.505), (0.8, 0.505)])]
    contrasts = []
    for width in (0.02, 0.002):
        piece = Piece(box(0.5, 0.5, 0.4, 0.4), seams=(Seam(line, width, 0.5),))
        layout = rasterize([piece], IDENTITY, 100)
        contrasts.append(NEUTRAL - int(layout.ink[30:70, 50].min()))
    assert contrasts[0] > 4 * contrasts[1] > 0


def test_most_of_the_garment_is_inside_the_image() -> None:
    rng = np.random.default_rng(0)
    outline = box(0.0, 1.0, 0.4, 1.2)
    for upright in (False, True):
        for _ in range(50):
            (corners,) = random_view([Piece(outline)], upright, rng).to_pixels([outline], 100)
            inside = (corners > -16 * 12) & (corners < 16 * 112)
            assert inside.mean() >= 0.5
