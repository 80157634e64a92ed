"""Assembles a garment's pieces from its cut, bottom to top, in garment units; adds folds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fashion_exp.data.synthetic import trimmings
from fashion_exp.data.synthetic.curves import Points, direction, join, mirror, shift, spline
from fashion_exp.data.synthetic.cuts import Cut
from fashion_exp.data.synthetic.pieces import Fold, Piece, Seam

_UNDERARM_Y = 0.45


@dataclass(frozen=True)
class Arm:
    """The position of one sleeve: angle `raised` from straight down, `bend` at the elbow (deg)."""

    raised: float
    bend: float
    is_over: bool
    """Whether the sleeve lies on top of the body."""
    is_folded: bool


def random_arms(rng: np.random.Generator, upright: bool) -> tuple[Arm, Arm]:
    """The right and left sleeve: down, spread, or folded over the front."""
    mean = rng.uniform(10, 26) if upright else rng.uniform(20, 50)
    is_over = mean < 30 and rng.random() < 0.8
    if not upright and rng.random() < 0.08:
        right, left = (Arm(rng.uniform(12, 26), -rng.uniform(90, 125), False, True) for _ in "rl")
    else:
        right, left = (
            Arm(mean + rng.normal(0, 4), rng.normal(-4 - 0.2 * mean, 9), is_over, False)
            for _ in "rl"
        )
    return right, left


def assemble(
    cut: Cut, arms: tuple[Arm, Arm], support: list[Piece], rng: np.random.Generator
) -> list[Piece]:
    """The pieces in drawing order, including the support that the garment hangs on."""
    edges = trimmings.Edges(_neckline(cut), _armhole(cut), _side(cut), _hem(cut))
    back = trimmings.back_pieces(cut, edges)
    pieces = support + back if cut.neck == "strap" else back + support
    over: list[Piece] = []
    if cut.sleeve > 0:
        for arm, is_left in zip(arms, (False, True), strict=True):
            for piece, is_over in _sleeve(cut, arm, edges.armhole):
                (over if is_over else pieces).append(piece.mirrored() if is_left else piece)
    return [*pieces, _body(cut, edges), *trimmings.front_pieces(cut, edges, rng), *over]


def _neckline(cut: Cut) -> Points:
    """From the right shoulder over the middle of the front to the left shoulder."""
    t = np.linspace(1, -1, 17)
    if cut.neck == "strap":
        heart = 1 - np.abs(t) ** 1.5 - 0.6 * np.abs(np.sin(np.pi * t))
        y = 0.12 + 0.6 * cut.neck_depth + 0.1 * heart
        return np.column_stack([(cut.neck_width + 0.05) * t, y])
    return np.column_stack([cut.neck_width * t, cut.neck_depth * (1 - np.abs(t) ** cut.neck_power)])


def _armhole(cut: Cut) -> Points:
    """From the tip of the right shoulder to the underarm."""
    underarm = (cut.chest, _UNDERARM_Y)
    if cut.neck == "strap":
        top = _neckline(cut)[0]
        return spline([top, (cut.chest * 0.9, 0.5 * (top[1] + _UNDERARM_Y)), underarm])
    tip = cut.shoulder if cut.sleeve > 0 else cut.shoulder * 0.86
    return spline([(tip, cut.slope), (tip - 0.04, 0.25), underarm])


def _side(cut: Cut) -> Points:
    """The right side seam, from the underarm to the hem."""
    middle = (cut.middle, 0.5 * (cut.length + cut.waist_y))
    hem = (cut.hem, cut.length - max(cut.tail, 0))
    return spline([(cut.chest, _UNDERARM_Y), (cut.waist, cut.waist_y), middle, hem])


def _hem(cut: Cut) -> Points:
    """The lower edge from right to left; full skirts ripple."""
    t = np.linspace(1, -1, 25)
    y = cut.length - max(cut.tail, 0) + cut.tail * (1 - np.abs(t) ** 2.2)
    if cut.hem > cut.chest * 1.15:
        y += 0.03 * cut.gathers * np.cos(t * np.pi * 5)
    return np.column_stack([cut.hem * t, y])


def _body(cut: Cut, edges: trimmings.Edges) -> Piece:
    right = join(edges.armhole, edges.side)
    seams = [Seam([shift(edges.hem, 0, -0.045)], tone=0.86)]
    if cut.sleeve > 0:
        seams.append(Seam([edges.armhole, edges.armhole * (-1, 1)], 0.016))
    if cut.waistline != "none":
        seams.append(Seam([edges.waist(cut.waist_y)], 0.016, 0.74))
    outline = join(edges.neck[::-1], right, edges.hem, mirror(right))
    return Piece(outline, lift=0.05, seams=tuple(seams))


def _sleeve(cut: Cut, arm: Arm, armhole: Points) -> list[tuple[Piece, bool]]:
    """The pieces of the right sleeve, each with whether it lies over the body."""
    seam = shift(armhole[::-1], -0.03, 0)
    down = direction(arm.raised)
    elbow = armhole[0] + down * cut.sleeve / 2
    width = 0.55 * float(np.hypot(*(armhole[0] - armhole[-1]))) + cut.sleeve_end
    if arm.is_folded and cut.sleeve > 0.7:
        corner = elbow + _inward(down) * width
        upper = Piece(join(armhole[:1], elbow[None], corner[None], seam), grain=arm.raised)
        return [(upper, False), *((piece, True) for piece in _forearm(cut, arm, elbow, width))]
    bend = 0.0 if arm.is_folded else arm.bend
    forearm = direction(arm.raised + bend)
    wrist = elbow + forearm * cut.sleeve / 2
    inner_wrist = wrist + _inward(forearm) * 2 * cut.sleeve_end
    inner_elbow = elbow + _inward(direction(arm.raised + bend / 2)) * width
    outer, inner = (
        spline([armhole[0], elbow, wrist]),
        spline([inner_wrist, inner_elbow, armhole[-1]]),
    )
    hem = Seam([np.array([wrist, inner_wrist]) - forearm * 0.045], tone=0.86)
    grain = arm.raised + bend / 2
    sleeve = Piece(join(outer, inner, seam), grain=grain, lift=0.04, seams=(hem,))
    cuff = trimmings.cuff(cut, wrist, inner_wrist, forearm)
    return [(piece, arm.is_over) for piece in (sleeve, *cuff)]


def _forearm(cut: Cut, arm: Arm, elbow: Points, width: float) -> list[Piece]:
    """The lower half of a folded sleeve."""
    forearm = direction(arm.raised + arm.bend)
    outer = np.array([elbow, elbow + forearm * cut.sleeve / 2])
    inner = outer + _inward(forearm) * np.array([[width], [2 * cut.sleeve_end]])
    sleeve = Piece(join(inner, outer[::-1]), grain=arm.raised + arm.bend, lift=0.04)
    return [sleeve, *trimmings.cuff(cut, outer[1], inner[1], forearm)]


def _inward(along: Points) -> Points:
    """The direction across a right sleeve that points along `along`, towards the body."""
    return np.array([-along[1], along[0]])


def random_folds(cut: Cut, rng: np.random.Generator) -> list[Fold]:
    """Drapes below the waist, more for a fuller skirt, and creases anywhere."""
    drapes = round(cut.gathers * rng.uniform(6, 12))
    creases = int(rng.integers(5, 14))
    folds = [_drape(cut, t, rng) for t in np.linspace(-0.9, 0.9, drapes)]
    return folds + [_crease(cut, rng) for _ in range(creases)]


def _drape(cut: Cut, t: float, rng: np.random.Generator) -> Fold:
    shift, high, low, width, height = rng.random(5).tolist()
    t += 0.15 * (shift - 0.5)
    top, bottom = cut.waist_y + 0.35 * high, cut.length - 0.2 * low
    line = [(t * cut.waist, top), (t * cut.middle, (top + bottom) / 2), (t * cut.hem, bottom)]
    return Fold(np.array(line), 0.04 + 0.08 * width, 2.4 * height - 1.2)


def _crease(cut: Cut, rng: np.random.Generator) -> Fold:
    """A crease; above the waist it points from the armpit or side to the middle."""
    across, down, length, width, height = rng.random(5).tolist()
    x, y = (2 * across - 1) * cut.chest, 0.2 + down * (cut.length - 0.2)
    a = math.radians(rng.normal(math.copysign(50, x) if y < 0.9 else 0.0, 30))
    reach = 0.15 + 0.4 * length
    end_x, end_y = x - math.sin(a) * reach, y + math.cos(a) * reach
    bow_x, bow_y = rng.normal(0, 0.03, 2).tolist()
    line = [(x, y), ((x + end_x) / 2 + bow_x, (y + end_y) / 2 + bow_y), (end_x, end_y)]
    return Fold(np.array(line), 0.02 + 0.05 * width, (0.4 + height) * (1 if height < 0.5 else -0.7))
