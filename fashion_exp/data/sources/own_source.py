"""A data source of the user's: a function that lists image files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig, Targets
from fashion_exp.data.sources.csv_manifest import load_csv
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError


def load_own(
    cfg: DatasetConfig,
    source: Callable[[DatasetConfig, Path], pd.DataFrame],
    cache: Path,
    targets: Targets = Targets.single,
) -> ImageTable:
    """The images of a table with path and label, and optionally group and split.

    It is read like the CSV file of `dataset=csv`; relative paths are those below `cfg.root`, and
    refused without it: a later command may run in another working directory. The source may store
    what it downloads in `cache/sources/<name>`. Raises `InputError`, also for what the source
    raises.
    """
    own = cache / "sources" / cfg.name
    own.mkdir(parents=True, exist_ok=True)
    try:
        table = source(cfg, own)
    except InputError:
        raise
    except Exception as error:  # whatever the user's code raises
        reason = " ".join(str(error).split())
        raise InputError(f"dataset.name={cfg.name}: {type(error).__name__}: {reason}") from error
    if not isinstance(table, pd.DataFrame) or not {"path", "label"} <= {*table.columns}:
        raise InputError(
            f"dataset.name={cfg.name}: must return a pandas table with the columns path and label"
        )
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / f"{cfg.name}.csv"
        table.to_csv(manifest, index=False)
        root = _common_folder(cfg, table["path"].astype(str)) if cfg.root is None else cfg.root
        return load_csv(replace(cfg, manifest=str(manifest), root=root), targets)


def _common_folder(cfg: DatasetConfig, paths: pd.Series) -> str | None:
    """Of absolute paths; None without any. Raises `InputError` for a relative path."""
    for path in paths:
        if not os.path.isabs(path):
            raise InputError(
                f"dataset.name={cfg.name}: gives the relative path {path}; set dataset.root to its "
                "folder, or let it give absolute paths"
            )
    return os.path.commonpath(map(os.path.dirname, paths)) if len(paths) else None
