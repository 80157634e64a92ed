"""Pictures with something to see on them, and the looks at them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashion_exp.tools.curate.duplicates import Found, comparable
from fashion_exp.tools.curate.image_tree import look_through
from fashion_exp.tools.curate.inspection import Look, look_at, read_content

Draw = Callable[..., Path]


def scene(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Twelve rectangles of random colours: of width and height `size`."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(rng.integers(0, 256, 3).tolist()))
    for _ in range(12):
        left, top = rng.uniform(0, 0.8, 2)
        width, height = rng.uniform(0.1, 0.5, 2)
        sides = (left, top, min(1, left + width), min(1, top + height))
        box = tuple(round(side * edge) for side, edge in zip(sides, size * 2, strict=True))
        image.paste(tuple(rng.integers(0, 256, 3).tolist()), box)
    return image


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Saves a scene, or another picture, below tmp_path/photos."""

    def write(name: str, picture: int | Image.Image, **options: Any) -> Path:
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        image = scene(picture) if isinstance(picture, int) else picture
        image.save(file, **options)
        return file

    return write


def looked(root: Path, alone: Collection[str] = ()) -> list[Found]:
    """What can be compared below a folder, without those to be left alone."""
    places = look_through(str(root)).pictures
    looks = [look_at(read_content(place.file), 40) for place in places]
    return comparable(places, looks, alone)


def look(file: Path) -> Look:
    return look_at(read_content(str(file)), 40)
