"""The embedded data set: drawn images of dresses, pullovers and shirts.

An image depends on its seed and index alone, so a smaller data set is the beginning of a larger
one. The fractions are thresholds for the item's own random numbers: a larger fraction makes more
items mislabeled or ambiguous and changes no others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fashion_exp.data.synthetic import backdrop, cuts, layout, patterns, props, rendering, sewing
from fashion_exp.data.synthetic.random_choices import Pixels

CLASSES = ("Dress", "Pullover", "Shirt")
GENERATOR_VERSION = 1
"""Part of every image id; increase it with any change of the pixels."""

_PLANNING, _DRAWING = 0, 1


@dataclass(frozen=True)
class Item:
    """An image to draw: `label` is what the data set claims, `true_label` what is drawn."""

    image_id: str
    label: int
    true_label: int
    ambiguous: bool
    index: int
    seed: int


def plan_items(per_class: int, seed: int, mislabelled: float, ambiguous: float) -> list[Item]:
    """The items of a data set, classes in turn; the fractions (0 to 1) hold on average."""
    count = per_class * len(CLASSES)
    return [_plan_item(index, seed, mislabelled, ambiguous) for index in range(count)]


def _plan_item(index: int, seed: int, mislabelled: float, ambiguous: float) -> Item:
    rng = np.random.default_rng((seed, index, _PLANNING))
    true_label = index % len(CLASSES)
    wrong_label = _other_class(true_label, rng)
    return Item(
        image_id=f"garments-v{GENERATOR_VERSION}-{seed}-{index:06d}",
        label=wrong_label if rng.random() < mislabelled else true_label,
        true_label=true_label,
        ambiguous=bool(rng.random() < ambiguous),
        index=index,
        seed=seed,
    )


def _other_class(label: int, rng: np.random.Generator) -> int:
    return (label + int(rng.integers(1, len(CLASSES)))) % len(CLASSES)


def draw(item: Item, size: int) -> Pixels:
    """The item's image, uint8 RGB (size, size, 3); every size shows the same scene."""
    rng = np.random.default_rng((item.seed, item.index, _DRAWING))
    scene = _random_scene(item, rng)
    # Drawn larger and averaged down; large images need less of it.
    pixels = rendering.render(scene, 2 * size if size < 150 else 3 * size // 2)
    return rendering.photograph(pixels, size, scene.light, rng)


def _random_scene(item: Item, rng: np.random.Generator) -> rendering.Scene:
    cut = cuts.CUTS[item.true_label](rng)
    if item.ambiguous:
        other = cuts.CUTS[_other_class(item.true_label, rng)](rng)
        cut = cuts.interpolate(cut, other, rng.uniform(0.35, 0.6), rng)
    fabric = patterns.random_fabric(rng, cut.texture)
    surface = backdrop.random_backdrop(rng, fabric.tile[::8, ::8].mean(axis=(0, 1)))
    light = rendering.random_light(rng, surface.upright)
    support = props.random_support(cut, rng) if surface.upright else []
    garment = sewing.assemble(cut, sewing.random_arms(rng, surface.upright), support, rng)
    view = layout.random_view(garment, surface.upright, rng)
    clutter = [] if surface.upright else props.random_clutter(garment, rng)
    heights = rendering.fold_heights(view, sewing.random_folds(cut, rng), rng)
    return rendering.Scene([*clutter, *garment], view, fabric, surface, light, heights)
