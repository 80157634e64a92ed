"""The embedded data set of drawn garments as an image table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.assemble import assemble
from fashion_exp.data.sources.classes import choose_classes, labels
from fashion_exp.data.synthetic import garments
from fashion_exp.data.table import ImageTable


@dataclass(frozen=True)
class GarmentsReader:
    items: tuple[garments.Item, ...]
    size: int

    def __call__(self, row: int) -> np.ndarray:
        return garments.draw(self.items[row], self.size)


def load_garments(cfg: DatasetConfig) -> ImageTable:
    """`cfg.per_class` drawings of each class; nothing is drawn before it is read."""
    assert cfg.per_class is not None and cfg.drawn_size is not None and cfg.seed is not None
    assert cfg.mislabelled is not None and cfg.ambiguous is not None
    names = choose_classes(garments.CLASSES, cfg.classes, cfg.rename)
    items = tuple(
        item
        for item in garments.plan(cfg.per_class, cfg.seed, cfg.mislabelled, cfg.ambiguous)
        if garments.CLASSES[item.label] in names
    )
    found = pd.DataFrame(
        {
            "path": [f"{garments.CLASSES[item.label]}/{item.index:06d}" for item in items],
            "file": range(len(items)),
            "label": [names[garments.CLASSES[item.label]] for item in items],
            "part": "",
            "image_id": [item.image_id for item in items],
            "group_id": [item.image_id for item in items],
        }
    )
    reader = GarmentsReader(items, cfg.drawn_size)
    return assemble(
        cfg.name, found, labels(names), reader, cfg.drawn_size, notes=[_note(items)],
        reading=f"drawn_size={cfg.drawn_size}, ambiguous={cfg.ambiguous}",
        drawn_by=("data/sources/garments.py", "data/synthetic"),
    )  # fmt: skip


def _note(items: tuple[garments.Item, ...]) -> str:
    wrong = sum(item.label != item.true_label for item in items)
    between = sum(item.ambiguous for item in items)
    return (
        f"Drawn images: {wrong} of {len(items)} carry a wrong label on purpose, {between} are "
        "half one class and half another."
    )
