"""Where the images come from: one function per kind of data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.sources.clothing import load_clothing
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.sources.fashion_mnist import load_fashion_mnist
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, suggest


def load_images(cfg: DatasetConfig, cache: Path) -> ImageTable:
    """The images that `cfg.name` stands for; what is fetched for them is kept below `cache`.

    Raises `InputError` where the data are not as `cfg` says.
    """
    if cfg.name not in SOURCES:
        raise InputError(
            f"dataset.name: there is no data set '{cfg.name}'; {suggest(cfg.name, SOURCES)}"
        )
    return SOURCES[cfg.name](cfg, cache)


_last: dict[str, ImageTable] = {}


def load_images_once(cfg: DatasetConfig, cache: Path) -> ImageTable:
    """As `load_images`; asked for the same again, this process gives what it found before.

    The jobs of a sweep see the same data, and need not hash all files again. A file that changes
    meanwhile is out of reach: its content no longer has its name.
    """
    asked = f"{cfg} {cache}"
    if asked not in _last:
        table = load_images(cfg, cache)
        _last.clear()
        _last[asked] = table
    return _last[asked]


def _garments(cfg: DatasetConfig, cache: Path) -> ImageTable:
    from fashion_exp.data.sources.garments import (
        load_garments,  # drawing needs more than reading files does
    )

    return load_garments(cfg)


SOURCES: dict[str, Callable[[DatasetConfig, Path], ImageTable]] = {
    "garments": _garments,
    "folder": lambda cfg, cache: load_folder(cfg),
    "clothing": load_clothing,
    "csv": lambda cfg, cache: load_csv(cfg),
    "fashion_mnist": load_fashion_mnist,
}
