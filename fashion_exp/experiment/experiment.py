"""One experiment: a typed config in, per-image predictions and their evaluation out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from fashion_exp.atomic_io import read_json, write_json, write_text
from fashion_exp.configuration.schema import Config
from fashion_exp.data.split import Fold, Split
from fashion_exp.data.table import ImageTable
from fashion_exp.evaluation.predictions import read_predictions, write_predictions
from fashion_exp.evaluation.results import (
    RunResult,
    draw_figures,
    evaluate_test,
    record_result,
)
from fashion_exp.evaluation.run_dir import PART_FILES, RunDir
from fashion_exp.evaluation.tracked_result import tags_of
from fashion_exp.experiment.context import ExperimentContext, photo_geometry
from fashion_exp.experiment.features import reuse_text
from fashion_exp.experiment.fingerprints import training_fingerprint
from fashion_exp.experiment.fold import (
    TrainingIndex,
    load_trained_model,
    run_fold,
)
from fashion_exp.experiment.fold_result import FoldResult
from fashion_exp.experiment.history import metrics_by_epoch, solution_metrics
from fashion_exp.experiment.logged_model import log_ensemble
from fashion_exp.experiment.pruning import EpochReport
from fashion_exp.experiment.result_facts import result_facts
from fashion_exp.experiment.setup import find_cached_training, save_inputs
from fashion_exp.experiment.shared_setup import set_up_job
from fashion_exp.experiment.solved_fold import solve_fold
from fashion_exp.experiment.tracked_runs import fold_title, track_experiment, track_fold
from fashion_exp.experiment.trainee import build_trainee
from fashion_exp.experiment.training_cache import (
    CachedTraining,
    TrainingCache,
    read_csv_as_text,
)
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.progress import Progress
from fashion_exp.tracking.tracker import Tracker
from fashion_exp.training.process_group import ProcessGroup

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobInfo:
    """What an experiment needs to know about the job that it is part of."""

    name: str
    run: RunDir
    hold_out_test: bool
    group: ProcessGroup = field(default_factory=ProcessGroup)
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions of the code and the libraries, and the machine."""
    report_epoch: EpochReport | None = None


def run_experiment(
    cfg: Config, images: ImageTable, job: JobInfo, tracker: Tracker, progress: Progress
) -> RunResult | None:
    """Runs an experiment, or resumes the one that was started in `job.run`.

    With several processes each calls this; all train, and the main process alone writes files,
    tracks metrics, and returns the result.

    Raises `InputError`, before anything is recorded, if the data or the combination of options do
    not allow the experiment, and `Diverged` if a training's numbers are not finite.
    """
    context, trainee = set_up_job(cfg, images, job.run, job.group, progress, job.report_epoch)
    facts = result_facts(context, images.fingerprint)
    if job.group.is_main_process:
        save_inputs(context)
        write_json(job.run.environment_file, dict(job.environment))
    tags = tags_of(facts, job.environment, cfg.seed)
    with track_experiment(context, job.name, tags, tracker) as run:
        for fold, index in unfinished_folds(context):
            title = fold_title(fold.repeat, fold.fold, index.unit == "repeat")
            with track_fold(context, fold, title, tracker, run) as fold_run:
                cached = find_cached_training(context, fold)
                if context.group.broadcast(cached.run.path.name if cached else ""):
                    result = reuse_training(context, cached, index, tracker, fold_run)
                else:
                    log.info("training %d of %d (%s)", index.number, index.count, fold.name)
                    if trainee is None or fold is not context.split.folds[0]:
                        trainee = build_trainee(
                            cfg, context.plan, len(context.table.classes), context.compute,
                            fold.repeat, fold.fold, context.stored,
                        )  # fmt: skip
                    train = solve_fold if cfg.model.head.is_solved else run_fold
                    result = train(context, fold, index, trainee, tracker, fold_run, progress)
                    trainee = None
                if job.group.is_main_process:
                    save_fold(context, fold, result, cached)
        if not job.group.is_main_process:
            return None
        records = join_folds(context)
        reuse = reuse_facts(context, records)
        finished = RunResult(
            name=job.name,
            output=job.run.path,
            run=tracker.run_id(run),
            confidence=cfg.confidence,
            seconds=sum(float(entry["record"]["seconds"]) for entry in records),
            facts=facts | reuse,
            train_sizes={fold.name: len(fold.train) for fold in context.split.folds},
            redrawn=context.split.redrawn,
        )
        record_result(finished, tracker)
        if cfg.tracking.log_model:
            log_trained_models(context, tracker, run)
        if not job.hold_out_test:
            evaluate_test(finished, outputs_dir(cfg.outputs), tracker)
            draw_figures(finished, context.table, tracker)
        trainings = [(entry["record"]["identity"], entry["fold"]) for entry in records]
        TrainingCache(context.cache).add(job.run, trainings)
    job.run.mark_finished()
    return finished


def unfinished_folds(context: ExperimentContext) -> Iterator[tuple[Fold, TrainingIndex]]:
    """The folds that are still to be trained; the main process decides which."""
    folds = context.split.folds
    numbers = [
        str(number)
        for number, fold in enumerate(folds)
        if not context.run.fold(fold.name).is_finished
    ]
    unit = training_unit(context.split)
    for number in map(int, context.group.broadcast(" ".join(numbers)).split()):
        yield folds[number], TrainingIndex(number + 1, len(folds), unit)


def training_unit(split: Split) -> str:
    """What a training is called: "repeat" if every repeat has one fold, else "fold"."""
    repeats = 1 + max(fold.repeat for fold in split.folds)
    return "repeat" if repeats == len(split.folds) else "fold"


def reuse_training(
    context: ExperimentContext,
    cached: CachedTraining | None,
    index: TrainingIndex,
    tracker: Tracker,
    run: str,
) -> FoldResult | None:
    """The result of a cached training, tracked again; None in processes other than the main one."""
    if cached is None:
        return None
    source = cached.run.path
    log.info("training %d of %d: reused from %s", index.number, index.count, source.name)
    cached.link_models(context.run.checkpoints)
    result = cached.result()
    for epoch, metrics in metrics_by_epoch(result.history):
        tracker.log(run, metrics | solution_metrics(result.record), step=epoch)
    tracker.tag(run, {"reused_from": str(source)})
    return result


def save_fold(
    context: ExperimentContext, fold: Fold, result: FoldResult | None, cached: CachedTraining | None
) -> None:
    """Saves a finished training. The record is written last: it marks the others as complete."""
    assert result is not None
    record = {**result.record, "identity": training_fingerprint(context, fold)}
    files = context.run.fold(fold.name)
    write_predictions(result.validation, files.predictions("validation"))
    write_predictions(result.test, files.predictions("test"))
    write_text(files.history, result.history.to_csv(index=False))
    taken_from = cached.run.path.name if cached else ""
    entry = {"fold": fold.name, "record": record, "taken_from": taken_from}
    write_text(files.record, json.dumps(entry))
    files.state.unlink(missing_ok=True)


def join_folds(context: ExperimentContext) -> list[dict[str, Any]]:
    """Joins the files of all folds into those of the run; returns the records of the folds."""
    run = context.run
    folds = [run.fold(fold.name) for fold in context.split.folds]
    for part in PART_FILES:
        frames = [read_predictions(files.predictions(part)) for files in folds]
        write_predictions(pd.concat(frames, ignore_index=True), run.predictions_file(part))
    histories = pd.concat([read_csv_as_text(files.history) for files in folds])
    write_text(run.history_file, histories.to_csv(index=False))
    records = [read_json(files.record) for files in folds]
    trainings = pd.DataFrame([entry["record"] for entry in records])
    write_text(run.trainings_file, trainings.to_csv(index=False))
    return records


def reuse_facts(context: ExperimentContext, records: list[dict[str, Any]]) -> dict[str, str]:
    """How many pixels, features and trainings were reused instead of computed."""
    counts = {"pixels": (context.pixels_reused, len(context.table))} | context.features.reused
    facts = {kind: reuse_text(*pair) for kind, pair in counts.items()}
    sources = [entry["taken_from"] for entry in records if entry["taken_from"]]
    trainings = f"{len(sources)} of {len(records)} reused from cache"
    if sources:
        trainings += f": {', '.join(dict.fromkeys(sources))}"
        log.info("trainings: %s", trainings)
    return {**facts, "trainings": trainings}


def log_trained_models(context: ExperimentContext, tracker: Tracker, run: str) -> None:
    """Logs the ensemble of all folds."""
    models = [load_trained_model(context, fold) for fold in context.split.folds]
    classes = context.table.classes
    geometry = photo_geometry(context.cfg, context.plan)
    log_ensemble(tracker, run, models, [1.0] * len(models), context.cfg, geometry, classes)
