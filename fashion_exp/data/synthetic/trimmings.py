"""Details of a garment: collars, cuffs, bands, pockets, buttons, belts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fashion_exp.data.synthetic.curves import Points, band, box, join, mirror, offset, shift, spline
from fashion_exp.data.synthetic.cuts import Cut
from fashion_exp.data.synthetic.pieces import Piece, Seam

_LABEL = (228, 222, 210)
_BRASS = (186, 160, 104)
_T = np.linspace(-1, 1, 9)
_ARCH = 1 - _T**2


@dataclass(frozen=True)
class Edges:
    """Edges of the body: neck and hem from right to left, armhole and side on the right."""

    neck: Points
    armhole: Points
    side: Points
    hem: Points

    def waist(self, y: float) -> Points:
        """A line from left to right at a height, slightly lower in the middle."""
        width = np.interp(y, self.side[:, 1], self.side[:, 0])
        return np.column_stack([width * _T, y + 0.03 * _ARCH])


def back_pieces(cut: Cut, edges: Edges) -> list[Piece]:
    """What is visible above or through the neck: hood, inside of the back, label, straps."""
    if cut.neck == "strap":
        return _straps(edges)
    back = np.column_stack([(cut.neck_width + 0.02) * _T, -0.015 - 0.05 * _ARCH])
    inside = Piece(join(back, shift(edges.neck, 0, 0.06)), tone=0.6, lift=0.01)
    label = Piece(box(0, 0.025, 0.045, 0.03), _LABEL, lift=0.003)
    around = {"hood": _hood, "collar": _collar_stand}.get(cut.neck)
    return [*(around(cut) if around else []), inside, label]


def front_pieces(cut: Cut, edges: Edges, rng: np.random.Generator) -> Iterator[Piece]:
    """The pieces on top of the body, in order."""
    if cut.hem_band:
        yield rib_band(edges.hem, shift(edges.hem, 0, -cut.hem_band))
    if rng.random() < 0.06:
        yield _emblem(cut, rng)
    if cut.closure:
        yield _placket(cut, rng)
    if cut.pocket != "none":
        yield from _pockets(cut)
    if cut.waistline in ("belt", "tie"):
        yield from _belt(cut, edges.waist(cut.waist_y) * (1.03, 1), rng)
    if cut.neck == "rib":
        yield rib_band(edges.neck, offset(edges.neck, -0.065))
    elif cut.neck == "bound":
        yield Piece(band(edges.neck, -0.03), tone=0.96, lift=0.006)
    elif cut.neck == "turtle":
        yield _turtleneck(cut)
    elif cut.neck == "collar":
        yield from _collar(cut)


def cuff(cut: Cut, outer: Points, inner: Points, along: Points) -> list[Piece]:
    """The end of a sleeve with an edge from `outer` to `inner`, pointing `along`."""
    if cut.cuff == "plain":
        return []
    edge, across = np.array([outer, inner]), inner - outer
    if cut.cuff == "rib":
        end = edge + along * 0.07 + np.array([0.16 * across, -0.16 * across])
        return [rib_band(end, edge - along * 0.03)]
    is_rolled = cut.cuff == "rolled"
    depth, widening = (0.13, 0.1) if is_rolled else (0.09, 0.05)
    edge = edge + np.array([-across, across]) * widening
    start, end = edge - along * depth * 0.6, edge + along * depth * 0.4
    piece = Piece(
        join(start, end[::-1]),
        tone=0.92 if is_rolled else 1.0,
        grain=float(np.rad2deg(np.arctan2(along[0], along[1]))) + (90 if is_rolled else 0),
        seams=(Seam([start, end - along * 0.018]),),
        buttons=None if is_rolled else (start + end)[:1] / 2 + across * 0.3,
    )
    return [piece]


def rib_band(outer: Points, inner: Points) -> Piece:
    """A band of rib knit between two edges of the same direction."""
    steps = np.hypot(*np.diff(outer, axis=0).T)
    distance = np.concatenate([[0.0], np.cumsum(steps)])
    count = max(int(distance[-1] / 0.036), 3)
    marks = (np.arange(count) + 0.5) * (distance[-1] / count)
    ends = [np.interp(marks, distance, edge[:, k]) for edge in (outer, inner) for k in (0, 1)]
    ribs = np.stack(ends, axis=1).reshape(count, 2, 2)
    seams = (Seam(list(ribs), 0.016, 0.62), Seam([inner], 0.014, 0.7))
    return Piece(join(outer, inner[::-1]), "trim", tone=0.9, lift=0.012, seams=seams)


def _straps(edges: Edges) -> list[Piece]:
    """The upper edge of the back, lower than the front, and two shoulder straps."""
    x, top = edges.neck[0]
    back = np.array([(x, top - 0.02), (-x, top - 0.02)])
    inside = Piece(join(edges.neck, back[::-1]), tone=0.6, lift=0.01)
    line = spline([(x - 0.01, top + 0.02), (x * 0.94, top / 2), (x * 0.78, -0.02)])
    strap = Piece(band(line, -0.04), lift=0.01)
    return [inside, strap, strap.mirrored()]


def _hood(cut: Cut) -> list[Piece]:
    w = cut.neck_width + 0.14
    right = spline([(0, -0.5), (w * 0.72, -0.42), (w * 1.08, -0.14), (w * 0.95, 0.1)])
    outline = join(mirror(right), right)
    inside = shift(outline * (0.66, 0.74), 0, 0.02)
    return [Piece(outline, lift=0.04), Piece(inside, tone=0.55, lift=-0.03)]


def _turtleneck(cut: Cut) -> Piece:
    width, height = cut.neck_width * 0.95, 0.12 + cut.neck_width * 0.4
    low = np.column_stack([width * 1.06 * _T, 0.06 + 0.05 * _ARCH])
    return rib_band(np.column_stack([width * _T, -height - 0.02 * _ARCH]), low)


def _collar_stand(cut: Cut) -> list[Piece]:
    """The back of a collar."""
    low = np.column_stack([(cut.neck_width + 0.03) * _T, 0.02 - 0.05 * _ARCH])
    high = np.column_stack([(cut.neck_width - 0.01) * _T, -0.05 - 0.06 * _ARCH])
    return [Piece(join(low, high[::-1]), tone=0.95, lift=0.01)]


def _collar(cut: Cut) -> list[Piece]:
    """Two leaves that meet at the first button."""
    w, d = cut.neck_width, cut.neck_depth
    fold = spline([(w - 0.015, -0.08), (w * 0.62, d * 0.5), (0.012, d)])
    edge = spline([(w * 0.75 + 0.05, d + 0.13), (w + 0.05, d * 0.55), (w + 0.06, 0.035)])
    stitches = Seam([join(fold[-1:], edge) * (0.94, 0.97)], 0.014, 0.7)
    leaf = Piece(join(fold, edge), tone=1.05, grain=25, lift=0.04, seams=(stitches,))
    return [leaf, leaf.mirrored()]


def _placket(cut: Cut, rng: np.random.Generator) -> Piece:
    top = cut.neck_depth - 0.01
    end = min(top + cut.closure * cut.length, cut.length + min(cut.tail, 0) - 0.01)
    outline = box(0, (top + end) / 2, 0.045, (end - top) / 2)
    seams = (Seam([outline[[0, 3]], outline[[1, 2]], outline[[3, 2]]], tone=0.6),)
    heights = np.arange(top + 0.07, end - 0.04, rng.uniform(0.14, 0.22))
    buttons = np.column_stack([np.zeros_like(heights), heights])
    return Piece(outline, lift=0.012, seams=seams, buttons=buttons)


def _pockets(cut: Cut) -> list[Piece]:
    if cut.pocket == "kangaroo":
        low, high, w = cut.length - 0.18, cut.length - 0.55, cut.chest * 0.55
        half = np.array([(w, low), (w, low - 0.14), (w * 0.6, high)])
        outline = join(half, mirror(half))
        return [Piece(outline, seams=(Seam([outline], 0.014, 0.78),))]
    y = min(cut.waist_y + 0.25, cut.length - 0.3) if cut.pocket == "side" else 0.42
    bag = np.array([(-0.11, 0), (0.11, 0), (0.11, 0.21), (0, 0.26), (-0.11, 0.21), (-0.11, 0)])
    outline = shift(bag, cut.chest * 0.48, y)
    seams = (Seam([outline, shift(outline[:2], 0, 0.04)], tone=0.78),)
    pocket = Piece(outline, lift=0.012, seams=seams)
    return [pocket] if cut.pocket == "left" else [pocket, pocket.mirrored()]


def _belt(cut: Cut, line: Points, rng: np.random.Generator) -> Iterator[Piece]:
    depth = 0.05 if cut.waistline == "tie" else 0.09
    yield Piece(join(shift(line, 0, -depth / 2), shift(line[::-1], 0, depth / 2)), "thread")
    y = cut.waist_y + 0.03
    if cut.waistline == "belt":
        yield Piece(box(0, y, 0.07, 0.06), _BRASS, lift=0.01, soft=False)
        return
    for side in (-1, 1):
        end = (side * rng.uniform(0.06, 0.2), y + rng.uniform(0.35, 0.55))
        yield Piece(band(spline([(0, y), (side * 0.1, y + 0.16), end]), 0.045), "thread")


def _emblem(cut: Cut, rng: np.random.Generator) -> Piece:
    """A heart or a star: large on the chest, or small next to the buttons."""
    a = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    if rng.random() < 0.5:
        x = np.sin(a) ** 3
        y = -(13 * np.cos(a) - 5 * np.cos(2 * a) - 2 * np.cos(3 * a) - np.cos(4 * a)) / 16
    else:
        radius = np.where(np.arange(20) % 4 == 0, 1.1, np.where(np.arange(20) % 2, 0.72, 0.45))
        x, y = radius * np.sin(a), -radius * np.cos(a)
    center, size = ((0.26, 0.5), 0.07) if cut.closure else ((0.0, 0.62), rng.uniform(0.14, 0.22))
    return Piece(shift(np.column_stack([x, y]) * size, *center), "thread", lift=0.002)
