"""One training: a fold of a split, from initial weights to predictions. Resumable by the epoch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from fashion_exp.configuration.schema import ClassWeights, Config, Keep
from fashion_exp.data.batches import TrainingFeatures, TrainingImages, in_order, multiplied
from fashion_exp.data.split import Fold
from fashion_exp.errors import Pruned
from fashion_exp.evaluation.predictions import predictions_frame
from fashion_exp.experiment.checkpoints import State, StateFile, TrainingState, save_models
from fashion_exp.experiment.context import Trial, features_of, seed_of, views_of
from fashion_exp.models.classifier import Classifier
from fashion_exp.reporting.progress import Progress, Step
from fashion_exp.seeding import derive_seed
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.stats.metrics import accuracy, cross_entropy
from fashion_exp.tracking.tracker import Tracker
from fashion_exp.training.compiling import compiled
from fashion_exp.training.fit import EpochResult, Tick, fit, predict
from fashion_exp.training.optimizers import build_optimizer
from fashion_exp.training.schedules import build_schedule

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learner:
    """The module that is trained, its batches, and its plain inputs for rows, in their order."""

    module: nn.Module
    batches: TrainingImages | TrainingFeatures
    plain: Callable[[np.ndarray], Iterator[torch.Tensor]]


class Place(NamedTuple):
    """Which training of how many this is, from 1, and what a training is called."""

    number: int
    of: int
    unit: str


@dataclass(frozen=True)
class FoldResult:
    """A finished training: predictions, a history of a row per epoch and part, and its record.

    The record has fold and repeat; images trained on, optimizer updates, seconds; and the
    accuracy on as many training images as there are validation images, in evaluation mode and
    not augmented, as validation is measured (`plain_images`, `plain_accuracy`). One that is kept
    also has its `identity`.
    """

    validation: pd.DataFrame
    test: pd.DataFrame
    history: pd.DataFrame
    record: dict[str, float | str]


def run_fold(
    trial: Trial, fold: Fold, place: Place, tracker: Tracker, run: str, progress: Progress
) -> FoldResult:
    """Trains on `fold.train`, watching `fold.validation`; predicts validation and test once.

    An interrupted training goes on from its state file and ends as if it had not been.
    """
    cfg = trial.cfg
    states = StateFile(trial.output / "unfinished" / f"{fold.name}.pt")
    state = states.load()
    began = time.perf_counter() - state.seconds
    classes = len(trial.table.classes)
    model = trial.model(fold)
    compute = trial.compute  # after the model: its kind of convolutions decides on precision
    learner = _learner(trial, model, fold, progress)
    optimizer = build_optimizer(head=model.head, backbone=model.network, **vars(cfg.optim))
    if state.epochs_done:
        model.load_state_dict(state.model, strict=False)
        optimizer.load_state_dict(state.optimizer)
        log.info("%s goes on after epoch %d", fold.name, state.epochs_done)
        for row in state.history:  # a store that was out of reach lacks some
            _track(tracker, run, row)
        _ask_the_search(trial, place, state)  # which was killed, perhaps, before it was asked
    epochs = fit(
        compiled(learner.module) if cfg.training.compile else learner.module,
        learner.batches,
        optimizer,
        _criterion(cfg, trial.table.labels[fold.train], classes).to(compute.device),
        build_schedule(epochs=cfg.training.epochs, **vars(cfg.schedule)),
        compute,
        trial.team,
        epochs=range(state.epochs_done, cfg.training.epochs),
        accumulate=cfg.training.accumulate,
        clip_norm=cfg.training.clip_norm,
        seed_of_epoch=lambda epoch: derive_seed(seed_of(cfg, "dropout", fold), epoch),
        tick=_ticker(progress, place, cfg.training.epochs, learner.batches.steps, trial.team.size),
    )
    while not _is_over(state, cfg):
        raise_if_interrupted()
        trained = next(epochs)
        watched = _probabilities(trial, learner, fold.validation)
        validation = _loss_and_accuracy(trial.table.labels[fold.validation], watched)
        _note_epoch(state, trained, validation, model, optimizer)
        state.seconds = time.perf_counter() - began
        if trial.team.is_main_process:
            states.save(state)
        _track(tracker, run, state.history[-1])
        progress.epoch_done((trained.loss, trained.accuracy), validation)
        _ask_the_search(trial, place, state)
    return _finished(trial, fold, model, learner, state, time.perf_counter() - began)


def _ask_the_search(trial: Trial, place: Place, state: TrainingState) -> None:
    """Raises `Pruned`, in all processes of a team, where a search has seen enough of this job."""
    if trial.cfg.sweep.trial is None:
        return
    epochs = (place.number - 1) * trial.cfg.training.epochs + state.epochs_done
    enough = ""
    try:
        if trial.watch is not None:
            trial.watch(epochs, state.history[-1]["validation_accuracy"])
    except Pruned:
        enough = "enough"
    if trial.team.told(enough):
        raise Pruned(epochs)


def _finished(
    trial: Trial, fold: Fold, model: Classifier, learner: Learner, state: TrainingState,
    seconds: float,
) -> FoldResult:  # fmt: skip
    """Keeps the models, and predicts with the one that the configuration keeps."""
    table, keep = trial.table, trial.cfg.training.keep
    model.load_state_dict(state.best if keep is Keep.best else state.model, strict=False)
    trained_on = table.rows["image_id"].to_numpy()[fold.train]
    if trial.team.is_main_process:
        save_models(
            trial.output / "checkpoints", fold.name, state, keep.value, trial.plan, table.classes,
            trained_on,
        )  # fmt: skip

    def predictions(part: str, rows: np.ndarray) -> pd.DataFrame:
        return predictions_frame(
            table.rows.iloc[rows], table.classes, _probabilities(trial, learner, rows), part=part,
            fold=fold.fold, repeat=fold.repeat, seed=seed_of(trial.cfg, "initialisation", fold),
        )  # fmt: skip

    evenly = np.linspace(0, len(fold.train) - 1, min(len(fold.train), len(fold.validation)))
    again = fold.train[evenly.astype(int)]
    _, accuracy = _loss_and_accuracy(table.labels[again], _probabilities(trial, learner, again))
    return FoldResult(
        predictions("validation", fold.validation),
        predictions("test", trial.test),
        _history(state, fold, keep),
        {
            "fold": fold.fold,
            "repeat": fold.repeat,
            "images": len(fold.train),
            "updates": sum(row["updates"] for row in state.history),
            "seconds": seconds,
            "plain_images": len(again),
            "plain_accuracy": accuracy,
        },
    )


def _probabilities(trial: Trial, learner: Learner, rows: np.ndarray) -> np.ndarray:
    """Of each row and class; each process of the team predicts its share of the rows."""
    own = predict(learner.module, learner.plain(trial.team.share(rows)), trial.compute)
    return trial.team.merged(own, len(rows)).numpy()


def _learner(trial: Trial, model: Classifier, fold: Fold, progress: Progress) -> Learner:
    """The head on stored features where the backbone is frozen, else the whole model on images."""
    training, labels = trial.cfg.training, trial.table.labels
    order = seed_of(trial.cfg, "order", fold)
    views = multiplied(labels[fold.train], trial.cfg.augmentation.per_class)
    if trial.trains_on_features:
        plain = features_of(trial, model, fold, 0, progress)
        seen = features_of(trial, model, fold, views_of(trial.cfg), progress)

        def stored(rows: np.ndarray) -> Iterator[torch.Tensor]:
            size = max(training.batch_size, 1024)
            return (plain(rows[start : start + size]) for start in range(0, len(rows), size))

        batches = TrainingFeatures(
            fold.train, labels[fold.train], views, seen, training.batch_size, order
        )
        return Learner(model.head, batches, stored)

    def images(rows: np.ndarray) -> Iterator[torch.Tensor]:
        size = max(training.batch_size, 64)
        return iter(in_order(rows, trial.views.plain, size, training.workers))

    online = TrainingImages(
        fold.train,
        labels[fold.train],
        views,
        trial.views.augmented(seed_of(trial.cfg, "augmentation", fold)),
        training.batch_size,
        order,
        training.workers,
        trial.team.share,
        trial.compute.ready,
    )
    return Learner(model, online, images)


def _criterion(cfg: Config, labels: np.ndarray, classes: int) -> nn.CrossEntropyLoss:
    weight = None
    if cfg.training.class_weights is ClassWeights.balanced:
        counts = np.bincount(labels, minlength=classes)
        weight = torch.tensor(len(labels) / (classes * counts), dtype=torch.float32)
    return nn.CrossEntropyLoss(weight, label_smoothing=cfg.training.label_smoothing)


def _ticker(progress: Progress, place: Place, epochs: int, steps: int, processes: int) -> Tick:
    """Shows the steps of each epoch; the sums are read only when they are drawn.

    Those of one process of several stand for all.
    """
    show: Step

    def tick(epoch: int, step: int, views: int, loss_sum: torch.Tensor, hits: torch.Tensor) -> None:
        nonlocal show
        if step == 0:
            show = progress.epoch(
                epoch + 1, epochs, steps, fold=place.number, folds=place.of, unit=place.unit
            )
            return
        own = views / processes
        show(step, views, lambda: float(loss_sum) / own, lambda: float(hits) / own)

    return tick


def _loss_and_accuracy(labels: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    return cross_entropy(labels, probabilities), accuracy(labels, probabilities)


def _note_epoch(
    state: TrainingState,
    result: EpochResult,
    validation: tuple[float, float],
    model: Classifier,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Takes one more epoch into the state."""
    loss, hit_rate = validation
    previous = min((row["validation_loss"] for row in state.history), default=np.inf)
    state.epochs_done = result.epoch + 1
    state.model = _copied(model)
    state.optimizer = optimizer.state_dict()
    state.history.append(
        {
            "epoch": result.epoch + 1,
            "train_loss": result.loss,
            "train_accuracy": result.accuracy,
            "validation_loss": loss,
            "validation_accuracy": hit_rate,
            "lr": result.lr,
            "updates": result.updates,
            "images_a_second": result.views / result.seconds,
            "time": time.time(),
        }
    )
    if loss < previous:
        state.best, state.best_epoch = state.model, state.epochs_done


def _copied(model: Classifier) -> State:
    return {name: t.detach().to("cpu", copy=True) for name, t in model.learned_state().items()}


def _is_over(state: TrainingState, cfg: Config) -> bool:
    """Whether the training is over: all epochs done, or none better for too long."""
    patience = cfg.training.early_stopping
    waited = state.epochs_done - state.best_epoch
    stopped = patience is not None and state.epochs_done > 0 and waited >= patience
    return stopped or state.epochs_done >= cfg.training.epochs


TRACKED = {
    "f_loss": "train_loss",
    "f_acc": "train_accuracy",
    "f_val_loss": "validation_loss",
    "f_val_acc": "validation_accuracy",
    "f_lr": "lr",
    "f_img_s": "images_a_second",
}


def _track(tracker: Tracker, run: str, row: Mapping[str, Any]) -> None:
    """Records an epoch; recorded again it is the same, for its time is the same."""
    metrics = {name: row[column] for name, column in TRACKED.items()}
    tracker.log(run, metrics, step=row["epoch"], when=row["time"])


def _history(state: TrainingState, fold: Fold, keep: Keep) -> pd.DataFrame:
    """Two rows an epoch: part "train" as the model learned, "validation" after the epoch."""
    kept = state.best_epoch if keep is Keep.best else state.epochs_done
    return pd.DataFrame(
        {
            "fold": fold.fold,
            "repeat": fold.repeat,
            "epoch": row["epoch"],
            "part": part,
            "loss": row[f"{part}_loss"],
            "accuracy": row[f"{part}_accuracy"],
            "lr": row["lr"],
            "kept": row["epoch"] == kept,
        }
        for row in state.history
        for part in ("train", "validation")
    )


def epochs_again(history: pd.DataFrame) -> Iterator[tuple[int, dict[str, float]]]:
    """What was tracked of each epoch, from a history; but for the speed."""
    train, validation = (history[history["part"] == part] for part in ("train", "validation"))
    columns = {
        "f_loss": train["loss"],
        "f_acc": train["accuracy"],
        "f_val_loss": validation["loss"],
        "f_val_acc": validation["accuracy"],
        "f_lr": train["lr"],
    }
    for place, epoch in enumerate(train["epoch"]):
        yield int(epoch), {name: float(column.iloc[place]) for name, column in columns.items()}
