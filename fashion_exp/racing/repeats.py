"""One experiment, trained repeat by repeat; what is trained stays, and is finished as a run."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import pandas as pd

from fashion_exp.configuration.schema import Config
from fashion_exp.data.sources.load import load_images_cached
from fashion_exp.evaluation.own_code import repeat_code, use_run_code
from fashion_exp.evaluation.predictions import read_predictions
from fashion_exp.evaluation.results import load_result
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import resolve_paths
from fashion_exp.experiment.experiment import (
    JobInfo,
    reuse_training,
    run_experiment,
    save_fold,
    training_unit,
)
from fashion_exp.experiment.fold import TrainingIndex, run_fold
from fashion_exp.experiment.job import job_name, save_job_config
from fashion_exp.experiment.setup import find_cached_training, save_inputs, set_up
from fashion_exp.experiment.solved_fold import solve_fold
from fashion_exp.experiment.trainee import build_trainee
from fashion_exp.experiment.worker import code_version, log_to_file
from fashion_exp.paths import outputs_dir
from fashion_exp.racing.recipes import overrides_to_repeat
from fashion_exp.reporting.progress import Progress, quiet_progress
from fashion_exp.tracking import NullTracker, open_tracker
from fashion_exp.training.process_group import ProcessGroup

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData
    from fashion_exp.data.split import Fold


class RepeatedRun:
    """A context manager that holds the lock of the folder.

    Raises `InputError` if another process holds it, if the photos are not those of `origin` any
    more, and if every repeat would be the same.
    """

    def __init__(
        self, origin: RunData, cfg: Config, run: RunDir, at_most: int, progress: Progress
    ) -> None:
        self.origin, self.run, self._progress = origin, run, progress
        self._code = RunDir(origin.result.output)
        self._training_progress = progress if progress.is_live else quiet_progress()
        self._cfg = replace(cfg, repeats=at_most)
        self.trained = 0
        """Trainings that were computed now, not reused."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.run.lock())
        self._stack.enter_context(log_to_file(self.run.log_file))
        try:
            if not self.run.is_finished:
                self._prepare()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _prepare(self) -> None:
        repeat_code(self._code, self.run)
        cache = outputs_dir(self._cfg.outputs) / "cache"
        dataset = resolve_paths(self._cfg, self.run).dataset
        self._images = load_images_cached(dataset, cache, self._cfg.training.targets)
        self._save_config(self._cfg)
        self._context, self._trainee = set_up(
            self._cfg, self._images, self.run, ProcessGroup(), self._progress
        )
        self.origin.result.require_data(self._context.table.fingerprint)
        save_inputs(self._context)

    def _save_config(self, cfg: Config) -> None:
        self._overrides = overrides_to_repeat(self.origin, {"repeats": cfg.repeats})
        save_job_config(cfg, self.run, self._overrides)

    def train(self, repeat: int) -> pd.DataFrame:
        """Trains a repeat, unless it is trained; returns its predictions of validation images."""
        if self.run.is_finished:
            frame = self.run.predictions("validation")
            return frame[frame["repeat"] == repeat].reset_index(drop=True)
        folds = [fold for fold in self._context.split.folds if fold.repeat == repeat]
        for fold in folds:
            if not self.run.fold(fold.name).is_finished:
                self._train(fold)
        files = [self.run.fold(fold.name).predictions("validation") for fold in folds]
        return pd.concat([read_predictions(file) for file in files], ignore_index=True)

    def _train(self, fold: Fold) -> None:
        context, cfg = self._context, self._cfg
        use_run_code(self._code)  # that of the other run of a race was in force since
        folds = context.split.folds
        index = TrainingIndex(folds.index(fold) + 1, len(folds), training_unit(context.split))
        cached = find_cached_training(context, fold)
        result = reuse_training(context, cached, index, NullTracker(), "")
        if result is None:
            trainee, self._trainee = self._trainee, None
            if trainee is None or fold is not folds[0]:
                trainee = build_trainee(
                    cfg, context.plan, len(context.table.classes), context.compute,
                    fold.repeat, fold.fold,
                )  # fmt: skip
            train = solve_fold if cfg.model.head.is_solved else run_fold
            progress = self._training_progress
            result = train(context, fold, index, trainee, NullTracker(), "", progress)
            self.trained += 1
        save_fold(context, fold, result, cached)

    @property
    def train_sizes(self) -> dict[str, int]:
        """Training images of each fold, by its name."""
        if self.run.is_finished:
            return dict(load_result(self.run.path).train_sizes)
        return {fold.name: len(fold.train) for fold in self._context.split.folds}

    def finish(self, repeats: int) -> None:
        """Makes a finished run of the first `repeats`, tracked; the test stays held out."""
        if self.run.is_finished:
            return
        use_run_code(self._code)
        cfg = replace(self._cfg, repeats=repeats)
        self._save_config(cfg)
        self.run.split_file.unlink(missing_ok=True)  # has the folds of all repeats
        name = job_name(cfg, self._overrides)
        job = JobInfo(name, self.run, hold_out_test=True, environment=code_version())
        tracker = open_tracker(cfg.tracking, outputs_dir(cfg.outputs))
        run_experiment(cfg, self._images, job, tracker, self._training_progress)
