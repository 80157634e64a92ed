"""The embedded data set: drawn photographs of dresses, pullovers and shirts.

Every property of an image is a function of its seed and index alone, so that a smaller data set is
the beginning of a larger one; the two shares only say from which of an item's numbers on it counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashion_exp.data.drawing import backdrop, cuts, fabric, props, sewing, studio
from fashion_exp.data.drawing.geometry import turn
from fashion_exp.data.drawing.pieces import Piece

CLASSES = ("Dress", "Pullover", "Shirt")
GENERATOR_VERSION = 1
"""Part of every image's id: to be raised with any change of the pixels."""

_PLANNING, _DRAWING = 0, 1


@dataclass(frozen=True)
class Item:
    """One image to be: `label` is what the user is told, `true_label` what is drawn."""

    image_id: str
    label: int
    true_label: int
    ambiguous: bool
    index: int
    seed: int


def plan(per_class: int, seed: int, mislabelled: float, ambiguous: float) -> list[Item]:
    """The items of a data set, classes in turn; the shares (0 to 1) are expected, and nested."""
    return [_item(index, seed, mislabelled, ambiguous) for index in range(per_class * len(CLASSES))]


def _item(index: int, seed: int, mislabelled: float, ambiguous: float) -> Item:
    rng = np.random.default_rng((seed, index, _PLANNING))
    true_label = index % len(CLASSES)
    wrong = (true_label + int(rng.integers(1, len(CLASSES)))) % len(CLASSES)
    label = wrong if rng.random() < mislabelled else true_label
    return Item(
        image_id=f"garments-v{GENERATOR_VERSION}-{seed}-{index:06d}",
        label=label,
        true_label=true_label,
        ambiguous=bool(rng.random() < ambiguous),
        index=index,
        seed=seed,
    )


def draw(item: Item, size: int) -> NDArray[np.uint8]:
    """The item's photograph: uint8 RGB of shape (size, size, 3), the same scene at every size."""
    rng = np.random.default_rng((item.seed, item.index, _DRAWING))
    cut = _cut(item, rng)
    cloth = fabric.weave(rng, cut.texture)
    scenery = backdrop.paint(rng, cloth.tile[::8, ::8].mean(axis=(0, 1)))
    light = _light(rng, scenery.upright)
    garment = sewing.sew(cut, sewing.lay_arms(rng, scenery.upright), rng)
    view = _view(garment, scenery.upright, rng)
    pieces = _surroundings(cut, garment, scenery.upright, rng) + garment
    heights = studio.fold_heights(view, studio.creases(cut, rng), rng)
    layout = studio.lay(pieces, view, 2 * size if size < 150 else 3 * size // 2)
    scene = studio.shoot(layout, pieces, view, cloth, scenery, light, heights)
    return studio.expose(scene, size, light, rng)


def _surroundings(cut: cuts.Cut, garment: list[Piece], upright: bool,
                  rng: np.random.Generator) -> list[Piece]:  # fmt: skip
    if upright:
        chance = rng.random()
        return (props.hanger(cut, rng) if chance < 0.6 else
                props.mannequin(cut, rng) if chance < 0.8 else [])  # fmt: skip
    if rng.random() > 0.2:
        return []
    corners = np.concatenate([piece.outline for piece in garment])
    return props.clutter(corners.min(axis=0), corners.max(axis=0), rng)


def _cut(item: Item, rng: np.random.Generator) -> cuts.Cut:
    cut = cuts.TAILORS[item.true_label](rng)
    if not item.ambiguous:
        return cut
    other = (item.true_label + int(rng.integers(1, len(CLASSES)))) % len(CLASSES)
    return cuts.between(cut, cuts.TAILORS[other](rng), rng.uniform(0.35, 0.6), rng)


def _light(rng: np.random.Generator, upright: bool) -> studio.Light:
    angle = rng.uniform(-160, -20) if upright else rng.uniform(-180, 180)
    a = np.deg2rad(angle)
    return studio.Light(float(np.cos(a)), float(np.sin(a)), float(rng.uniform(0.1, 1.0)))


def _view(pieces: list[Piece], upright: bool, rng: np.random.Generator) -> studio.View:
    """Fill the frame more or less, turned, shifted and tilted."""
    corners = np.concatenate([piece.outline for piece in pieces])
    low, high = corners.min(axis=0), corners.max(axis=0)
    fill = rng.uniform(0.8, 0.98) if rng.random() < 0.88 else rng.uniform(1.0, 1.2)
    scale = fill / float((high - low).max())
    spin = turn(rng.normal(0, 2 if upright else 5))
    slack = np.maximum(1 - (high - low) * scale, 0.08)
    centre = 0.5 + rng.uniform(-0.25, 0.25, 2) * slack
    place = np.eye(3)
    place[:2, :2] = spin * scale * np.array([rng.uniform(0.9, 1.1), 1.0])
    place[:2, 2] = centre - place[:2, :2] @ ((low + high) / 2)
    tilt = np.eye(3)
    tilt[2, :2] = rng.normal(0, 0.05, 2)
    tilt[2, 2] = 1 - tilt[2, :2] @ np.array([0.5, 0.5])
    fx, fy, px, py = rng.uniform((2, 2, 0, 0), (5, 5, 6.3, 6.3))
    wave = (rng.uniform(0.005, 0.025), fx, fy, px, py)
    return studio.View(tilt @ place, scale, rng.normal(0, 0.06), wave)
