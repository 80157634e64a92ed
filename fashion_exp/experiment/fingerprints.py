"""Hashes that identify a job and a training by everything that their results depend on."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from fashion_exp.cache.provenance import hardware_id, library_versions, source_hash
from fashion_exp.configuration.schema import (
    ADDED_OPTIONS,
    RESULT_NEUTRAL_OPTIONS,
    Config,
    flatten_options,
    to_plain,
)
from fashion_exp.data.split import Fold
from fashion_exp.data.table import share_names
from fashion_exp.extensions.registry import code_hash
from fashion_exp.training.device import Compute

if TYPE_CHECKING:
    from fashion_exp.experiment.context import ExperimentContext
    from fashion_exp.models.plan import ModelPlan

RESOLVED_OPTIONS = frozenset(
    {"extensions", "model.weights", "model.backbones", "model.backbone_weights", "sweep.weights",
     "training.device", "training.precision", "training.threads",
     "dataset.root", "dataset.layout", "dataset.labels", "dataset.quarantine", "dataset.groups"}
)  # fmt: skip
"""Options that a fingerprint holds by what they resolved to, not by what was typed."""

INDIRECT_OPTIONS = ("repeats", "confidence", "seed")
INDIRECT_GROUPS = ("dataset.", "split.")
"""Options that affect a training only through its images, its fold, its input and `seeds.*`, which
are part of its fingerprint themselves."""

SOURCE_DEPENDENCIES = (
    "extensions/registry.py",
    "models", "training", "experiment/context.py", "experiment/fold.py", "experiment/history.py",
    "experiment/features.py", "experiment/feature_store.py", "experiment/inputs.py",
    "experiment/trainee.py",
    "experiment/head_group.py", "experiment/solved_fold.py", "experiment/fold_result.py",
    "experiment/checkpoints.py", "evaluation/predictions.py",
    "evaluation/own_metrics.py", "seeding.py", "stats/metrics.py",
    "stats/checks.py", "stats/groups.py", "stats/multilabel.py", "data/augment.py",
    "data/batches.py", "data/compat.py", "data/geometry.py", "data/inner_folds.py",
    "data/label_shares.py", "data/mixing.py", "data/random_policies.py", "data/sources/classes.py",
)  # fmt: skip
"""The source files that determine the result of a training. A test checks that every module they
import is listed too, or cannot change a number."""

LIBRARIES = (
    "torch", "torchvision", "timm", "numpy", "albumentations", "opencv-python-headless", "pillow",
    "pandas", "pyarrow", "safetensors",
)  # fmt: skip
"""The libraries whose versions are part of a training's fingerprint."""


def job_fingerprint(cfg: Config, data: str, weights: str, compute: Compute) -> str:
    """Hash of the options, the data fingerprint, the identity of the weights, and the arithmetic.

    The same images in another folder, or the same weights under another name, are the same job.
    """
    excluded = RESULT_NEUTRAL_OPTIONS | RESOLVED_OPTIONS
    options = [(k, v) for k, v in flatten_options(to_plain(cfg)) if k not in excluded]
    return short_hash(
        {  # the keys stay: stored sweeps name their jobs by this hash
            "knobs": {k: v for k, v in options if k not in ADDED_OPTIONS or v != ADDED_OPTIONS[k]},
            "data": data,
            "weights": weights,
            "threads": compute.threads,
            "precision": compute.dtype,
            "device": compute.device.type,
            **_own_code(),
        }
    )


def training_fingerprint(context: ExperimentContext, fold: Fold) -> str:
    """Hash of everything that the result of one training depends on, source code included."""
    plan, compute = context.plan, context.compute
    device = compute.device.type
    images = (fold.train, fold.validation, context.split.test)
    options = flatten_options(to_plain(context.cfg))
    return short_hash(
        {
            "options": {name: value for name, value in options if _affects_training(name)},
            "fold": [fold.repeat, fold.fold],
            "images": [_images_hash(context, rows) for rows in images],
            "classes": context.table.classes,
            "pixels": context.views.key,
            "input": _input_of(plan),
            "freeze": plan.freeze,
            "weights": plan.weights.sha256,
            "beside": [[_input_of(other), other.weights.sha256] for other in plan.beside],
            "arithmetic": [device, compute.dtype, compute.threads, hardware_id(device)],
            "source": source_hash(*SOURCE_DEPENDENCIES),
            "versions": library_versions(*LIBRARIES),
            **_own_code(),
        }
    )


def _own_code() -> dict[str, str]:
    """The hash of the files of `extensions` that are in force, if there are any."""
    return {"extensions": code_hash()} if code_hash() else {}


def _input_of(plan: ModelPlan) -> list[object]:
    return [plan.size, plan.channels, plan.mean, plan.std, plan.interpolation]


def short_hash(value: object) -> str:
    """Sixteen hexadecimal digits for a value that JSON can represent."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _affects_training(option: str) -> bool:
    if option in RESULT_NEUTRAL_OPTIONS or option in RESOLVED_OPTIONS:
        return False
    return option not in INDIRECT_OPTIONS and not option.startswith(INDIRECT_GROUPS)


def _images_hash(context: ExperimentContext, rows: np.ndarray) -> str:
    """Hash of these images, in order, with everything that predictions say about them."""
    names = ["image_id", "group_id", "path", "label", *share_names(context.table.rows)]
    table = context.table.rows.iloc[rows][names]
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()
