"""One training whose head is solved on features at once: no epochs, no optimizer, no state."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from fashion_exp.configuration.schema import ClassWeights, Head
from fashion_exp.data.inner_folds import inner_folds
from fashion_exp.data.split import Fold
from fashion_exp.errors import InputError
from fashion_exp.experiment.checkpoints import TrainingState
from fashion_exp.experiment.context import ExperimentContext, fold_seed, views_per_image
from fashion_exp.experiment.fold import (
    TrainingIndex,
    copy_state,
    evaluate_fold,
    loss_and_accuracy,
    validate,
)
from fashion_exp.experiment.fold_result import FoldResult
from fashion_exp.experiment.history import epoch_record, solution_metrics, tracked_metrics
from fashion_exp.experiment.inputs import class_weights, fold_inputs
from fashion_exp.experiment.trainee import Trainee
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.solved_heads import (
    DEFAULT_C_FOLDS,
    DEFAULT_C_GRID,
    NearestNeighbors,
    SolvedLinear,
    describe_head,
)
from fashion_exp.reporting.formats import number, percent
from fashion_exp.reporting.progress import Progress, Tick
from fashion_exp.seeding import derive_seed
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.tracking.tracker import Tracker
from fashion_exp.training.fit import EpochResult, predict
from fashion_exp.training.logistic import NotConverged, choose_c, solve_logistic
from fashion_exp.training.logistic_problems import LogisticRows
from fashion_exp.training.standardize import Standardization, nearest_class_mean

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingRows:
    """The features that a head is solved on. Views of an image are rows that share its weight."""

    features: torch.Tensor
    """(n, width), float32, on the device that solves."""
    labels: torch.Tensor
    """(n,)"""
    shares: torch.Tensor | None
    """(n, classes), float64, of the classes in soft targets, by the weights of the classes."""
    weights: torch.Tensor
    """(n,): 1 / views, times the weight of the class."""
    images: np.ndarray
    """(n,): the row's image, as a position in `fold.train`."""


@dataclass(frozen=True)
class SolvedHead:
    """How a head was solved."""

    method: str
    """In words: "logistic regression, C = 0.01"."""
    updates: int = 0
    """Evaluations of the objective."""
    record: dict[str, float | str] = field(default_factory=dict)
    """What the training's record has of it: "c", and "c_loss", the held-out loss that chose it."""


def solve_fold(
    context: ExperimentContext,
    fold: Fold,
    index: TrainingIndex,
    trainee: Trainee,
    tracker: Tracker,
    run: str,
    progress: Progress,
) -> FoldResult:
    """Solves the head on `fold.train`, and predicts validation and test images once.

    The history has one epoch: the head that was solved. An interrupted training starts again, with
    the same result.
    """
    model, started = trainee.model, time.perf_counter()
    inputs = fold_inputs(context, model, fold, context.plan)
    rows = training_rows(context, model, fold)
    raise_if_interrupted()
    title = f"{index.unit} {index.number}/{index.count}"
    head = solve_head(context, fold, model, rows, progress, title)
    seconds = time.perf_counter() - started
    probabilities = predict(model.head, iter([rows.features]), context.compute).numpy()
    training = loss_and_accuracy(context, fold.train[rows.images], probabilities)
    validation = validate(context, inputs, fold, 1)
    result = EpochResult(0, *training, float("nan"), head.updates, seconds, len(rows.labels))
    record = epoch_record(result, validation)
    log.info(
        "%s: %s; loss %s, accuracy %s; validation loss %s, validation accuracy %s", title,
        head.method, number(training[0]), percent(training[1]), number(validation[0]),
        percent(validation[1]),
    )  # fmt: skip
    tracker.connect()
    metrics = tracked_metrics(record) | solution_metrics(head.record)
    tracker.log(run, metrics, step=1, when=record["time"])
    state = TrainingState(1, copy_state(model), history=[record])
    finished = evaluate_fold(context, fold, model, inputs, state, time.perf_counter() - started)
    return replace(finished, record=finished.record | head.record)


def solve_head(
    context: ExperimentContext, fold: Fold, model: Classifier, rows: TrainingRows,
    progress: Progress, title: str,
) -> SolvedHead:  # fmt: skip
    """Solves the head of a model on these rows, and puts the solution into the model.

    Raises `InputError` for features that are not finite, and for options that the rows do not
    allow.
    """
    assert isinstance(model.head, nn.Sequential)
    cfg, head = context.cfg, model.head[0]
    if not bool(rows.features.isfinite().all()):
        raise InputError(
            f"{cfg.model.name}: features of some images are not finite; set "
            "training.precision=fp32, or other model.weights"
        )
    standardization = Standardization.of(rows.features)
    if isinstance(head, NearestNeighbors):
        first_views = torch.from_numpy(np.unique(rows.images, return_index=True)[1])
        labels = rows.labels[first_views.to(rows.labels.device)]
        head.fill(rows.features, labels, standardization.mean, standardization.scale)
        return SolvedHead(describe_head(cfg.model))
    assert isinstance(head, SolvedLinear)
    standardized, classes = standardization(rows.features), head.out_features
    if cfg.model.head is Head.prototype:
        weight, bias = nearest_class_mean(standardized, rows.labels, classes)
        solved = SolvedHead(describe_head(cfg.model))
    else:
        weight, bias, solved = _solve_logistic(
            context, fold, standardized, rows, classes, progress, title
        )
    head.fill(*standardization.fold_into(weight, bias))
    return solved


def training_rows(context: ExperimentContext, model: Classifier, fold: Fold) -> TrainingRows:
    """The features of `fold.train`: plain, or of every view with `augmentation.on_frozen=views`."""
    cfg, views = context.cfg, views_per_image(context.cfg)
    stored = context.features(model, fold_seed(cfg, "initialisation", fold), views)
    images = np.repeat(np.arange(len(fold.train)), max(views, 1))
    numbers = np.tile(np.arange(max(views, 1)), len(fold.train))
    labels = context.table.labels[fold.train][images]
    weights = torch.full((len(images),), 1 / max(views, 1), dtype=torch.float64)
    table_shares = context.table.shares
    shares = None if table_shares is None else torch.from_numpy(table_shares[fold.train][images])
    if cfg.training.class_weights is ClassWeights.balanced:
        by_class = class_weights(context, fold)
        of_image = by_class[labels] if shares is None else shares @ by_class
        weights *= of_image
        shares = None if shares is None else shares * by_class / of_image[:, None]
    device = context.compute.device
    device = torch.device("cpu") if device.type == "mps" else device  # it has no float64
    return TrainingRows(
        stored(fold.train[images], numbers).to(device), torch.from_numpy(labels).to(device),
        None if shares is None else shares.to(device), weights.to(device), images,
    )  # fmt: skip


def _solve_logistic(
    context: ExperimentContext, fold: Fold, standardized: torch.Tensor, rows: TrainingRows,
    classes: int, progress: Progress, title: str,
) -> tuple[torch.Tensor, torch.Tensor, SolvedHead]:  # fmt: skip
    """Weight and bias for standardized features, with C as given or chosen."""
    cfg = context.cfg
    shared = LogisticRows.of(standardized, rows.labels, classes, rows.weights, rows.shares)
    try:
        c, record, start = cfg.model.c, dict[str, float | str](), None
        if c is None:
            grid = sorted(cfg.model.c_grid or DEFAULT_C_GRID)
            folds = _folds(context, fold, rows)
            tick = _interruptible(progress.stage(f"{title}  values of C", len(grid) + 1))
            choice = choose_c(shared, grid, folds, tick)
            c, start = choice.c, choice.start
            record["c_loss"] = min(point.loss for point in choice.path)
            _warn_at_the_end(fold, c, grid)
        solution = solve_logistic(shared, c, start)
    except NotConverged as error:
        raise InputError(f"{fold.name}: {error}; set model.c to a smaller value") from None
    head = SolvedHead(describe_head(cfg.model, c), solution.evaluations, {"c": c, **record})
    return solution.weight, solution.bias, head


def _folds(context: ExperimentContext, fold: Fold, rows: TrainingRows) -> torch.Tensor:
    """The fold that holds each row out; all views of an image, and of its group, are in one.

    Raises `InputError` if a class has too few groups.
    """
    cfg, table = context.cfg, context.table
    labels = table.labels[fold.train]
    groups = table.rows["group_id"].to_numpy()[fold.train]
    shares = table.shares
    for label, name in enumerate(table.classes):
        has_class = labels == label if shares is None else shares[fold.train, label] > 0
        if len(set(groups[has_class])) < 2:
            raise InputError(
                f"model.head=logistic: {fold.name} has a single training image or group of {name}, "
                "so no cross-validation can choose C; set model.c, or add images"
            )
    seed = derive_seed("c_folds", cfg.seeds.order)
    numbers = inner_folds(labels, groups, cfg.model.c_folds or DEFAULT_C_FOLDS, seed)
    return torch.from_numpy(numbers[rows.images]).to(rows.labels.device)


def _interruptible(tick: Tick) -> Tick:
    def call(done: int, total: int | None = None, /) -> None:
        raise_if_interrupted()
        tick(done, total)

    return call


def _warn_at_the_end(fold: Fold, c: float, grid: list[float]) -> None:
    if c in (grid[0], grid[-1]):
        end, further = ("smallest", "smaller") if c == grid[0] else ("largest", "larger")
        log.warning(
            "%s: the cross-validation chose C = %.3g, the %s value of model.c_grid; add %s ones",
            fold.name, c, end, further,
        )  # fmt: skip
