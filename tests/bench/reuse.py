"""Repeating a command vs. its first run: the paper's VGG16 v2 with random weights, two repeats.

The first run decodes the images, computes features and trains two heads. Repeating it reuses
everything. With `cache.trainings=false` it reuses pixels and features, and trains the heads again.
"""

from __future__ import annotations

import tempfile

from tests.bench.runner import Figure, ratio_figure, run_command
from tests.conftest import SHARED

CLOTHING = SHARED / "data" / "clothing"
PHOTOS = (
    "dataset=folder", f"dataset.root={CLOTHING}", "dataset.classes=[dress,longsleeve,shirt]",
)  # fmt: skip
DRAWINGS = ("dataset=garments", "dataset.per_class=10")


def dataset_overrides(quick: bool) -> tuple[str, ...]:
    """Clothing photos of three classes; drawings if they are not available, or if `quick`."""
    return DRAWINGS if quick or not CLOTHING.is_dir() else PHOTOS


def measure(quick: bool) -> list[Figure]:
    first, retrained, repeated = "first run, s", "heads trained again, s", "repeated, s"
    seconds: dict[str, list[float]] = {first: [], retrained: [], repeated: []}
    for _ in range(1 if quick else 2):
        with tempfile.TemporaryDirectory() as outputs:
            overrides = (
                "experiment=paper_vgg16_v2", *dataset_overrides(quick), "model.weights=none",
                "repeats=2", f"training.epochs={3 if quick else 20}", f"outputs={outputs}",
            )  # fmt: skip
            seconds[first].append(run_command(*overrides))
            seconds[retrained].append(run_command(*overrides, "cache.trainings=false"))
            seconds[repeated].append(run_command(*overrides))
    parts = {name: tuple(values) for name, values in seconds.items()}
    at_least = None if quick else 10.0
    return [
        ratio_figure("first run vs. repeating it", parts, (first, repeated), at_least),
        ratio_figure("first run vs. training its heads again", parts, (first, retrained)),
    ]
