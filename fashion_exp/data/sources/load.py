"""The data sources by name.

To add a source: write a function `load(cfg, cache, targets)` that returns an `ImageTable`
(`garments.py` and `fashion_mnist.py` are short examples), add it to `SOURCES` here and its name to
`SOURCES` in configuration/validation.py, where `OPTION_CONDITIONS` says which options act for it,
and add conf/dataset/NAME.yaml. A source of the user's is in a file of `extensions`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fashion_exp.configuration.schema import DatasetConfig, Targets
from fashion_exp.data.sources.clothing import download_folder, load_clothing
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.sources.fashion_mnist import load_fashion_mnist
from fashion_exp.data.sources.folder import load_folder
from fashion_exp.data.sources.own_source import load_own
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, suggest
from fashion_exp.extensions.registry import code_hash, own_pieces


def load_images(cfg: DatasetConfig, cache: Path, targets: Targets = Targets.single) -> ImageTable:
    """The image table of the data set `cfg.name`; downloads are stored below `cache`.

    `targets` says how labels of several classes are read. Raises `InputError` for an unknown name,
    and if the data do not fit `cfg`.
    """
    own = own_pieces("source")
    if cfg.name in own:
        return load_own(cfg, own[cfg.name], cache, targets)
    if cfg.name not in SOURCES:
        raise InputError(
            f"dataset.name: there is no data set '{cfg.name}'; {suggest(cfg.name, own | SOURCES)}"
        )
    return SOURCES[cfg.name](cfg, cache, targets)


def labeled_data(dataset: DatasetConfig, cache: Path) -> Path | None:
    """The folder or list whose labels can be changed; None for generated and downloaded images."""
    if dataset.name == "csv" and dataset.manifest:
        return Path(dataset.manifest).expanduser().resolve()
    if dataset.name in ("folder", "clothing") and dataset.root:
        return Path(dataset.root).expanduser().resolve()
    return download_folder(cache) if dataset.name == "clothing" else None


_cached: dict[str, ImageTable] = {}


def load_images_cached(
    cfg: DatasetConfig, cache: Path, targets: Targets = Targets.single
) -> ImageTable:
    """Like `load_images`, but repeated calls with equal arguments return the same table.

    The jobs of a sweep read the same data and need not hash all files again. A file that changes in
    the meantime raises `SourceUnavailableError` when it is read.
    """
    key = f"{cfg} {cache} {targets} {code_hash()}"
    if key not in _cached:
        table = load_images(cfg, cache, targets)
        _cached.clear()
        _cached[key] = table
    return _cached[key]


def _load_garments(cfg: DatasetConfig) -> ImageTable:
    from fashion_exp.data.sources.garments import load_garments  # slow to import

    return load_garments(cfg)


SOURCES: dict[str, Callable[[DatasetConfig, Path, Targets], ImageTable]] = {
    "garments": lambda cfg, cache, targets: _load_garments(cfg),
    "folder": lambda cfg, cache, targets: load_folder(cfg, targets),
    "clothing": lambda cfg, cache, targets: load_clothing(cfg, cache, targets=targets),
    "csv": lambda cfg, cache, targets: load_csv(cfg, targets),
    "fashion_mnist": lambda cfg, cache, targets: load_fashion_mnist(cfg, cache),
}
