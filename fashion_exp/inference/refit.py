"""Trains the recipe of a finished run again, on all of its photos, to be used."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fashion_exp.atomic_io import read_json, write_json
from fashion_exp.comparison.misclassified import load_run_images
from fashion_exp.comparison.run_data import load_run as load_run_data
from fashion_exp.configuration.schema import Config, Keep
from fashion_exp.configuration.stored_config import save_config
from fashion_exp.data.split import Fold
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.evaluation.own_code import use_run_code
from fashion_exp.evaluation.run_dir import REFIT_FILE, RunDir
from fashion_exp.experiment.checkpoints import (
    StateFile,
    TrainingState,
    checkpoint_file,
    save_models,
)
from fashion_exp.experiment.context import ExperimentContext, training_phases
from fashion_exp.experiment.divergence import Diverged, check_loss
from fashion_exp.experiment.fingerprints import short_hash
from fashion_exp.experiment.fold import (
    TrainingIndex,
    copy_state,
    restore,
    start_phase,
    training_epochs,
)
from fashion_exp.experiment.setup import set_up
from fashion_exp.experiment.solved_fold import solve_head, training_rows
from fashion_exp.experiment.trainee import build_trainee
from fashion_exp.inference.trained_run import REFITS, TrainedRun, load_run, numbers_of
from fashion_exp.paths import outputs_dir, unique_name
from fashion_exp.reporting.formats import percent, pluralize, with_limits
from fashion_exp.reporting.progress import Progress
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.tracking import NullTracker
from fashion_exp.training.device import using_training_threads
from fashion_exp.training.process_group import ProcessGroup

log = logging.getLogger(__name__)

OF_MODELS = (
    "figures", "report", ".*", "checkpoints", "unfinished", "evaluations", "explain", "card.*",
    "serving-*", "learning_curve",
)  # fmt: skip
"""What the folder of a run has of its own models, which a refit has not, and locks."""


@dataclass(frozen=True)
class Refit:
    """What a refit was trained on; the content of its `refit.json`."""

    study: str
    """Name of the folder of the run whose recipe it is."""
    models: tuple[str, ...]
    photos: int
    epochs: int
    with_test: bool


def refit(
    run: TrainedRun, progress: Progress, with_test: bool = False, models: int | None = None
) -> TrainedRun:
    """Models of a run's recipe, trained on all of its development photos, or on its test photos
    too.

    They get the seeds of the run's first `models` trainings (default: of all). Nothing selects an
    epoch any more: each is trained for as many as the run's trainings kept in the median. The new
    folder, `outputs/refits/<time-name-id>`, holds the predictions and the result of the run: they
    estimate the recipe, and no accuracy of the new models themselves is known.

    A refit that was interrupted is continued by the same call, with the same result. Raises
    `InputError` if the photos are not those of the run any more, and `Diverged`.
    """
    count = len(run.model_names)
    models = count if models is None else models
    if not 1 <= models <= count:
        raise InputError(f"--models {models}: from 1 to {count}, as many as the run has trainings")
    if run.is_refit:
        raise InputError(f"{run.run.path}: is a refit; refit the run that it was made from")
    outputs = outputs_dir(run.config.outputs)
    names, epochs = run.model_names[:models], _median_epochs(run.run)
    cfg, context = set_up_again(run, outputs, progress)
    split = context.split
    rows = np.union1d(split.folds[0].train, split.folds[0].validation)
    rows = np.arange(len(context.table)) if with_test else rows
    content = Refit(run.run.path.name, names, len(rows), epochs, with_test)
    key = short_hash([run.identity["checkpoints"], vars(content)])
    target = outputs / REFITS / unique_name("refit")
    with unfinished_folder(run.run, target, key) as folder:
        for number, name in enumerate(names, 1):
            fold = Fold(*numbers_of(name), rows, rows[:0])
            if checkpoint_file(cfg, folder.checkpoints, fold.repeat, fold.fold).exists():
                log.info("%s was trained before the interruption", name)
                continue
            index = TrainingIndex(number, len(names), "model")
            _train(context, fold, index, epochs, folder, progress)
        save_config(cfg, folder.config_file)
        write_json(folder.path / REFIT_FILE, vars(content))
    return load_run(target, outputs)


def describe(run: TrainedRun) -> list[str]:
    """What a refit was trained on, and what is known of its accuracy, in sentences."""
    facts = read_json(run.run.path / REFIT_FILE)
    if "soup" in facts:
        return _describe_soup(facts)
    part = "test" if run.result.test_evaluations else "validation"
    accuracy = run.result.summary(part).accuracy
    assert accuracy.estimate is not None
    estimate = with_limits(accuracy.estimate, accuracy.low, accuracy.high)
    images = max(run.result.train_sizes.values())
    parts = "all photos, those of the test too" if facts["with_test"] else "all development photos"
    models = pluralize(len(run.model_names), "model")
    epochs = f" for {pluralize(facts['epochs'], 'epoch')}"
    if run.config.model.head.is_solved:
        epochs = f" ({run.result.facts['head']})"
    return [
        f"{models} trained{epochs} on {parts} ({facts['photos']:,}).",
        f"Their accuracy is not measured. The models of {facts['study']}, trained on "
        f"{images:,} photos each, have a {part} accuracy of {estimate}.",
    ]


def _describe_soup(facts: Mapping[str, Any]) -> list[str]:
    """Of the file that `soup.make_soup` writes."""
    lines = [f"The mean of the weights of {', '.join(facts['soup'])} of {facts['study']}."]
    if (test := facts.get("test")) is None:
        return [*lines, "Its accuracy is not measured."]
    own, models = with_limits(*test["accuracy"]), percent(test["mean_of_models"])
    accuracy = f"Its test accuracy is {own}, that of the averaged models in the mean {models}."
    return [*lines, accuracy]


def _median_epochs(run: RunDir) -> int:
    """Epochs after which the trainings of the run were kept, in the median."""
    history = pd.read_csv(run.history_file)
    epochs = history.loc[history["kept"] & (history["part"] == "train"), "epoch"]
    return round(float(epochs.median()))


def run_images(run: TrainedRun, outputs: Path) -> ImageTable:
    """The photos of a run, whose code is put in force.

    Raises `InputError` if they are not where they were, or if the code may not be executed.
    """
    use_run_code(run.run, run.config.extensions)
    images = load_run_images(load_run_data(run.run.path), outputs / "cache")
    if images is None:
        raise InputError(
            f"{run.run.path}: its photos are not at {run.config.dataset.root} any more; put them "
            "there, or train a new run"
        )
    return images


def set_up_again(
    run: TrainedRun, outputs: Path, progress: Progress
) -> tuple[Config, ExperimentContext]:
    """The config of new models that are kept as they are at the end, and what they are made with.

    Raises `InputError` if the photos are not those of the run any more.
    """
    cfg = replace(
        run.config, training=replace(run.config.training, keep=Keep.last, early_stopping=None)
    )
    context, _ = set_up(
        replace(cfg, cache=replace(cfg.cache, trainings=False)),
        run_images(run, outputs), run.run, ProcessGroup(), progress,
    )  # fmt: skip
    run.result.require_data(context.table.fingerprint)
    return cfg, context


@contextmanager
def unfinished_folder(study: RunDir, target: Path, key: str) -> Iterator[RunDir]:
    """A hidden copy of the run without what is about its models, which becomes `target` when the
    block ends. After an interruption the folder with the same `key` is used again."""
    folder = RunDir(target.with_name(f".{key}"))
    with folder.lock():
        if not folder.unfinished.exists():  # created last
            ignored = shutil.ignore_patterns(*OF_MODELS)
            shutil.copytree(study.path, folder.path, ignore=ignored, dirs_exist_ok=True)
            folder.unfinished.mkdir()
        try:
            yield folder
        except Diverged:  # it would diverge again
            shutil.rmtree(folder.path)
            raise
        folder.mark_finished()
        folder.path.rename(target)


def _train(
    context: ExperimentContext, fold: Fold, index: TrainingIndex, epochs: int, folder: RunDir,
    progress: Progress,
) -> None:  # fmt: skip
    """Trains one model, from where it was interrupted, and saves it. Raises `Diverged`."""
    cfg, table = context.cfg, context.table
    trainee = build_trainee(
        cfg, context.plan, len(table.classes), context.compute, fold.repeat, fold.fold
    )
    if cfg.model.head.is_solved:
        rows = training_rows(context, trainee.model, fold)
        title = f"{index.unit} {index.number}/{index.count}"
        head = solve_head(context, fold, trainee.model, rows, progress, title)
        log.info("%s: %s", title, head.method)
        save_model(
            context, fold.name, fold.train, TrainingState(1, copy_state(trainee.model)), folder
        )
        return
    files = folder.fold(fold.name)
    state_file = StateFile(files.state)
    state = state_file.load()
    if state.epochs_done:
        restore(state, trainee)
        log.info("%s continues after epoch %d", fold.name, state.epochs_done)
    for phase in training_phases(context.plan, epochs, state.epochs_done):
        inputs = start_phase(context, trainee, fold, phase)
        with using_training_threads(inputs.module, context.compute):
            for result in training_epochs(
                context, fold, index, trainee, inputs, phase.epochs, epochs, progress, NullTracker()
            ):
                check_loss(cfg, result.epoch + 1, result.loss)
                state.epochs_done = result.epoch + 1
                state.model = copy_state(trainee.model)
                state.optimizer = trainee.optimizer.state_dict()
                state.history.append({"updates": result.updates})
                with trainee.evaluated_weights():
                    state.average = copy_state(trainee.model) if trainee.average else {}
                state_file.save(state)
                progress.epoch_done((result.loss, result.accuracy))
                raise_if_interrupted()
    save_model(context, fold.name, fold.train, state, folder)


def save_model(
    context: ExperimentContext, name: str, rows: np.ndarray, state: TrainingState, folder: RunDir
) -> None:
    """Saves a model of this name that was trained on these photos."""
    table = context.table
    save_models(
        folder.checkpoints, name, state, Keep.last.value, context.plan, table.classes,
        table.rows["image_id"].to_numpy()[rows], outputs_dir(context.cfg.outputs),
    )  # fmt: skip
