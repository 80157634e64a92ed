"""Stored features of a frozen backbone, and heads that are solved on some of them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fashion_exp.configuration.schema import Config, Head, Targets
from fashion_exp.data.split import Split
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.context import ExperimentContext, fold_seed, trains_on_features
from fashion_exp.experiment.setup import set_up
from fashion_exp.models.classifier import Classifier
from fashion_exp.reporting.progress import Progress
from fashion_exp.training.logistic import NotConverged, solve_logistic
from fashion_exp.training.logistic_problems import LogisticRows
from fashion_exp.training.process_group import ProcessGroup
from fashion_exp.training.standardize import Standardization

DEFAULT_C = 0.1
"""Of simulations, unless `model.c` is set: too few labels choose badly. Cross-validation chose 0.1
on 60 of the clothing photos and 0.03 on 2,181 (MobileNet v1)."""


@dataclass(frozen=True)
class FrozenFeatures:
    """The images of an experiment, their split, and what its frozen backbone computes."""

    table: ImageTable
    split: Split
    features: np.ndarray
    """(images, width), float32, in the order of the table."""

    @property
    def groups(self) -> np.ndarray:
        """(images,): numbers of the groups of copies."""
        return np.unique(self.table.rows["group_id"].to_numpy(str), return_inverse=True)[1]


@dataclass(frozen=True)
class LogisticHead:
    """Logistic regression on some rows."""

    standardization: Standardization
    weight: torch.Tensor
    """(classes, width) for standardized features, float64."""
    bias: torch.Tensor
    """(classes,)"""

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """float64 (n, classes) of features (n, width)."""
        weight, bias = self.standardization.fold_into(self.weight, self.bias)
        logits = torch.from_numpy(features).double() @ weight.T + bias
        return np.asarray(logits.softmax(1).numpy())


def fit_head(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, classes: int, c: float,
    before: LogisticHead | None = None,
) -> LogisticHead:  # fmt: skip
    """`model.head=logistic` with `model.c` on few rows, from the head `before` if there is one.

    `features` (n, width), `labels` (n,) with all classes, `weights` (n,). The weights of the
    solution are in the span of the rows, so the problem is solved in n dimensions instead of
    `width`. Raises `InputError` if rounding prevents the solution.
    """
    standardization = Standardization.of(torch.from_numpy(features))
    x = standardization(torch.from_numpy(features))
    basis, coordinates = torch.linalg.qr(x.T)
    rows = LogisticRows.of(
        coordinates.T.contiguous(), torch.from_numpy(labels), classes, torch.from_numpy(weights)
    )
    start = None
    if before is not None:
        start = torch.cat([before.weight @ basis, before.bias[:, None]], 1)[None]
    try:
        solution = solve_logistic(rows, c, start)
    except NotConverged as error:
        raise InputError(f"{error}; set model.c to a smaller value") from None
    return LogisticHead(standardization, solution.weight @ basis.T, solution.bias)


def frozen_setup(
    cfg: Config, images: ImageTable, progress: Progress, command: str
) -> tuple[ExperimentContext, Classifier]:
    """The context of an experiment, and a model of its first fold; its backbone is frozen.

    Raises `InputError` for labels of several classes, a backbone that is trained, and as `set_up`.
    """
    if (targets := cfg.training.targets) is not Targets.single:
        raise InputError(
            f"{command}: training.targets={targets.value} is not read here; set "
            "training.targets=single, which leaves out photos with several classes"
        )
    cfg = replace(cfg, cache=replace(cfg.cache, trainings=False))
    with tempfile.TemporaryDirectory() as folder:
        context, trainee = set_up(cfg, images, RunDir(Path(folder)), ProcessGroup(), progress)
    if not trains_on_features(cfg, context.plan):
        raise InputError(
            f"{command}: {cfg.model.name} trains its backbone; this command solves heads on the "
            "features of a frozen one: set model.freeze=backbone"
        )
    assert trainee is not None
    return context, trainee.model


def frozen_features(
    cfg: Config, images: ImageTable, progress: Progress, command: str
) -> FrozenFeatures:
    """The features of all images of an experiment, from the cache where they are known.

    Raises `InputError` as `frozen_setup`, and for features that are not finite.
    """
    context, model = frozen_setup(cfg, images, progress, command)
    stored = context.features(model, fold_seed(cfg, "initialisation", context.split.folds[0]))
    features = stored(np.arange(len(context.table))).numpy()
    if not np.isfinite(features).all():
        raise InputError(
            f"{cfg.model.name}: features of some images are not finite; set "
            "training.precision=fp32, or other model.weights"
        )
    return FrozenFeatures(context.table, context.split, features)


def check_head(cfg: Config, command: str) -> None:
    """Raises `InputError` for a head that is not solved by logistic regression."""
    if cfg.model.head is not Head.logistic:
        raise InputError(
            f"model.head={cfg.model.head.value}: {command} solves logistic heads; leave "
            "model.head out"
        )
