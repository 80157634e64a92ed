"""From a cut to pieces of cloth, bottom to top, in garment units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fashion_exp.data.drawing import trimmings
from fashion_exp.data.drawing.cuts import Cut
from fashion_exp.data.drawing.geometry import Points, closed, heading, mirror, spline
from fashion_exp.data.drawing.pieces import Piece, Seam, flipped

UNDERARM = 0.45


@dataclass(frozen=True)
class Arm:
    """How one sleeve lies: `raised` from straight down, `bend` at the elbow (degrees)."""

    raised: float
    bend: float
    over: bool

    @property
    def folded(self) -> bool:
        return self.bend < -75


def lay_arms(rng: np.random.Generator, hung: bool) -> tuple[Arm, Arm]:
    """Right and left: hanging down, spread, or folded over the front."""
    mean = rng.uniform(10, 26) if hung else rng.uniform(20, 50)
    over = mean < 30 and rng.random() < 0.8
    folded = not hung and rng.random() < 0.08
    if folded:
        arms = [Arm(rng.uniform(12, 26), -rng.uniform(90, 125), False) for _ in range(2)]
    else:
        arms = [
            Arm(mean + rng.normal(0, 4), rng.normal(-4 - 0.2 * mean, 9), over) for _ in range(2)
        ]
    return arms[0], arms[1]


def sew(cut: Cut, arms: tuple[Arm, Arm], rng: np.random.Generator) -> list[Piece]:
    """The pieces in the order in which they lie on each other."""
    lines = trimmings.Lines(neckline(cut), _armhole(cut), _side(cut), _hem(cut))
    pieces = trimmings.behind(cut, lines)
    over: list[Piece] = []
    if cut.sleeve > 0:
        for arm, flip in zip(arms, (False, True), strict=True):
            for piece, above in _sleeve(cut, arm, lines.hole):
                (over if above else pieces).append(flipped(piece) if flip else piece)
    pieces.append(_body(cut, lines))
    pieces += trimmings.on_top(cut, lines, rng)
    return pieces + over


def neckline(cut: Cut) -> Points:
    """From the right shoulder over the middle of the front to the left one."""
    t = np.linspace(1, -1, 17)
    if cut.neck == "strap":
        heart = 1 - np.abs(t) ** 1.5 - 0.6 * np.abs(np.sin(np.pi * t))
        return np.column_stack([(cut.neck_width + 0.05) * t, 0.12 + 0.6 * cut.neck_depth
                                + 0.1 * heart])  # fmt: skip
    return np.column_stack([cut.neck_width * t, cut.neck_depth * (1 - np.abs(t) ** cut.neck_power)])


def _side(cut: Cut) -> Points:
    """The right side seam, from the underarm to the hem."""
    hem_y = cut.length - max(cut.tail, 0)
    middle_y = 0.5 * (cut.length + cut.waist_y)
    return spline([(cut.chest, UNDERARM), (cut.waist, cut.waist_y), (cut.middle, middle_y),
                   (cut.hem, hem_y)])  # fmt: skip


def _hem(cut: Cut) -> Points:
    """The lower edge from right to left; full skirts ripple."""
    t = np.linspace(1, -1, 25)
    low = cut.length - max(cut.tail, 0) + cut.tail * (1 - np.abs(t) ** 2.2)
    if cut.hem > cut.chest * 1.15:
        low += 0.03 * cut.gathers * np.cos(t * np.pi * 5)
    return np.column_stack([cut.hem * t, low])


def _armhole(cut: Cut) -> Points:
    """From the right shoulder's tip to the underarm."""
    if cut.neck == "strap":
        top = neckline(cut)[0]
        return spline([top, (cut.chest * 0.9, 0.5 * (top[1] + UNDERARM)), (cut.chest, UNDERARM)])
    tip = cut.shoulder if cut.sleeve > 0 else cut.shoulder * 0.86
    return spline([(tip, cut.slope), (tip - 0.04, 0.25), (cut.chest, UNDERARM)])


def _body(cut: Cut, lines: trimmings.Lines) -> Piece:
    right = closed(lines.hole, lines.side)
    outline = closed(lines.neck[::-1], right, lines.hem, mirror(right))
    seams = [Seam([lines.hem - (0, 0.045)], tone=0.86)]
    if cut.sleeve > 0:
        seams.append(Seam([lines.hole, lines.hole * (-1, 1)], 0.016))
    if cut.waistline != "none":
        seams.append(Seam([lines.waist(cut.waist_y)], 0.016, 0.74))
    return Piece(outline, lift=0.05, seams=tuple(seams))


def _sleeve(cut: Cut, arm: Arm, hole: Points) -> list[tuple[Piece, bool]]:
    """The right sleeve's pieces, each with whether it lies over the body."""
    tip, under = hole[0], hole[-1]
    if arm.folded and cut.sleeve < 0.7:
        arm = Arm(arm.raised + 15, 0.0, False)
    seam = hole[::-1] - (0.03, 0)
    half = cut.sleeve / 2
    down, fore = heading(arm.raised), heading(arm.raised + arm.bend)
    elbow_wide = 0.55 * float(np.hypot(*(tip - under))) + cut.sleeve_end
    elbow = tip + down * half
    if arm.folded:
        upper = closed(np.array([tip, elbow]), (elbow + _inward(down) * elbow_wide)[None], seam)
        outer = np.array([elbow, elbow + fore * half])
        inner = outer + _inward(fore) * np.array([[elbow_wide], [2 * cut.sleeve_end]])
        lower = Piece(closed(inner, outer[::-1]), grain=arm.raised + arm.bend, lift=0.04)
        cuff = trimmings.cuff(cut, outer[1], inner[1], fore)
        return [(Piece(upper, grain=arm.raised, lift=0.04), False)] + [
            (piece, True) for piece in (lower, *cuff)
        ]
    bisector = _inward(down) + _inward(fore)
    wrist = elbow + fore * half
    wrist_in = wrist + _inward(fore) * 2 * cut.sleeve_end
    elbow_in = elbow + bisector / np.hypot(*bisector) * elbow_wide
    outline = closed(spline([tip, elbow, wrist]), spline([wrist_in, elbow_in, under]), seam)
    hem = Seam([np.array([wrist, wrist_in]) - fore * 0.045], tone=0.86)
    grain = arm.raised + arm.bend / 2
    sleeve = Piece(outline, grain=grain, lift=0.04, seams=(hem,))
    return [(piece, arm.over) for piece in (sleeve, *trimmings.cuff(cut, wrist, wrist_in, fore))]


def _inward(direction: Points) -> Points:
    return np.array([-direction[1], direction[0]])
