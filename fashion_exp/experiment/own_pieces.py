"""Checks what the files of `extensions` register before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fashion_exp.comparison.metrics import METRICS
from fashion_exp.configuration.schema import Config
from fashion_exp.data.augment import is_built_in
from fashion_exp.data.sources.load import SOURCES
from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_metrics import check_own_metrics
from fashion_exp.experiment.setup import check_names
from fashion_exp.extensions.files import read_code, use_code
from fashion_exp.extensions.registry import piece_files
from fashion_exp.models.build import is_shipped_or_timm
from fashion_exp.training.losses import LOSSES
from fashion_exp.training.schedules import SCHEDULES

_TRACKED = ("acc", "lo", "hi", "n", "t_lo", "t_hi", "f1")
"""What tracked metrics are called behind val_ and test_, beside the names of `METRICS`."""


def check_extensions(jobs: Sequence[Config]) -> None:
    """Raises `InputError` for a file of `extensions` with a mistake, and for a name in the config
    of a job that neither it nor a library has."""
    for cfg in jobs:
        use_code(read_code(cfg.extensions))
        _refuse_taken_names()
        check_own_metrics()
        if cfg.recipe.name is None:
            check_names(cfg)
            if cfg.dataset.name not in SOURCES and ("source", cfg.dataset.name) not in (
                piece_files()
            ):
                raise InputError(
                    f"dataset.name={cfg.dataset.name}: no data set of this package, and no file of "
                    "extensions registers a source of this name"
                )


def _refuse_taken_names() -> None:
    for (kind, name), file in piece_files().items():
        if owner := _owner(kind, name):
            raise InputError(
                f"extensions: {file} registers the {kind} {name}, a name that {owner} has; rename "
                "the function"
            )


def _owner(kind: str, name: str) -> str:
    """What has a piece of this kind and name already; empty if nothing has."""
    match kind:
        case "model":
            return "timm or fashion_exp" if is_shipped_or_timm(name) else ""
        case "transform":
            return "albumentations or fashion_exp" if is_built_in(name) else ""
        case "optimizer":
            return "torch.optim" if hasattr(torch.optim, name) else ""
    taken = {
        "loss": LOSSES, "metric": [*METRICS, *_TRACKED], "schedule": SCHEDULES, "source": SOURCES,
    }  # fmt: skip
    return "fashion_exp" if name in taken.get(kind, ()) else ""
