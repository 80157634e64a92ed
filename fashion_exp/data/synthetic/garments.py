"""The embedded data set: drawn photographs of dresses, pullovers and shirts.

Every property of an image is a function of its seed and index alone, so that a smaller data set is
the beginning of a larger one. The shares only say up to which of its own numbers an item is
mislabelled or ambiguous: a larger share adds items and takes none away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fashion_exp.data.synthetic import backdrop, cuts, fabric, layout, props, sewing, studio
from fashion_exp.data.synthetic.colours import Pixels

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
    """The items of a data set, classes in turn; the shares (0 to 1) hold on average."""
    count = per_class * len(CLASSES)
    return [_item(index, seed, mislabelled, ambiguous) for index in range(count)]


def _item(index: int, seed: int, mislabelled: float, ambiguous: float) -> Item:
    rng = np.random.default_rng((seed, index, _PLANNING))
    true_label = index % len(CLASSES)
    wrong_label = _another_class(true_label, rng)
    return Item(
        image_id=f"garments-v{GENERATOR_VERSION}-{seed}-{index:06d}",
        label=wrong_label if rng.random() < mislabelled else true_label,
        true_label=true_label,
        ambiguous=bool(rng.random() < ambiguous),
        index=index,
        seed=seed,
    )


def _another_class(label: int, rng: np.random.Generator) -> int:
    return (label + int(rng.integers(1, len(CLASSES)))) % len(CLASSES)


def draw(item: Item, size: int) -> Pixels:
    """The item's photograph: uint8 RGB of shape (size, size, 3), the same scene at every size."""
    rng = np.random.default_rng((item.seed, item.index, _DRAWING))
    scene = _compose(item, rng)
    pixels = studio.shoot(scene, _working_side(size))
    return studio.expose(pixels, size, scene.light, rng)


def _compose(item: Item, rng: np.random.Generator) -> studio.Scene:
    cut = _cut(item, rng)
    cloth = fabric.weave(rng, cut.texture)
    scenery = backdrop.paint(rng, cloth.tile[::8, ::8].mean(axis=(0, 1)))
    light = studio.light_from(rng, scenery.upright)
    support = props.support(cut, rng) if scenery.upright else []
    garment = sewing.sew(cut, sewing.lay_arms(rng, scenery.upright), support, rng)
    view = layout.frame(garment, scenery.upright, rng)
    beside = [] if scenery.upright else props.clutter(garment, rng)
    heights = studio.fold_heights(view, sewing.creases(cut, rng), rng)
    return studio.Scene([*beside, *garment], view, cloth, scenery, light, heights)


def _cut(item: Item, rng: np.random.Generator) -> cuts.Cut:
    cut = cuts.TAILORS[item.true_label](rng)
    if not item.ambiguous:
        return cut
    other = cuts.TAILORS[_another_class(item.true_label, rng)](rng)
    return cuts.between(cut, other, rng.uniform(0.35, 0.6), rng)


def _working_side(size: int) -> int:
    """Everything is drawn larger and then averaged down; large pictures need less of it."""
    return 2 * size if size < 150 else 3 * size // 2
