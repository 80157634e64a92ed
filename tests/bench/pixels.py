"""The second epoch from the pixel store, against decoding again: the loader alone.

Photos upscaled and encoded again as JPEGs of 400 × 533 px, at 224 px, with light augmentation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.data.augment import Augmentation, Views, fixed_augmentation
from fashion_exp.data.batches import TrainingImages, multiplied
from fashion_exp.data.geometry import Geometry, resize
from fashion_exp.data.pixels import load_pixels
from fashion_exp.data.sources.load import load_images
from fashion_exp.data.table import ImageTable
from fashion_exp.training.device import choose_compute, cpu_count
from tests.bench.runner import Figure, in_turn, ratio
from tests.conftest import SHARED

SIZE = (400, 533)
GEOMETRY = Geometry(224, "crop", "bilinear", 3)
LIGHT = "augmentation=light"


@dataclass(frozen=True)
class Decoded:
    """Pixels that are decoded at each access."""

    table: ImageTable

    def __getitem__(self, row: int) -> np.ndarray:
        return resize(self.table.read(row), GEOMETRY)


def measure(quick: bool) -> list[Figure]:
    count, turns = (192, 3) if quick else (768, 5)
    choose_compute("cpu", "fp32", cpu_count())  # keeps freed memory, as a run does
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        _enlarged(root / "photos", count)
        cfg = parse_command_line(["dataset=folder", f"dataset.root={root / 'photos'}", LIGHT]).jobs[
            0
        ]
        images = load_images(cfg.dataset, root)
        table, pixels = load_pixels(images, GEOMETRY, 0, 2, lambda *done: None, root / "cache")
        epochs = {
            "decoding again": _epoch(table, Decoded(table), cfg.augmentation.operations),
            "from the store": _epoch(table, pixels, cfg.augmentation.operations),
        }
        epochs["from the store"]()  # the first reads the file, and holds it against its checksums
        parts = in_turn(epochs, turns)
    what = f"a second epoch of {count} photos, from the store"
    return [ratio(what, parts, at_least=8)]


def _enlarged(folder: Path, count: int) -> None:
    """Real photos where they are, else drawn ones."""
    files = sorted((SHARED / "data" / "clothing").rglob("*.jpg"))[:: 3400 // count][:count]
    if not files:
        cfg = parse_command_line([f"dataset.per_class={count // 3}"]).jobs[0]
        drawn = load_images(cfg.dataset, folder)
        pictures = [Image.fromarray(drawn.read(row)) for row in range(len(drawn))]
    else:
        pictures = [Image.open(file).convert("RGB") for file in files]
    for number, picture in enumerate(pictures):
        place = folder / ("odd" if number % 2 else "even")
        place.mkdir(parents=True, exist_ok=True)
        enlarged = picture.resize(SIZE, Image.Resampling.BICUBIC)
        enlarged.save(place / f"{number:04}.jpg", quality=90)


def _epoch(
    table: ImageTable, pixels: Decoded | object, operations: list[dict[str, object]]
) -> Callable[[], None]:
    """An epoch of training batches that nobody trains on."""
    fixed = fixed_augmentation("augmentation.evaluation", [], GEOMETRY.shape)
    random = Augmentation("augmentation.operations", operations, GEOMETRY.shape)
    views = Views(pixels, table.rows["image_id"].to_list(), fixed, random)  # type: ignore[arg-type]
    rows = np.arange(len(table))
    batches = TrainingImages(
        rows, table.labels, multiplied(table.labels, None), views.augmented(0), 32, 0, 0
    )

    def epoch() -> None:
        seen = sum(len(images) for images, _ in batches.epoch(1))
        assert seen == len(table)

    return epoch
