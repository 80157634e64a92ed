"""What a garment hangs on, and what lies about beside it."""

from __future__ import annotations

import numpy as np

from fashion_exp.data.drawing.cuts import Cut
from fashion_exp.data.drawing.fabric import dye, one_of
from fashion_exp.data.drawing.geometry import Points, closed, mirror, spline, strip, turn
from fashion_exp.data.drawing.pieces import Material, Piece, Seam

_HANGERS: list[Material] = [(150, 104, 62), (196, 160, 116), (40, 40, 44), (225, 225, 225)]
_LINEN: list[Material] = [(214, 200, 178), (60, 58, 60), (228, 224, 220)]


def hanger(cut: Cut, rng: np.random.Generator) -> list[Piece]:
    """Two sloping arms inside the shoulders and a hook above them."""
    wood = _HANGERS[int(rng.integers(len(_HANGERS)))]
    tip = cut.shoulder * 0.93
    bar = closed(
        spline([(-tip, cut.slope + 0.04), (0, -0.1), (tip, cut.slope + 0.04)]),
        spline([(tip, cut.slope + 0.09), (0, -0.02), (-tip, cut.slope + 0.09)]),
    )
    hook = spline([(0, -0.06), (0, -0.22), (0.075, -0.28), (0.02, -0.36), (-0.06, -0.31)])
    steel: Material = (130, 132, 136)
    return [Piece(strip(hook, 0.022), steel, soft=False), Piece(bar, wood, soft=False)]


def mannequin(cut: Cut, rng: np.random.Generator) -> list[Piece]:
    """A tailor's dummy: neck with its cap, and a stand."""
    linen = _LINEN[int(rng.integers(len(_LINEN)))]
    w = min(cut.neck_width * 0.8, 0.17)
    right = spline([(w * 0.85, -0.3), (w * 0.8, -0.12), (cut.neck_width, 0.02), (0.3, 0.3)])
    neck = Piece(closed(mirror(right), right), linen, lift=0.03, soft=False)
    cap = Piece(
        closed(spline([(-w, -0.29), (0, -0.34), (w, -0.29)]), spline([(w, -0.27), (-w, -0.27)])),
        (104, 70, 46), soft=False,
    )  # fmt: skip
    pole = np.array([(-0.025, 0.9), (0.025, 0.9), (0.025, cut.length + 1.5),
                     (-0.025, cut.length + 1.5)])  # fmt: skip
    return [Piece(pole, (90, 84, 80), soft=False), neck, cap]


def clutter(low: Points, high: Points, rng: np.random.Generator) -> list[Piece]:
    """One or two things at the edge of a box that holds the garment."""
    pieces: list[Piece] = []
    for _ in range(int(rng.integers(1, 3))):
        side = one_of(rng, -1, 1)
        x = (high[0] if side > 0 else low[0]) + side * rng.uniform(-0.05, 0.3)
        at = np.array([x, rng.uniform(low[1], high[1])])
        make = (_book, _sprig, _folded)[int(rng.integers(3))]
        pieces += make(at, turn(rng.uniform(-60, 60)), rng)
    return pieces


def _book(at: Points, spin: Points, rng: np.random.Generator) -> list[Piece]:
    half = np.array([rng.uniform(0.15, 0.25), rng.uniform(0.25, 0.35)])
    cover = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    title = np.array([(-0.6, -0.5), (0.6, -0.5), (0.6, -0.25), (-0.6, -0.25)]) * half
    return [Piece(cover @ spin.T + at, _paint(rng), lift=0.06, soft=False),
            Piece(title @ spin.T + at, _paint(rng), lift=0.0, soft=False)]  # fmt: skip


def _sprig(at: Points, spin: Points, rng: np.random.Generator) -> list[Piece]:
    """A twig with leaves."""
    green: Material = (86 + int(rng.integers(30)), 122, 78)
    leaf = spline([(0, 0), (0.07, 0.1), (0, 0.24), (-0.07, 0.1), (0, 0)])
    stem = strip(spline([(0, -0.45), (0.03, 0), (0, 0.45)]), 0.02)
    leaves = [leaf @ turn(60 * (-1) ** k + rng.normal(0, 10)).T + (0, -0.35 + 0.14 * k)
              for k in range(6)]  # fmt: skip
    return [Piece(part @ spin.T + at, green, lift=0.03, soft=False) for part in (stem, *leaves)]


def _folded(at: Points, spin: Points, rng: np.random.Generator) -> list[Piece]:
    """Another garment, folded."""
    shape = spline([(-0.35, -0.25), (0.34, -0.27), (0.36, 0.25), (-0.34, 0.26), (-0.35, -0.25)], 3)
    edge = Seam([spline([(-0.34, 0.12), (0, 0.15), (0.35, 0.1)]) @ spin.T + at], 0.03, 0.7)
    return [Piece(shape @ spin.T + at, _paint(rng), lift=0.07, seams=(edge,))]


def _paint(rng: np.random.Generator) -> Material:
    r, g, b = dye(rng).astype(int).tolist()
    return r, g, b
