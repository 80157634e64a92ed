"""Records a finished run in the tracking store again, from its files alone."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pandas as pd

from fashion_exp.atomic_io import read_json, write_json
from fashion_exp.configuration.schema import Config
from fashion_exp.configuration.stored_config import load_config
from fashion_exp.errors import InputError
from fashion_exp.evaluation.annotations import load_annotations
from fashion_exp.evaluation.results import (
    RunResult,
    load_result,
    track_figures,
    track_result,
    track_test,
)
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.tracked_result import tags_of
from fashion_exp.experiment.history import metrics_by_epoch, solution_metrics
from fashion_exp.experiment.tracked_runs import MISSED, fold_title, tracked_params
from fashion_exp.paths import new_run_token
from fashion_exp.tracking import open_tracker
from fashion_exp.tracking.tracker import Tracker

log = logging.getLogger(__name__)


def record_missed(cfg: Config, run: RunDir, outputs: Path) -> bool:
    """Records a finished run again if the store lacks part of it; False if that fails again.

    Logs the outcome. Raises `DiskFullError`.
    """
    try:
        tracker = open_tracker(cfg.tracking, outputs)
        failure = record_again(run, tracker, outputs, cfg.sweep.parent)
    except InputError as error:
        failure = str(error)
    if not failure:
        log.info("tracking: what the store had missed is recorded")
        return True
    log.warning(
        "tracking: not everything is recorded (%s); the results are complete, and `scripts/run "
        "doctor --fix` records the rest later",
        failure,
    )
    return False


def record_again(run: RunDir, tracker: Tracker, outputs: Path, parent: str | None) -> str:
    """Completes the tracked run, or starts another if the store does not have it anymore.

    Returns why that failed, or "". The ids in the files of the run are updated.
    """
    result, cfg = load_result(run.path), load_config(run.config_file)
    saved = read_json(run.tracked_file) if run.tracked_file.exists() else {}
    token = saved.get("begun_as") or new_run_token(outputs)
    run_id = saved.get("run") or tracker.find_by_token(token) or ""
    is_resumed = bool(run_id) and tracker.resume(run_id)
    if tracker.failure:
        return tracker.failure
    if not is_resumed:
        run_id = _start(run, result, cfg, tracker, parent, token)
    elif parent:
        tracker.set_parent(run_id, parent)
    write_json(
        run.tracked_file, {"uri": tracker.uri, "begun_as": token, "run": run_id, MISSED: "begun"}
    )
    result = RunResult(**vars(result) | {"run": run_id})
    write_json(run.result_file, read_json(run.result_file) | {"run": run_id})
    _track_folds(result, tracker)
    track_result(result, tracker)
    if result.test_evaluations:
        track_test(result, tracker)
    track_figures(result, tracker)
    tracker.tag(run_id, load_annotations(run.path).tags)
    tracker.end(run_id, "FINISHED")
    missed: dict[str, str] = {MISSED: tracker.failure} if tracker.failure else {}
    write_json(run.tracked_file, {"uri": tracker.uri, "begun_as": token, "run": run_id, **missed})
    return tracker.failure


def _start(
    run: RunDir, result: RunResult, cfg: Config, tracker: Tracker, parent: str | None, token: str
) -> str:
    file = run.environment_file
    environment = read_json(file) if file.exists() else {}
    tags = tags_of(result.facts, environment, cfg.seed) | {"begun_as": token}
    run_id = tracker.start(result.name, parent=parent, params=tracked_params(cfg), tags=tags)
    counts = json.loads(result.facts.get("images", "{}"))
    source = cfg.dataset.root or cfg.dataset.manifest or cfg.dataset.name
    images = len(pd.read_csv(run.split_file))  # an image may have several classes
    tracker.log_dataset(
        run_id,
        name=cfg.dataset.name,
        digest=result.facts["data_fingerprint"],
        source=source,
        profile={"images": images, **counts},
        context="training",
    )
    return run_id


def _track_folds(result: RunResult, tracker: Tracker) -> None:
    """The epochs of each training: in the run itself if it is the only one, else in a child."""
    files = RunDir(result.output)
    history, trainings = pd.read_csv(files.history_file), pd.read_csv(files.trainings_file)
    names = list(result.train_sizes)
    one_fold_each = all(name.endswith("f0") for name in names)
    existing = tracker.children(result.run, "fold") if len(names) > 1 else {}
    for name in names:
        repeat, fold = map(int, re.findall(r"\d+", name))
        rows = history[(history["repeat"] == repeat) & (history["fold"] == fold)]
        own = (trainings["repeat"] == repeat) & (trainings["fold"] == fold)
        (record,) = trainings[own].to_dict("records")
        solved = solution_metrics({str(name): value for name, value in record.items()})
        fold_run = result.run
        if len(names) > 1:
            fold_run = existing.get(name, "")
            if not (fold_run and tracker.resume(fold_run)):
                fold_run = tracker.start(
                    fold_title(repeat, fold, one_fold_each), parent=result.run, params={},
                    tags={"fold": name},
                )  # fmt: skip
        for epoch, metrics in metrics_by_epoch(rows):
            tracker.log(fold_run, metrics | solved, step=epoch)
        if fold_run != result.run:
            tracker.end(fold_run, "FINISHED")
