"""The source `garments`: procedurally drawn garments, the built-in data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.build_table import build_table
from fashion_exp.data.sources.classes import choose_classes, class_names
from fashion_exp.data.synthetic import garments
from fashion_exp.data.table import ImageTable


@dataclass(frozen=True)
class GarmentsReader:
    """Draws an image when it is read."""

    items: tuple[garments.Item, ...]
    size: int

    def __call__(self, row: int) -> np.ndarray:
        return garments.draw(self.items[row], self.size)


def load_garments(cfg: DatasetConfig) -> ImageTable:
    """`cfg.per_class` drawings of each class."""
    assert cfg.per_class is not None and cfg.drawn_size is not None and cfg.seed is not None
    assert cfg.mislabelled is not None and cfg.ambiguous is not None
    names = choose_classes(dict.fromkeys(garments.CLASSES, cfg.per_class), cfg.classes, cfg.rename)
    items = tuple(
        item
        for item in garments.plan_items(cfg.per_class, cfg.seed, cfg.mislabelled, cfg.ambiguous)
        if garments.CLASSES[item.label] in names
    )
    rows = pd.DataFrame(
        {
            "path": [f"{garments.CLASSES[item.label]}/{item.index:06d}" for item in items],
            "file": range(len(items)),
            "label": [names[garments.CLASSES[item.label]] for item in items],
            "part": "",
            "image_id": [item.image_id for item in items],
            "group_id": [item.image_id for item in items],
        }
    )
    mislabelled = sum(item.label != item.true_label for item in items)
    ambiguous = sum(item.ambiguous for item in items)
    return build_table(
        cfg.name,
        rows,
        class_names(names),
        GarmentsReader(items, cfg.drawn_size),
        cfg.drawn_size,
        notes=[
            f"Drawn images: {mislabelled} of {len(items)} have a wrong label on purpose, "
            f"{ambiguous} are ambiguous (a blend of two classes)."
        ],
        read_options=f"drawn_size={cfg.drawn_size}, ambiguous={cfg.ambiguous}",
        source_files=("data/sources/garments.py", "data/synthetic"),
    )
