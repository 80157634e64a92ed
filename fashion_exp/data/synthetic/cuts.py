"""The cut of a dress, pullover or shirt: its measures and the parts sewn on.

Lengths are garment units: a chest is about 1 wide, and y = 0 is the highest shoulder point. The
classes overlap in every measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fashion_exp.data.synthetic.random_choices import choose, choose_weighted


@dataclass(frozen=True)
class Cut:
    """Half-widths, heights (y) and the parts sewn on.

    `neck_power` shapes the neckline: 1 is a V, 2.5 round, 6 square. `middle` is the half-width
    halfway between waist and hem: less than their mean for a mermaid line, more for a bell.
    """

    length: float
    chest: float
    waist: float
    waist_y: float
    middle: float
    hem: float
    tail: float
    shoulder: float
    slope: float
    neck_width: float
    neck_depth: float
    neck_power: float
    sleeve: float
    sleeve_end: float
    gathers: float
    neck: str = "bound"
    closure: float = 0.0
    cuff: str = "plain"
    hem_band: float = 0.0
    waistline: str = "none"
    pocket: str = "none"
    texture: str = "jersey"


PARTS = frozenset({"neck", "closure", "cuff", "hem_band", "waistline", "pocket", "texture"})
"""Fields of a cut that are not interpolated: a part is sewn on or not."""


def random_dress(rng: np.random.Generator) -> Cut:
    """Sleeveless to long-sleeved, sheath to A-line to mermaid, mini to maxi."""
    line = choose_weighted(rng, {"sheath": 0.25, "a_line": 0.4, "flared": 0.2, "mermaid": 0.15})
    sleeves = choose_weighted(rng, {"strap": 0.22, "none": 0.3, "short": 0.33, "long": 0.15})
    length = rng.triangular(1.6, 2.1, 2.8)
    chest = rng.uniform(0.42, 0.52)
    waist = chest * rng.uniform(0.72, 0.96)
    hem = {
        "sheath": chest * rng.uniform(0.85, 1.1),
        "a_line": waist + (length - 0.8) * rng.uniform(0.18, 0.34),
        "flared": waist + (length - 0.8) * rng.uniform(0.34, 0.52),
        "mermaid": chest * rng.uniform(1.1, 1.5),
    }[line]
    bow = {"sheath": 0.04, "a_line": 0.0, "flared": 0.05, "mermaid": -0.16}[line]
    return Cut(
        length=length, chest=chest, waist=waist, waist_y=rng.uniform(0.62, 0.95),
        middle=(waist + hem) / 2 + bow + rng.uniform(-0.02, 0.02),
        hem=hem, tail=choose(rng, 0.0, 0.0, -0.12, 0.08),
        shoulder=rng.uniform(0.34, 0.45), slope=rng.uniform(0.05, 0.12),
        neck_width=rng.uniform(0.14, 0.28), neck_depth=rng.uniform(0.1, 0.36),
        neck_power=choose(rng, 1.0, 1.3, 2.5, 2.5, 6.0),
        sleeve={
            "strap": 0.0, "none": 0.0,
            "short": rng.uniform(0.22, 0.5), "long": rng.uniform(0.85, 1.4),
        }[sleeves],
        sleeve_end=rng.uniform(0.1, 0.19),
        gathers={"sheath": 0.15, "a_line": 0.7, "flared": 1.0, "mermaid": 0.5}[line],
        neck="strap" if sleeves == "strap"
        else choose_weighted(rng, {"bound": 0.86, "rib": 0.08, "collar": 0.06}),
        closure=_random_closure(rng, full=0.06, half=0.05),
        cuff=choose_weighted(rng, {"plain": 0.8, "band": 0.1, "rib": 0.1}),
        waistline=choose_weighted(rng, {"none": 0.3, "seam": 0.35, "belt": 0.2, "tie": 0.15}),
        pocket=choose_weighted(rng, {"none": 0.92, "side": 0.08}),
        texture=choose_weighted(rng, {"jersey": 0.5, "weave": 0.36, "knit": 0.09, "rib": 0.05}),
    )  # fmt: skip


def random_pullover(rng: np.random.Generator) -> Cut:
    """Long sleeves and ribbed edges; crew, V or turtle neck, or hood; fitted to oversized."""
    chest = rng.uniform(0.44, 0.6)
    waist = chest * rng.uniform(0.9, 1.03)
    hem = chest * rng.uniform(0.84, 1.04)
    neck = choose_weighted(rng, {"rib": 0.52, "turtle": 0.25, "hood": 0.15, "bound": 0.08})
    is_deep = rng.random() < 0.4
    return Cut(
        length=rng.triangular(1.05, 1.25, 1.85), chest=chest, waist=waist,
        waist_y=rng.uniform(0.75, 0.95), middle=(waist + hem) / 2 + rng.uniform(0.0, 0.05),
        hem=hem, tail=choose(rng, 0.0, 0.0, 0.04),
        shoulder=rng.uniform(0.4, 0.52), slope=rng.uniform(0.06, 0.16),
        neck_width=rng.uniform(0.14, 0.24),
        neck_depth=0.05 if neck == "turtle"
        else rng.uniform(0.22, 0.38) if is_deep else rng.uniform(0.08, 0.18),
        neck_power=1.1 if is_deep and neck == "rib" else 2.5,
        sleeve=rng.uniform(1.1, 1.45) if rng.random() < 0.88 else rng.uniform(0.55, 0.9),
        sleeve_end=rng.uniform(0.09, 0.15), gathers=rng.uniform(0.0, 0.25), neck=neck,
        closure=_random_closure(rng, full=0.02, half=0.05),
        cuff=choose_weighted(rng, {"rib": 0.92, "plain": 0.08}),
        hem_band=rng.uniform(0.06, 0.16) if rng.random() < 0.9 else 0.0,
        pocket=choose_weighted(rng, {"none": 0.4, "kangaroo": 0.6}) if neck == "hood" else "none",
        texture=choose_weighted(
            rng, {"jersey": 0.2, "weave": 0.05, "knit": 0.35, "rib": 0.15, "cable": 0.25}
        ),
    )  # fmt: skip


def random_shirt(rng: np.random.Generator) -> Cut:
    """Collar and placket; long, rolled or short sleeves; straight or curved hem."""
    chest = rng.uniform(0.44, 0.58)
    waist = chest * rng.uniform(0.84, 1.0)
    hem = chest * rng.uniform(0.94, 1.1)
    is_long = rng.random() < 0.6
    return Cut(
        length=rng.triangular(1.15, 1.4, 1.85), chest=chest, waist=waist,
        waist_y=rng.uniform(0.75, 0.95), middle=(waist + hem) / 2,
        hem=hem, tail=rng.uniform(0.06, 0.2) if rng.random() < 0.6 else 0.0,
        shoulder=rng.uniform(0.4, 0.5), slope=rng.uniform(0.06, 0.14),
        neck_width=rng.uniform(0.14, 0.2), neck_depth=rng.uniform(0.12, 0.3), neck_power=1.2,
        sleeve=rng.uniform(0.95, 1.4) if is_long else rng.uniform(0.3, 0.55),
        sleeve_end=rng.uniform(0.11, 0.15) if is_long else rng.uniform(0.16, 0.21),
        gathers=rng.uniform(0.0, 0.3),
        neck=choose_weighted(rng, {"collar": 0.94, "bound": 0.06}),
        closure=_random_closure(rng, full=0.9, half=0.09),
        cuff=choose_weighted(
            rng, {"band": 0.7, "rolled": 0.3} if is_long else {"plain": 0.8, "band": 0.2}
        ),
        pocket=choose_weighted(rng, {"none": 0.45, "left": 0.35, "both": 0.2}),
        texture=choose_weighted(rng, {"jersey": 0.2, "weave": 0.74, "knit": 0.03, "rib": 0.03}),
    )  # fmt: skip


def _random_closure(rng: np.random.Generator, full: float, half: float) -> float:
    """The length of the button placket as a fraction of the garment's length."""
    u = rng.random()
    return 1.0 if u < full else rng.uniform(0.25, 0.4) if u < full + half else 0.0


def interpolate(first: Cut, second: Cut, weight: float, rng: np.random.Generator) -> Cut:
    """An ambiguous cut: measures are weighted means, each part comes from either cut."""
    mixed: dict[str, Any] = {}
    for field in fields(Cut):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if field.name in PARTS:
            mixed[field.name] = b if rng.random() < weight else a
        else:
            mixed[field.name] = (1 - weight) * a + weight * b
    if mixed["neck"] == "strap":  # only dresses have straps
        mixed["neck"] = "bound"
    return Cut(**mixed)


CUTS: Sequence[Callable[[np.random.Generator], Cut]] = (random_dress, random_pullover, random_shirt)
"""One function per class."""
