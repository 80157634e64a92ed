"""Reading an epoch from the pixel cache vs. decoding the images again, without training.

The photos are JPEG files of 400 × 533 px. They are read at 224 px with light augmentation.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.data.augment import (
    Augmentation,
    ImageViews,
    PixelSource,
    deterministic_augmentation,
)
from fashion_exp.data.batches import TrainingImages, oversample
from fashion_exp.data.geometry import Geometry, resize
from fashion_exp.data.pixels import load_pixels
from fashion_exp.data.sources.load import load_images
from fashion_exp.data.table import ImageTable
from fashion_exp.process import cpu_count
from fashion_exp.training.device import choose_compute
from tests.bench.runner import Figure, alternate, ratio_figure
from tests.conftest import SHARED

PHOTO_SIZE = (400, 533)
GEOMETRY = Geometry(224, "crop", "bilinear", 3)


@dataclass(frozen=True)
class DecodedPixels:
    """Decodes an image each time that it is read."""

    table: ImageTable
    key: str = "decoded"

    def __getitem__(self, row: int) -> np.ndarray:
        return resize(self.table.read(row), GEOMETRY)


def measure(quick: bool) -> list[Figure]:
    count, turns = (192, 3) if quick else (768, 5)
    choose_compute("cpu", "fp32", cpu_count())  # keeps freed memory, as a run does
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write_photos(root / "photos", count)
        cfg = parse_command_line(
            ["dataset=folder", f"dataset.root={root / 'photos'}", "augmentation=light"]
        ).jobs[0]
        table, (cached,) = load_pixels(
            load_images(cfg.dataset, root),
            [GEOMETRY],
            max_left_out=0,
            processes=2,
            progress=lambda done, total: None,
            cache=root / "cache",
        )
        operations = cfg.augmentation.operations
        epochs = {
            "decoding, s": _epoch_reader(table, DecodedPixels(table), operations),
            "from the pixel cache, s": _epoch_reader(table, cached, operations),
        }
        epochs["from the pixel cache, s"]()  # the first epoch verifies the checksums
        parts = alternate(epochs, turns)
    return [ratio_figure(f"an epoch of {count} photos from the pixel cache", parts, at_least=8)]


def _write_photos(folder: Path, count: int) -> None:
    """Writes enlarged clothing photos, or drawings if those photos are not available."""
    files = sorted((SHARED / "data" / "clothing").rglob("*.jpg"))
    if files:
        selected = files[:: max(1, len(files) // count)][:count]
        images = [Image.open(file).convert("RGB") for file in selected]
    else:
        cfg = parse_command_line([f"dataset.per_class={count // 3}"]).jobs[0]
        drawings = load_images(cfg.dataset, folder)
        images = [Image.fromarray(drawings.read(row)) for row in range(len(drawings))]
    for number, image in enumerate(images):
        label = folder / ("odd" if number % 2 else "even")
        label.mkdir(parents=True, exist_ok=True)
        enlarged = image.resize(PHOTO_SIZE, Image.Resampling.BICUBIC)
        enlarged.save(label / f"{number:04}.jpg", quality=90)


def _epoch_reader(
    table: ImageTable, pixels: PixelSource, operations: list[dict[str, object]]
) -> Callable[[], None]:
    """A function that reads all training batches of an epoch."""
    views = ImageViews(
        pixels,
        table.rows["image_id"].to_list(),
        fixed=deterministic_augmentation("augmentation.evaluation", [], GEOMETRY.shape),
        random=Augmentation("augmentation.operations", operations, GEOMETRY.shape),
    )
    batches = TrainingImages(
        rows=np.arange(len(table)),
        labels=table.labels,
        views=oversample(table.labels, per_class=None),
        read=views.augmented(seed=0),
        batch_size=32,
        seed=0,
        workers=0,
    )

    def read_epoch() -> None:
        count = sum(len(images) for images, _ in batches.epoch(1))
        assert count == len(table)

    return read_epoch
