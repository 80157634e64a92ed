"""What makes a garment more than a silhouette: collars, cuffs, bands, pockets, buttons, belts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fashion_exp.data.drawing.cuts import Cut
from fashion_exp.data.drawing.geometry import Points, closed, mirror, offset, spline, strip
from fashion_exp.data.drawing.pieces import Piece, Seam, flipped

LABEL = (228, 222, 210)
BRASS = (186, 160, 104)


@dataclass(frozen=True)
class Lines:
    """The body's edges: neck and hem from right to left, armhole and side on the right."""

    neck: Points
    hole: Points
    side: Points
    hem: Points

    def waist(self, y: float) -> Points:
        """From right to left at a height, sagging a little in the middle."""
        t = np.linspace(1, -1, 9)
        width = np.interp(y, self.side[:, 1], self.side[:, 0])
        return np.column_stack([width * t, y + 0.03 * (1 - t**2)])


def behind(cut: Cut, lines: Lines) -> list[Piece]:
    """What shows above or through the neck: the hood, the back's inside with its label, straps."""
    if cut.neck == "strap":
        return _straps(lines)
    t = np.linspace(-1, 1, 9)
    back = np.column_stack([(cut.neck_width + 0.02) * t, -0.015 - 0.05 * (1 - t**2)])
    inside = Piece(closed(back, lines.neck + (0, 0.06)), tone=0.6, lift=0.01)
    label = Piece(_box(0, 0.025, 0.045, 0.03), LABEL, lift=0.003)
    return [*(_hood(cut) if cut.neck == "hood" else []), inside, label]


def on_top(cut: Cut, lines: Lines, rng: np.random.Generator) -> Iterator[Piece]:
    """Everything that lies on the body, in order."""
    if cut.hem_band:
        yield ribbed(lines.hem, lines.hem - (0, cut.hem_band))
    if cut.closure:
        yield _placket(cut, rng)
    if cut.pocket != "none":
        yield from _pockets(cut)
    if cut.waistline in ("belt", "tie"):
        yield from _belt(cut, lines.waist(cut.waist_y) * (1.03, 1), rng)
    if cut.neck == "rib":
        yield ribbed(lines.neck, offset(lines.neck, -0.065))
    elif cut.neck == "bound":
        yield Piece(strip(lines.neck, -0.03), tone=0.96, lift=0.006)
    elif cut.neck == "turtle":
        yield _turtle(cut)
    elif cut.neck == "leaf":
        yield from _collar(cut)


def cuff(cut: Cut, outer: Points, inner: Points, along: Points) -> list[Piece]:
    """The end of a sleeve whose edge runs from `outer` to `inner`, pointing `along`."""
    if cut.cuff == "plain":
        return []
    if cut.cuff == "rib":
        edge, inset = np.array([outer, inner]), 0.16 * (inner - outer)
        end = edge + along * 0.07 + np.array([inset, -inset])
        return [ribbed(end, edge - along * 0.03)]
    wide = (inner - outer) * (0.1 if cut.cuff == "rolled" else 0.05)
    edge = np.array([outer - wide, inner + wide])
    deep = 0.13 if cut.cuff == "rolled" else 0.09
    start, end = edge - along * deep * 0.6, edge + along * deep * 0.4
    seams = (Seam([start, end - along * 0.018]),)
    grain = float(np.rad2deg(np.arctan2(along[0], along[1])))
    if cut.cuff == "rolled":
        return [
            Piece(closed(start, end[::-1]), tone=0.92, lift=0.025, grain=grain + 90, seams=seams)
        ]
    button = ((start + end) / 2 * [[0.7], [0.3]]).sum(axis=0, keepdims=True)
    return [Piece(closed(start, end[::-1]), grain=grain, seams=seams, buttons=button)]


def ribbed(outer: Points, inner: Points) -> Piece:
    """A band of rib knit between two edges that run the same way."""
    steps = np.hypot(*np.diff(outer, axis=0).T)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    count = max(int(at[-1] / 0.036), 3)
    marks = (np.arange(count) + 0.5) / count * at[-1]
    ends = [np.column_stack([np.interp(marks, at, edge[:, k]) for k in (0, 1)])
            for edge in (outer, inner)]  # fmt: skip
    ribs = Seam(list(np.stack(ends, axis=1)), 0.016, 0.62)
    outline = closed(outer, inner[::-1])
    return Piece(outline, "trim", tone=0.94, lift=0.012, seams=(ribs, Seam([inner], 0.014, 0.74)))


def _box(x: float, y: float, half_width: float, half_height: float) -> Points:
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return corners * (half_width, half_height) + (x, y)


def _straps(lines: Lines) -> list[Piece]:
    x, top = lines.neck[0]
    back = Piece(
        closed(lines.neck, mirror(lines.neck) * (1, 0) + (0, top - 0.02)), tone=0.6, lift=0.01
    )
    line = spline([(x - 0.01, top + 0.02), (x * 0.94, top / 2), (x * 0.78, -0.02)])
    strap = Piece(strip(line, -0.04), lift=0.01)
    return [back, strap, flipped(strap)]


def _hood(cut: Cut) -> list[Piece]:
    w = cut.neck_width + 0.14
    right = spline([(0, -0.5), (w * 0.72, -0.42), (w * 1.08, -0.14), (w * 0.95, 0.1)])
    outline = closed(mirror(right), right)
    inside = outline * (0.66, 0.74) + (0, 0.02)
    return [Piece(outline, lift=0.04), Piece(inside, tone=0.55, lift=-0.03)]


def _turtle(cut: Cut) -> Piece:
    t = np.linspace(-1, 1, 9)
    width, high = cut.neck_width * 0.95, 0.12 + cut.neck_width * 0.4
    low = np.column_stack([width * 1.06 * t, 0.06 + 0.05 * (1 - t**2)])
    return ribbed(np.column_stack([width * t, -high - 0.02 * (1 - t**2)]), low)


def _collar(cut: Cut) -> list[Piece]:
    """The stand at the back, then two leaves that meet where the buttons begin."""
    w, d = cut.neck_width, cut.neck_depth
    t = np.linspace(-1, 1, 9)
    low = np.column_stack([(w + 0.03) * t, 0.02 - 0.05 * (1 - t**2)])
    high = np.column_stack([(w - 0.01) * t, -0.05 - 0.06 * (1 - t**2)])
    stand = Piece(closed(low, high[::-1]), tone=0.95, lift=0.01)
    tip = (w * 0.75 + 0.05, d + 0.13)
    fold = spline([(w - 0.015, -0.06), (w * 0.62, d * 0.5), (0.012, d)])
    edge = spline([tip, (w + 0.05, d * 0.55), (w + 0.06, 0.035)])
    stitches = Seam([closed(fold[-1:], edge) * (0.94, 0.97)], 0.014, 0.7)
    leaf = Piece(closed(fold, edge), tone=1.05, grain=25, lift=0.04, seams=(stitches,))
    return [stand, leaf, flipped(leaf)]


def _placket(cut: Cut, rng: np.random.Generator) -> Piece:
    top = cut.neck_depth - 0.01
    end = min(top + cut.closure * cut.length, cut.length + min(cut.tail, 0) - 0.01)
    outline = _box(0, (top + end) / 2, 0.045, (end - top) / 2)
    seams = (Seam([outline[[0, 3]], outline[[1, 2]], outline[[3, 2]]], tone=0.6),)
    heights = np.arange(top + 0.07, end - 0.04, rng.uniform(0.14, 0.22))
    buttons = np.column_stack([np.zeros_like(heights), heights])
    return Piece(outline, lift=0.012, seams=seams, buttons=buttons)


def _pockets(cut: Cut) -> Iterator[Piece]:
    if cut.pocket == "kangaroo":
        low, high, w = cut.length - 0.18, cut.length - 0.55, cut.chest * 0.55
        half = np.array([(w, low), (w, low - 0.14), (w * 0.6, high)])
        outline = closed(half, mirror(half))
        yield Piece(outline, seams=(Seam([outline], 0.014, 0.78),))
        return
    y = min(cut.waist_y + 0.25, cut.length - 0.3) if cut.pocket == "side" else 0.42
    x, w, h = cut.chest * 0.48, 0.11, 0.26
    outline = np.array([(x - w, y), (x + w, y), (x + w, y + h * 0.82), (x, y + h),
                        (x - w, y + h * 0.82)])  # fmt: skip
    flap = Seam([outline[[0, 1, 2, 3, 4, 0]], outline[:2] + (0, 0.04)], tone=0.78)
    pocket = Piece(outline, lift=0.012, seams=(flap,))
    yield pocket
    if cut.pocket != "left":
        yield flipped(pocket)


def _belt(cut: Cut, line: Points, rng: np.random.Generator) -> Iterator[Piece]:
    deep = 0.05 if cut.waistline == "tie" else 0.09
    yield Piece(closed(line - (0, deep / 2), line[::-1] + (0, deep / 2)), "thread")
    y = cut.waist_y + 0.03
    if cut.waistline == "belt":
        yield Piece(_box(0, y, 0.07, 0.06), BRASS, lift=0.01, soft=False)
        return
    for side in (-1, 1):
        tail = spline([(0, y), (side * 0.1, y + 0.16),
                       (side * rng.uniform(0.06, 0.2), y + rng.uniform(0.35, 0.55))])  # fmt: skip
        yield Piece(strip(tail, 0.045), "thread")
