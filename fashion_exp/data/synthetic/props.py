"""What a garment hangs on, and objects next to it."""

from __future__ import annotations

import numpy as np

from fashion_exp.data.synthetic.curves import (
    Points,
    band,
    box,
    join,
    mirror,
    rotation,
    shift,
    spline,
)
from fashion_exp.data.synthetic.cuts import Cut
from fashion_exp.data.synthetic.pieces import Material, Piece, Seam
from fashion_exp.data.synthetic.random_choices import choose, random_color

_STEEL = (130, 132, 136)
_LEATHER = (104, 70, 46)


def random_support(cut: Cut, rng: np.random.Generator) -> list[Piece]:
    """A hanger, a tailor's dummy, or nothing visible."""
    u = rng.random()
    return _hanger(cut, rng) if u < 0.6 else _dummy(cut, rng) if u < 0.8 else []


def _hanger(cut: Cut, rng: np.random.Generator) -> list[Piece]:
    """Two arms inside the shoulders and a hook above them."""
    wood = choose(rng, (150, 104, 62), (196, 160, 116), (40, 40, 44), (225, 225, 225))
    tip = cut.shoulder * 0.8
    top = spline([(-tip, cut.slope + 0.05), (0, -0.09), (tip, cut.slope + 0.05)])
    hook = spline([(0, -0.06), (0, -0.22), (0.075, -0.28), (0.02, -0.36), (-0.06, -0.31)])
    return [
        Piece(band(hook, 0.022), _STEEL, soft=False),
        Piece(join(top, shift(top[::-1], 0, 0.06)), wood, soft=False),
    ]


def _dummy(cut: Cut, rng: np.random.Generator) -> list[Piece]:
    """Neck and shoulders, with a cap."""
    linen = choose(rng, (214, 200, 178), (60, 58, 60), (228, 224, 220))
    w = min(cut.neck_width * 0.8, 0.17)
    right = spline([(w * 0.85, -0.3), (w * 0.8, -0.12), (cut.neck_width, 0.02), (0.3, 0.3)])
    top = spline([(-w, -0.29), (0, -0.34), (w, -0.29)])
    return [
        Piece(join(mirror(right), right), linen, lift=0.03, soft=False),
        Piece(join(top, np.array([(w, -0.27), (-w, -0.27)])), _LEATHER, soft=False),
    ]


def random_clutter(garment: list[Piece], rng: np.random.Generator) -> list[Piece]:
    """One or two objects at the edges of the garment in a fifth of the images."""
    pieces: list[Piece] = []
    if rng.random() < 0.2:
        corners = join(*(piece.outline for piece in garment))
        low, high = corners.min(axis=0), corners.max(axis=0)
        for _ in range(int(rng.integers(1, 3))):
            x = choose(rng, low[0] - rng.uniform(-0.05, 0.3), high[0] + rng.uniform(-0.05, 0.3))
            make = choose(rng, _book, _sprig, _folded_garment)
            position = np.array([x, rng.uniform(low[1], high[1])])
            pieces += make(position, rotation(rng.uniform(-60, 60)).T, rng)
    return pieces


def _book(position: Points, spin: Points, rng: np.random.Generator) -> list[Piece]:
    width, height = rng.uniform(0.15, 0.25), rng.uniform(0.25, 0.35)
    cover, title = box(0, 0, width, height), box(0, -0.4 * height, 0.6 * width, 0.12 * height)
    return [
        Piece(cover @ spin + position, _random_paint(rng), lift=0.05, soft=False),
        Piece(title @ spin + position, _random_paint(rng), lift=0.0, soft=False),
    ]


def _sprig(position: Points, spin: Points, rng: np.random.Generator) -> list[Piece]:
    """A twig with leaves."""
    green = (86 + int(rng.integers(30)), 122, 78)
    stem = band(spline([(0, -0.45), (0.03, 0), (0, 0.45)]), 0.02)
    leaf = spline([(0, 0), (0.07, 0.1), (0, 0.24), (-0.07, 0.1), (0, 0)])
    turns = [rotation(60 * (-1) ** k + rng.normal(0, 10)).T for k in range(6)]
    leaves = [shift(leaf @ turn, 0, -0.35 + 0.14 * k) for k, turn in enumerate(turns)]
    return [
        Piece(part @ spin + position, green, lift=0.006, soft=False) for part in (stem, *leaves)
    ]


def _folded_garment(position: Points, spin: Points, rng: np.random.Generator) -> list[Piece]:
    shape = spline([(-0.35, -0.25), (0.34, -0.27), (0.36, 0.25), (-0.34, 0.26), (-0.35, -0.25)], 3)
    edge = spline([(-0.34, 0.12), (0, 0.15), (0.35, 0.1)])
    seams = (Seam([edge @ spin + position], 0.03, 0.7),)
    return [Piece(shape @ spin + position, _random_paint(rng), lift=0.05, seams=seams)]


def _random_paint(rng: np.random.Generator) -> Material:
    r, g, b = random_color(rng).astype(int).tolist()
    return r, g, b
