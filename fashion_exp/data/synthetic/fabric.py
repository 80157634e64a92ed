"""Cloth by the metre."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fashion_exp.data.synthetic.colours import Colour, Pixels, dye, dye_unlike
from fashion_exp.data.synthetic.patterns import PATTERNS, TEXTURES
from fashion_exp.data.synthetic.random_choices import one_of, pick

_WEIGHTS = {
    "plain": 0.44, "melange": 0.1, "across": 0.11, "upright": 0.07, "checks": 0.1,
    "dots": 0.05, "flowers": 0.07, "blots": 0.03, "nordic": 0.03,
}  # fmt: skip


@dataclass(frozen=True)
class Fabric:
    """A pattern's tile (TILE x TILE RGB) and its side in garment units; what goes with it.

    The trim is for ribbed bands, the thread for buttons, belts and emblems.
    """

    tile: Pixels
    repeat: float
    trim: Colour
    thread: Colour


def weave(rng: np.random.Generator, texture: str) -> Fabric:
    """Cloth of a random colour and pattern in the given texture."""
    ground = dye(rng)
    # Tone on tone or in full contrast.
    quiet = one_of(rng, 0.0, 0.0, 0.4, 0.65)
    second, third = (
        dye_unlike(rng, ground, least) * (1 - quiet) + ground * quiet for least in (45, 30)
    )
    tile = PATTERNS[pick(rng, _WEIGHTS)](rng, [ground, second, third])
    relief = TEXTURES[texture](rng)
    dark = ground.mean() < 90
    thread = np.clip(ground * (1.4 if dark else 0.5) + (70 if dark else 0), 0, 250)
    return Fabric(
        tile=cv2.multiply(tile, cv2.merge((relief, relief, relief)), dtype=cv2.CV_8U),
        repeat=float(rng.uniform(0.55, 0.95)),
        trim=ground if rng.random() < 0.8 else second,
        thread=thread if rng.random() < 0.75 else second,
    )
