"""Tiny image files and data set configurations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fashion_exp.configuration.schema import DatasetConfig

WriteImage = Callable[..., Path]
MakeConfig = Callable[..., DatasetConfig]


@pytest.fixture
def write_image(tmp_path: Path) -> WriteImage:
    """Writes an image of random pixels below tmp_path; equal seeds give equal bytes."""

    def write(name: str, seed: int, size: tuple[int, int] = (8, 8), **options: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, options.pop("format", "PNG"), **options)
        return path

    return write


@pytest.fixture
def make_config(tmp_path: Path) -> MakeConfig:
    """Makes a data set configuration; `root` is relative to tmp_path."""

    def make(root: str | None = "", **options: Any) -> DatasetConfig:
        defaults: dict[str, Any] = {
            "name": "folder",
            "classes": None,
            "rename": {},
            "max_megapixels": 40.0,
        }
        path = None if root is None else str(tmp_path / root)
        return DatasetConfig(root=path, **(defaults | options))

    return make
