"""The same line again: the paper's VGG16 v2 with random weights, two repeats on three classes.

The first run decodes, computes the features of two random networks and trains two heads; the
second finds all of it. And the first with its pixels and features there, but no training.
"""

from __future__ import annotations

import tempfile

from tests.bench.runner import Figure, command, ratio
from tests.conftest import SHARED

PHOTOS = (
    "dataset=folder", f"dataset.root={SHARED / 'data' / 'clothing'}",
    "dataset.classes=[dress,longsleeve,shirt]",
)  # fmt: skip
DRAWN = ("dataset=garments", "dataset.per_class=10")


def photos(quick: bool) -> tuple[str, ...]:
    """Real photos of three classes where they are, else, or for a quick look, drawn ones."""
    return DRAWN if quick or not (SHARED / "data" / "clothing").is_dir() else PHOTOS


def measure(quick: bool) -> list[Figure]:
    runs: dict[str, list[float]] = {"first": [], "trained again": [], "the same line": []}
    for _ in range(1 if quick else 2):
        with tempfile.TemporaryDirectory() as outputs:
            line = (
                "experiment=paper_vgg16_v2", *photos(quick), "model.weights=none", "repeats=2",
                f"training.epochs={3 if quick else 20}", f"outputs={outputs}",
            )  # fmt: skip
            runs["first"].append(command(*line))
            runs["trained again"].append(command(*line, "cache.trainings=false"))
            runs["the same line"].append(command(*line))
    parts = {name: tuple(seconds) for name, seconds in runs.items()}
    again = "first run over the same line again"
    return [
        ratio(again, parts, ("first", "the same line"), at_least=None if quick else 10.0),
        ratio("first run over one with its features there", parts, ("first", "trained again")),
    ]
