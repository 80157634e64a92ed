"""From a cut to pieces of cloth, bottom to top, in garment units; and the folds in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fashion_exp.data.synthetic import trimmings
from fashion_exp.data.synthetic.curves import Points, closed, heading, mirror, moved, spline
from fashion_exp.data.synthetic.cuts import Cut
from fashion_exp.data.synthetic.pieces import Fold, Piece, Seam, flipped

UNDERARM = 0.45


@dataclass(frozen=True)
class Arm:
    """How one sleeve lies: `raised` from straight down, `bend` at the elbow (degrees)."""

    raised: float
    bend: float
    over: bool
    folded: bool


def lay_arms(rng: np.random.Generator, hung: bool) -> tuple[Arm, Arm]:
    """Right and left: hanging down, spread, or folded over the front."""
    mean = rng.uniform(10, 26) if hung else rng.uniform(20, 50)
    over = mean < 30 and rng.random() < 0.8
    if not hung and rng.random() < 0.08:
        right, left = (Arm(rng.uniform(12, 26), -rng.uniform(90, 125), False, True) for _ in "rl")
    else:
        right, left = (
            Arm(mean + rng.normal(0, 4), rng.normal(-4 - 0.2 * mean, 9), over, False) for _ in "rl"
        )
    return right, left


def sew(
    cut: Cut, arms: tuple[Arm, Arm], support: list[Piece], rng: np.random.Generator
) -> list[Piece]:
    """The pieces in the order in which they lie on each other, around what they hang on."""
    lines = trimmings.Lines(neckline(cut), _armhole(cut), _side(cut), _hem(cut))
    back = trimmings.behind(cut, lines)
    pieces = support + back if cut.neck == "strap" else back + support
    over: list[Piece] = []
    if cut.sleeve > 0:
        for arm, left in zip(arms, (False, True), strict=True):
            for piece, above in _sleeve(cut, arm, lines.hole):
                (over if above else pieces).append(flipped(piece) if left else piece)
    return [*pieces, _body(cut, lines), *trimmings.on_top(cut, lines, rng), *over]


def neckline(cut: Cut) -> Points:
    """From the right shoulder over the middle of the front to the left one."""
    t = np.linspace(1, -1, 17)
    if cut.neck == "strap":
        heart = 1 - np.abs(t) ** 1.5 - 0.6 * np.abs(np.sin(np.pi * t))
        return np.column_stack(
            [(cut.neck_width + 0.05) * t, 0.12 + 0.6 * cut.neck_depth + 0.1 * heart]
        )
    return np.column_stack([cut.neck_width * t, cut.neck_depth * (1 - np.abs(t) ** cut.neck_power)])


def _armhole(cut: Cut) -> Points:
    """From the right shoulder's tip to the underarm."""
    if cut.neck == "strap":
        top = neckline(cut)[0]
        return spline([top, (cut.chest * 0.9, 0.5 * (top[1] + UNDERARM)), (cut.chest, UNDERARM)])
    tip = cut.shoulder if cut.sleeve > 0 else cut.shoulder * 0.86
    return spline([(tip, cut.slope), (tip - 0.04, 0.25), (cut.chest, UNDERARM)])


def _side(cut: Cut) -> Points:
    """The right side seam, from the underarm to the hem."""
    middle = (cut.middle, 0.5 * (cut.length + cut.waist_y))
    hem = (cut.hem, cut.length - max(cut.tail, 0))
    return spline([(cut.chest, UNDERARM), (cut.waist, cut.waist_y), middle, hem])


def _hem(cut: Cut) -> Points:
    """The lower edge from right to left; full skirts ripple."""
    t = np.linspace(1, -1, 25)
    y = cut.length - max(cut.tail, 0) + cut.tail * (1 - np.abs(t) ** 2.2)
    if cut.hem > cut.chest * 1.15:
        y += 0.03 * cut.gathers * np.cos(t * np.pi * 5)
    return np.column_stack([cut.hem * t, y])


def _body(cut: Cut, lines: trimmings.Lines) -> Piece:
    right = closed(lines.hole, lines.side)
    seams = [Seam([moved(lines.hem, 0, -0.045)], tone=0.86)]
    if cut.sleeve > 0:
        seams.append(Seam([lines.hole, lines.hole * (-1, 1)], 0.016))
    if cut.waistline != "none":
        seams.append(Seam([lines.waist(cut.waist_y)], 0.016, 0.74))
    outline = closed(lines.neck[::-1], right, lines.hem, mirror(right))
    return Piece(outline, lift=0.05, seams=tuple(seams))


def _sleeve(cut: Cut, arm: Arm, hole: Points) -> list[tuple[Piece, bool]]:
    """The right sleeve's pieces, each with whether it lies over the body."""
    seam = moved(hole[::-1], -0.03, 0)
    down = heading(arm.raised)
    elbow = hole[0] + down * cut.sleeve / 2
    wide = 0.55 * float(np.hypot(*(hole[0] - hole[-1]))) + cut.sleeve_end
    if arm.folded and cut.sleeve > 0.7:
        corner = elbow + _inward(down) * wide
        upper = Piece(closed(hole[:1], elbow[None], corner[None], seam), grain=arm.raised)
        return [(upper, False), *((piece, True) for piece in _forearm(cut, arm, elbow, wide))]
    bend = 0.0 if arm.folded else arm.bend
    fore = heading(arm.raised + bend)
    wrist = elbow + fore * cut.sleeve / 2
    wrist_in = wrist + _inward(fore) * 2 * cut.sleeve_end
    elbow_in = elbow + _inward(heading(arm.raised + bend / 2)) * wide
    outline = closed(spline([hole[0], elbow, wrist]), spline([wrist_in, elbow_in, hole[-1]]), seam)
    hem = Seam([np.array([wrist, wrist_in]) - fore * 0.045], tone=0.86)
    sleeve = Piece(outline, grain=arm.raised + bend / 2, lift=0.04, seams=(hem,))
    return [(p, arm.over) for p in (sleeve, *trimmings.cuff(cut, wrist, wrist_in, fore))]


def _forearm(cut: Cut, arm: Arm, elbow: Points, wide: float) -> list[Piece]:
    """The lower half of a folded sleeve."""
    fore = heading(arm.raised + arm.bend)
    outer = np.array([elbow, elbow + fore * cut.sleeve / 2])
    inner = outer + _inward(fore) * np.array([[wide], [2 * cut.sleeve_end]])
    sleeve = Piece(closed(inner, outer[::-1]), grain=arm.raised + arm.bend, lift=0.04)
    return [sleeve, *trimmings.cuff(cut, outer[1], inner[1], fore)]


def _inward(direction: Points) -> Points:
    """Across a right sleeve that points in that direction, towards the body."""
    return np.array([-direction[1], direction[0]])


def creases(cut: Cut, rng: np.random.Generator) -> list[Fold]:
    """Drapes from the waist down, as many as the skirt is full, and pulls here and there."""
    drapes = round(cut.gathers * rng.uniform(6, 12))
    pulls = int(rng.integers(5, 14))
    return [_drape(cut, t, rng) for t in np.linspace(-0.9, 0.9, drapes)] + [
        _pull(cut, rng) for _ in range(pulls)
    ]


def _drape(cut: Cut, t: float, rng: np.random.Generator) -> Fold:
    shift, high, low, width, height = rng.random(5).tolist()
    t += 0.15 * (shift - 0.5)
    top, bottom = cut.waist_y + 0.35 * high, cut.length - 0.2 * low
    line = [(t * cut.waist, top), (t * cut.middle, (top + bottom) / 2), (t * cut.hem, bottom)]
    return Fold(np.array(line), 0.04 + 0.08 * width, 2.4 * height - 1.2)


def _pull(cut: Cut, rng: np.random.Generator) -> Fold:
    """A crease that points from the armpit or side to the middle, if above the waist."""
    across, down, length, width, height = rng.random(5).tolist()
    x, y = (2 * across - 1) * cut.chest, 0.2 + down * (cut.length - 0.2)
    a = math.radians(rng.normal(math.copysign(50, x) if y < 0.9 else 0.0, 30))
    reach = 0.15 + 0.4 * length
    end_x, end_y = x - math.sin(a) * reach, y + math.cos(a) * reach
    bow_x, bow_y = rng.normal(0, 0.03, 2).tolist()
    line = [(x, y), ((x + end_x) / 2 + bow_x, (y + end_y) / 2 + bow_y), (end_x, end_y)]
    return Fold(np.array(line), 0.02 + 0.05 * width, (0.4 + height) * (1 if height < 0.5 else -0.7))
