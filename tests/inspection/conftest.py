"""Synthetic images with visible structure, and their inspections."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashion_exp.data.regular_files import open_regular_file
from fashion_exp.inspection.duplicates import InspectedImage, usable_images
from fashion_exp.inspection.image import ImageInspection, inspect_image
from fashion_exp.inspection.image_tree import ImageTree, scan_folder

SaveImage = Callable[..., Path]


def scene(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Twelve rectangles of random colors; `size` is (width, height)."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, _random_color(rng))
    for _ in range(12):
        left, top = rng.uniform(0, 0.8, 2)
        width, height = rng.uniform(0.1, 0.5, 2)
        sides = (left, top, min(1, left + width), min(1, top + height))
        x0, y0, x1, y1 = (round(side * edge) for side, edge in zip(sides, size * 2, strict=True))
        image.paste(_random_color(rng), (x0, y0, x1, y1))
    return image


def _random_color(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


@pytest.fixture
def save(tmp_path: Path) -> SaveImage:
    """Saves a scene by its seed, or any image, below tmp_path/photos."""

    def save_image(name: str, image: int | Image.Image, **options: Any) -> Path:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (scene(image) if isinstance(image, int) else image).save(path, **options)
        return path

    return save_image


def inspect_path(path: Path | str) -> ImageInspection:
    with open_regular_file(path) as content:
        return inspect_image(content, 40)


def inspect_tree(root: Path) -> tuple[ImageTree, list[ImageInspection]]:
    tree = scan_folder(str(root))
    return tree, [inspect_path(image.real_path) for image in tree.images]


def load_images(root: Path, excluded: Collection[str] = ()) -> list[InspectedImage]:
    tree, inspections = inspect_tree(root)
    return usable_images(tree.images, inspections, excluded)


def no_tick(done: int, total: int | None = None, /) -> None: ...
