"""One training: a fold of a split, from initial weights to predictions. Resumable by the epoch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from fashion_exp.configuration.schema import Config, Keep, Targets
from fashion_exp.data.split import Fold
from fashion_exp.errors import Pruned
from fashion_exp.evaluation.own_metrics import add_own_metrics
from fashion_exp.evaluation.predictions import predictions_frame
from fashion_exp.experiment.checkpoints import (
    StateFile,
    TrainingState,
    keep_state,
    load_model,
    save_models,
)
from fashion_exp.experiment.context import ExperimentContext, Phase, fold_seed, training_phases
from fashion_exp.experiment.divergence import check_loss, check_outputs, check_weights
from fashion_exp.experiment.fold_result import FoldResult
from fashion_exp.experiment.history import epoch_record, history_frame, tracked_metrics
from fashion_exp.experiment.inputs import Inputs, build_criterion, fold_inputs
from fashion_exp.experiment.run_time import is_timed, long_run_warning
from fashion_exp.experiment.trainee import Trainee
from fashion_exp.extensions.registry import own_pieces
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.compat import StateDict
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.progress import Progress, Step
from fashion_exp.seeding import derive_seed
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.stats import metrics, multilabel
from fashion_exp.tracking.tracker import Tracker
from fashion_exp.training.compiling import compile_model
from fashion_exp.training.device import using_training_threads
from fashion_exp.training.fit import EpochResult, StepCallback, fit, predict

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingIndex:
    """Which training of how many this is, from 1, and what a training is called."""

    number: int
    count: int
    unit: str


def load_trained_model(context: ExperimentContext, fold: Fold) -> Classifier:
    """The model that a finished fold's predictions were made with, on the CPU."""
    return load_model(
        context.cfg, context.plan, len(context.table.classes), context.run.checkpoints,
        fold.repeat, fold.fold,
    )  # fmt: skip


def run_fold(
    context: ExperimentContext,
    fold: Fold,
    index: TrainingIndex,
    trainee: Trainee,
    tracker: Tracker,
    run: str,
    progress: Progress,
) -> FoldResult:
    """Trains on `fold.train`, validates each epoch, and predicts validation and test images once.

    An interrupted training continues from its state file with the same result.
    """
    cfg, model = context.cfg, trainee.model
    state_file = StateFile(context.run.fold(fold.name).state)
    state = state_file.load()
    if cfg.extend is not None and not state.epochs_done:
        from fashion_exp.experiment.extend import extended_state  # few runs need it

        state = extended_state(context, fold)
    started = time.perf_counter() - state.seconds
    if state.epochs_done:
        restore(state, trainee)
        log.info("%s", _progress_made(fold, state))
        for record in state.history:  # the tracking store may have missed some
            tracker.log(run, tracked_metrics(record), step=record["epoch"], when=record["time"])
        _report_epoch(context, index, state)
    for phase in training_phases(context.plan, cfg.training.epochs, state.epochs_done):
        inputs = start_phase(context, trainee, fold, phase)
        epochs = training_epochs(
            context, fold, index, trainee, inputs, phase.epochs, cfg.training.epochs, progress,
            tracker,
        )  # fmt: skip
        with using_training_threads(inputs.module, context.compute):
            while state.epochs_done < phase.epochs.stop and not is_done(state, cfg):
                raise_if_interrupted()
                result = next(epochs)
                _warn_if_long(cfg, index, phase, result, state)
                record = finish_epoch(context, fold, trainee, inputs, state, result)
                state.seconds = time.perf_counter() - started
                if context.group.is_main_process:
                    state_file.save(state)
                tracker.log(run, tracked_metrics(record), step=record["epoch"], when=record["time"])
                validation = record["validation_loss"], record["validation_accuracy"]
                progress.epoch_done((result.loss, result.accuracy), validation)
                _report_epoch(context, index, state)
        if is_done(state, cfg):
            break
    if context.group.is_main_process:
        keep_state(context.run.checkpoints, fold.name, state)
    return evaluate_fold(context, fold, model, inputs, state, time.perf_counter() - started)


def start_phase(context: ExperimentContext, trainee: Trainee, fold: Fold, phase: Phase) -> Inputs:
    """Freezes the part of the network that the phase does, and gives the inputs of its epochs."""
    if context.plan.phases:
        trainee.model.hold(phase.plan.freeze)
    torch.set_num_threads(context.compute.threads)
    return fold_inputs(context, trainee.model, fold, phase.plan)


def training_epochs(
    context: ExperimentContext, fold: Fold, index: TrainingIndex, trainee: Trainee, inputs: Inputs,
    epochs: range, total: int, progress: Progress, tracker: Tracker,
) -> Iterator[EpochResult]:  # fmt: skip
    """Trains the model on `fold.train`, for these epochs of `total`. The learning rate follows the
    schedule for all epochs of the config, also if `total` is less."""
    cfg = context.cfg
    return fit(
        compile_model(inputs.module) if cfg.training.compile else inputs.module,
        inputs.batches,
        trainee.optimizer,
        build_criterion(context, fold).to(context.compute.device),
        trainee.lr_factor,
        context.compute,
        context.group,
        epochs=epochs,
        accumulate=cfg.training.accumulate,
        clip_norm=cfg.training.clip_norm,
        average=trainee.average,
        seed_of_epoch=dropout_seeds(cfg, fold),
        on_step=_ticker(progress, index, total, inputs.batches.steps, context, tracker),
    )


def dropout_seeds(cfg: Config, fold: Fold) -> Callable[[int], int]:
    """The seed of dropout in each epoch of a fold."""
    seed = fold_seed(cfg, "dropout", fold)
    return lambda epoch: derive_seed(seed, epoch)


def finish_epoch(
    context: ExperimentContext, fold: Fold, trainee: Trainee, inputs: Inputs,
    state: TrainingState, result: EpochResult,
) -> dict[str, Any]:  # fmt: skip
    """Validates the model after an epoch, and adds the epoch to the state; returns its record.

    Raises `Diverged` if a loss, a probability or a weight is not finite.
    """
    check_loss(context.cfg, result.epoch + 1, result.loss)
    state.model = copy_state(trainee.model)
    with trainee.evaluated_weights():
        context.group.broadcast_buffers(trainee.model)  # each process has averaged its own
        validation = validate(context, inputs, fold, result.epoch + 1)
        state.average = copy_state(trainee.model) if trainee.average else {}
    record = epoch_record(result, validation)
    _update(state, record, trainee)
    check_weights(context.cfg, state.epochs_done, state.model)
    state.stopped = _is_stopped(context, fold, record)
    return record


def _is_stopped(context: ExperimentContext, fold: Fold, record: dict[str, Any]) -> bool:
    """Calls the user's callbacks in the main process; whether one of them ends the training."""
    stopping = [
        name
        for name, callback in own_pieces("callback").items()
        if context.group.is_main_process
        and callback(record["epoch"], {k: v for k, v in record.items() if k != "epoch"}) is True
    ]
    if stopping:
        log.info("%s: %s ends it after epoch %d", fold.name, stopping[0], record["epoch"])
    return bool(own_pieces("callback")) and bool(context.group.broadcast("".join(stopping)))


def _warn_if_long(
    cfg: Config, index: TrainingIndex, phase: Phase, result: EpochResult, state: TrainingState
) -> None:
    """Of the first training; `state` is the one before the epoch."""
    if index.number > 1 or not is_timed(result.epoch, phase.epochs):
        return
    done = result.epoch - phase.epochs.start
    before = max(0.0, state.seconds - done * result.seconds)
    if warning := long_run_warning(cfg, result.seconds, index.count, phase.epochs, before):
        log.warning("%s", warning)


def _progress_made(fold: Fold, state: TrainingState) -> str:
    if state.together:
        heads = f"together with {state.together - 1} other heads"
        return f"{fold.name}: epochs 1 to {state.epochs_done} were trained {heads}"
    return f"{fold.name} continues after epoch {state.epochs_done}"


def restore(state: TrainingState, trainee: Trainee) -> None:
    trainee.model.load_state_dict(state.model, strict=False)
    trainee.optimizer.load_state_dict(state.optimizer)
    if trainee.average is not None:
        updates = sum(record["updates"] for record in state.history)
        trainee.average.restore(state.average, updates)


def _update(state: TrainingState, record: dict[str, float], trainee: Trainee) -> None:
    """Adds an epoch to the state, which has its weights already."""
    previous = min((earlier["validation_loss"] for earlier in state.history), default=np.inf)
    state.epochs_done = int(record["epoch"])
    state.optimizer = trainee.optimizer.state_dict()
    state.history.append(record)
    if record["validation_loss"] < previous:
        state.best, state.best_epoch = state.last, state.epochs_done


def copy_state(model: Classifier) -> StateDict:
    return {name: t.detach().to("cpu", copy=True) for name, t in model.trainable_state().items()}


def is_done(state: TrainingState, cfg: Config) -> bool:
    """Whether all epochs are done, or early stopping or a callback ends the training.

    No training ends before its last part is unfrozen: patience begins there.
    """
    patience = cfg.training.early_stopping
    unfrozen = max(map(int, cfg.model.unfreeze), default=0)
    epochs_since_best = state.epochs_done - max(state.best_epoch, unfrozen)
    is_late = patience is not None and state.epochs_done > 0 and epochs_since_best >= patience
    return is_late or state.stopped or state.epochs_done >= cfg.training.epochs


def _report_epoch(context: ExperimentContext, index: TrainingIndex, state: TrainingState) -> None:
    """Raises `Pruned`, in all processes of the group, if the search stops this job."""
    if context.cfg.sweep.trial is None:
        return
    epochs = (index.number - 1) * context.cfg.training.epochs + state.epochs_done
    decision = "continue"
    try:
        if context.report_epoch is not None:
            context.report_epoch(epochs, state.history[-1]["validation_accuracy"])
    except Pruned:
        decision = "prune"
    if context.group.broadcast(decision) == "prune":
        raise Pruned(epochs)


def evaluate_fold(
    context: ExperimentContext, fold: Fold, model: Classifier, inputs: Inputs,
    state: TrainingState, seconds: float,
) -> FoldResult:  # fmt: skip
    """Saves the models, and predicts with the one that `training.keep` chooses."""
    table, keep, cfg = context.table, context.cfg.training.keep, context.cfg
    epoch = state.best_epoch if keep is Keep.best else state.epochs_done
    model.load_state_dict(state.best if keep is Keep.best else state.last, strict=False)
    if context.group.is_main_process:
        save_models(
            context.run.checkpoints, fold.name, state, keep.value, context.plan, table.classes,
            table.rows["image_id"].to_numpy()[fold.train], outputs_dir(context.cfg.outputs),
        )  # fmt: skip

    by_part = {
        part: predict_rows(context, inputs, part, rows, epoch)
        for part, rows in (("validation", fold.validation), ("test", context.split.test))
    }
    thresholds = _thresholds(context, fold, by_part["validation"])

    def predictions(part: str, rows: np.ndarray) -> pd.DataFrame:
        frame = predictions_frame(
            table.rows.iloc[rows], table.classes, by_part[part], thresholds[part], part=part,
            fold=fold.fold, repeat=fold.repeat, seed=fold_seed(cfg, "initialisation", fold),
        )  # fmt: skip
        return add_own_metrics(frame)

    sample_size = min(len(fold.train), len(fold.validation))
    sample = fold.train[np.linspace(0, len(fold.train) - 1, sample_size).astype(int)]
    probabilities = predict_rows(context, inputs, "training", sample, epoch)
    return FoldResult(
        predictions("validation", fold.validation),
        predictions("test", context.split.test),
        history_frame(state, fold, keep),
        {
            "fold": fold.fold,
            "repeat": fold.repeat,
            "images": len(fold.train),
            "updates": sum(record["updates"] for record in state.history),
            "seconds": seconds,
            "plain_images": len(sample),
            "plain_accuracy": loss_and_accuracy(context, sample, probabilities, thresholds["test"])[
                1
            ],
        },
    )


def _thresholds(
    context: ExperimentContext, fold: Fold, probabilities: np.ndarray
) -> dict[str, np.ndarray | None]:
    """From which probability on a class is predicted, by part; None if one class is. They are
    chosen on the validation images, for each of these themselves by others of them."""
    shares = context.table.shares
    if shares is None or context.cfg.training.targets is not Targets.several:
        return {"validation": None, "test": None}
    present = shares[fold.validation] > 0
    groups = context.table.rows["group_id"].to_numpy()[fold.validation]
    return {
        "validation": multilabel.cross_fitted_thresholds(present, probabilities, groups),
        "test": multilabel.choose_thresholds(present, probabilities),
    }


def predict_rows(
    context: ExperimentContext, inputs: Inputs, part: str, rows: np.ndarray, epoch: int
) -> np.ndarray:
    """Probabilities (rows, classes) of the model after an epoch; each process of the group predicts
    its share of the rows. Raises `Diverged` in all of them."""
    own_rows = context.group.shard(rows)
    several = context.cfg.training.targets is Targets.several
    shard = predict(inputs.evaluated, inputs.evaluation(own_rows), context.compute, several)
    probabilities = context.group.gather(shard, len(rows)).numpy()
    check_outputs(context.cfg, epoch, part, probabilities)
    return probabilities


def validate(
    context: ExperimentContext, inputs: Inputs, fold: Fold, epoch: int
) -> tuple[float, float]:
    """Loss and accuracy on the validation images after an epoch."""
    probabilities = predict_rows(context, inputs, "validation", fold.validation, epoch)
    return loss_and_accuracy(context, fold.validation, probabilities)


def loss_and_accuracy(
    context: ExperimentContext, rows: np.ndarray, probabilities: np.ndarray,
    thresholds: np.ndarray | None = None,
) -> tuple[float, float]:  # fmt: skip
    """Of the predictions of these rows; several classes at once are predicted from the thresholds
    on, or from 0.5."""
    table, probabilities = context.table, probabilities.astype(np.float64)
    if table.shares is None:
        labels = table.labels[rows]
        losses = metrics.per_image_loss(labels, probabilities)
        correct = metrics.per_image_correct(labels, probabilities)
    elif context.cfg.training.targets is Targets.several:
        present = table.shares[rows] > 0
        limits = multilabel.DEFAULT_THRESHOLD if thresholds is None else thresholds
        losses = multilabel.per_image_binary_loss(present, probabilities)
        correct = multilabel.per_image_exact_match(present, probabilities >= limits)
    else:
        shares = table.shares[rows].astype(np.float64)
        losses = metrics.per_image_soft_loss(shares, probabilities)
        matched = metrics.matched_labels(shares, probabilities)
        correct = metrics.per_image_correct(matched, probabilities)
    return float(losses.mean()), float(correct.mean())


def _ticker(
    progress: Progress, index: TrainingIndex, epochs: int, steps: int, context: ExperimentContext,
    tracker: Tracker,
) -> StepCallback:  # fmt: skip
    """Shows the steps of each epoch, and opens the tracking store after the first one.

    Loss and accuracy are read only when they are drawn, as reading them waits for the device; with
    several processes they are those of this one.
    """
    show: Step

    def tick(epoch: int, step: int, views: int, loss_sum: torch.Tensor, hits: torch.Tensor) -> None:
        nonlocal show
        if step == 0:
            show = progress.epoch(
                epoch + 1, epochs, steps, fold=index.number, folds=index.count, unit=index.unit
            )
            return
        tracker.connect()
        own_views = views / context.group.size
        show(step, views, lambda: float(loss_sum) / own_views, lambda: float(hits) / own_views)

    return tick
