"""One experiment: a typed config in, per-image predictions and what follows from them out."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fashion_exp.atomic_io import read_json, write_text
from fashion_exp.configuration.schema import Config, flatten_options, to_plain
from fashion_exp.data.split import Fold, Split
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, Pruned
from fashion_exp.evaluation.predictions import PART_FILES, read_predictions, write_predictions
from fashion_exp.evaluation.results import RunResult, draw_figures, evaluate_test, record_result
from fashion_exp.experiment.context import Trial, from_cache, kept_model
from fashion_exp.experiment.fold import FoldResult, Place, epochs_again, run_fold
from fashion_exp.experiment.pruning import Watch
from fashion_exp.experiment.setup import facts_of, prepare
from fashion_exp.experiment.training_cache import Index, read_as_written, training_identity
from fashion_exp.paths import new_run_token, outputs_dir
from fashion_exp.reporting.progress import Progress
from fashion_exp.tracking.tracker import NullTracker, Status, Tracker, TrackingError
from fashion_exp.training.process_group import ProcessGroup

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What surrounds one experiment: its name, its folder, and whether its test stays sealed."""

    name: str
    output: Path
    sealed: bool
    team: ProcessGroup = field(default_factory=ProcessGroup)
    tags: Mapping[str, str] = field(default_factory=dict)
    watch: Watch | None = None
    """What a search wants to hear after each epoch."""


def run_experiment(
    cfg: Config, images: ImageTable, job: Job, tracker: Tracker, progress: Progress
) -> RunResult:
    """Runs an experiment on `images`, or goes on with the one begun in `job.output`.

    Raises `InputError`, before anything is recorded, where the data or the combination do not
    allow it, and `Diverged` where a training fails. However it ends, the tracked run says so.
    """
    trial, split = prepare(cfg, images, progress, job.output, job.team)
    trial.watch = job.watch
    facts = facts_of(trial, split, images.fingerprint)
    _write_inputs(trial, split)
    with _tracked(trial, job, facts, tracker) as run:
        _end_finished(job.output, tracker)
        for number in _waiting(trial, split):
            _train_fold(trial, split, number, tracker, run, progress)
        kept = _collect(job.output, [fold.name for fold in split.folds])
        sizes = {fold.name: len(fold.train) for fold in split.folds}
        reused = {what: from_cache(*counts) for what, counts in trial.reused.items()}
        reused["trainings"] = _taken_over(kept)
        log.info("trainings: %s", reused["trainings"])
        tracker.tag(run, reused)
        seconds = sum(float(one["record"]["seconds"]) for one in kept)
        result = RunResult(
            job.name, job.output, run, cfg.confidence, seconds, facts | reused, sizes,
            split.redrawn,
        )  # fmt: skip
        record_result(result, tracker)
        if cfg.tracking.log_model:
            example = trial.views.plain((0, 0, 0)).transpose(2, 0, 1)
            first = kept_model(trial, split.folds[0])
            tracker.model(run, first, np.stack([example, example]))
        if not job.sealed:
            evaluate_test(result, outputs_dir(cfg.outputs), tracker)
            draw_figures(result, trial.table, tracker)
        done = [(one["record"]["identity"], one["fold"]) for one in kept]
        Index(trial.cache).add(job.output, done)
    shutil.rmtree(job.output / "unfinished")  # the sign that all is done, the tracked run's end too
    return result


def help_train(cfg: Config, images: ImageTable, job: Job, progress: Progress) -> None:
    """What every process of a team but the first does of `run_experiment`: it writes nothing."""
    trial, split = prepare(cfg, images, progress, job.output, job.team)
    for number in _waiting(trial, split):
        if not trial.team.told(""):  # the first has no training to take over
            place = Place(number + 1, len(split.folds), "fold")
            run_fold(trial, split.folds[number], place, NullTracker(), "", progress)


def _waiting(trial: Trial, split: Split) -> list[int]:
    """The folds that are not finished, by number, as the team's first process sees it."""
    numbers = [
        str(number)
        for number, fold in enumerate(split.folds)
        if not _is_finished(trial.output, fold.name)
    ]
    return [int(number) for number in trial.team.told(" ".join(numbers)).split()]


def _write_inputs(trial: Trial, split: Split) -> None:
    """Raises `InputError` where a run that goes on began with other images, labels or groups."""
    kept, manifest = trial.output / "split.csv", split.manifest(trial.table.rows)
    begun = (trial.output / "unfinished").exists()
    if begun and kept.exists() and kept.read_text(encoding="utf-8") != manifest.to_csv(index=False):
        raise InputError(
            f"resume={trial.output}: its photos, their labels, quarantine.csv or groups.csv have "
            "changed since it began; put them back (data apply DATA --list shows the versions of "
            "the labels), or start another run"
        )
    write_text(kept, manifest.to_csv(index=False))
    write_text(trial.output / "left_out.csv", trial.table.left_out.to_csv(index=False))


@contextmanager
def _tracked(trial: Trial, job: Job, facts: Mapping[str, str], tracker: Tracker) -> Iterator[str]:
    """The tracked run of an experiment, taken up again where there is one."""
    excluded = ("outputs", "resume", "cache.", "sweep.", "tracking.")
    params = {
        name: value
        for name, value in flatten_options(to_plain(trial.cfg))
        if value is not None and not name.startswith(excluded)
    }

    def start(token: str) -> str:
        tags = {**job.tags, **facts, "begun_as": token}
        run = tracker.start(job.name, parent=trial.cfg.sweep.parent, params=params, tags=tags)
        tracker.dataset(
            run,
            name=trial.table.name,
            digest=trial.table.fingerprint,
            source=trial.cfg.dataset.root or trial.cfg.dataset.manifest or trial.table.name,
            profile={"images": len(trial.table), **trial.table.class_counts},
            context="training",
        )
        return run

    outputs = outputs_dir(trial.cfg.outputs)
    run = _begun_or_new(job.output / "tracked.json", tracker, outputs, start)
    with ending(tracker, run):
        yield run


def _begun_or_new(kept: Path, tracker: Tracker, outputs: Path, start: Callable[[str], str]) -> str:
    """The tracked run whose id is `kept`, RUNNING again, or one that is started and kept now.

    What it is begun as is kept before it is: of a process killed in between, it is found by that.
    """
    begun = _noted(kept)
    if begun.get("uri") != tracker.uri:
        begun = {}
    token = begun.get("begun_as") or new_run_token(outputs)
    if run := begun.get("run") or (tracker.begun_as(token) if begun else None):
        tracker.resume(run)
    else:
        write_text(kept, json.dumps({"uri": tracker.uri, "begun_as": token}))
        run = start(token)
    write_text(kept, json.dumps({"uri": tracker.uri, "begun_as": token, "run": run}))
    return run


def tracked_runs(output: Path) -> list[str]:
    """Ids of the runs of a job that is not finished: its own last."""
    folds = sorted((output / "unfinished").glob("*-tracked.json"))
    begun = [f for f in folds if not _is_finished(output, f.name.removesuffix("-tracked.json"))]
    found = [_noted(kept).get("run", "") for kept in [*begun, output / "tracked.json"]]
    return [run for run in found if run]


@contextmanager
def ending(tracker: Tracker, run: str) -> Iterator[None]:
    """Ends a tracked run as what happens inside ends."""
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, (KeyboardInterrupt, Pruned))
        status: Status = "KILLED" if stopped else "FAILED"
        with suppress(TrackingError):  # what failed first is what matters
            tracker.end(run, status)
        raise
    tracker.end(run, "FINISHED")


def _noted(path: Path) -> dict[str, str]:
    return read_json(path) if path.exists() else {}


def _train_fold(
    trial: Trial, split: Split, number: int, tracker: Tracker, run: str, progress: Progress
) -> None:
    """Has one fold trained, in a tracked run of its own where there are several."""
    fold = split.folds[number]
    repeats = 1 + max(other.repeat for other in split.folds)
    unit = "repeat" if repeats == len(split.folds) else "fold"
    place = Place(number + 1, len(split.folds), unit)
    if len(split.folds) == 1:
        _train_or_take_over(trial, fold, place, tracker, run, progress)
        return
    name = f"repeat {fold.repeat + 1}" + (f" fold {fold.fold + 1}" if unit == "fold" else "")
    tracked = trial.output / "unfinished" / f"{fold.name}-tracked.json"
    child = _begun_or_new(
        tracked,
        tracker,
        outputs_dir(trial.cfg.outputs),
        lambda token: tracker.start(
            name, parent=run, params={}, tags={"fold": fold.name, "begun_as": token}
        ),
    )
    with ending(tracker, child):
        _train_or_take_over(trial, fold, place, tracker, child, progress)
    tracked.unlink()


def _end_finished(output: Path, tracker: Tracker) -> None:
    """Ends the tracked runs of finished folds whose process was killed before it could."""
    for tracked in (output / "unfinished").glob("*-tracked.json"):
        if _is_finished(output, tracked.name.removesuffix("-tracked.json")):
            tracker.end(_noted(tracked)["run"], "FINISHED")
            tracked.unlink()


def _train_or_take_over(
    trial: Trial, fold: Fold, place: Place, tracker: Tracker, run: str, progress: Progress
) -> None:
    """Keeps the rows of a fold: those of a run that has done this very training, else new ones."""
    identity = training_identity(trial, fold)
    earlier = Index(trial.cache).find(identity) if trial.cfg.cache.trainings else None
    trial.team.told(earlier.run.name if earlier else "")
    told = f"training {place.number} of {place.of} ({fold.name})"
    if earlier is None:
        log.info(told)
        result = run_fold(trial, fold, place, tracker, run, progress)
        result = replace(result, record=result.record | {"identity": identity})
    else:
        log.info("%s: taken over from %s", told, earlier.run.name)
        earlier.copy_models(trial.output / "checkpoints")
        result = earlier.result()
        for epoch, metrics in epochs_again(result.history):
            tracker.log(run, metrics, step=epoch)
        tracker.tag(run, {"taken_over": str(earlier.run)})
    _keep(trial.output / "unfinished", fold.name, result, earlier.run.name if earlier else "")


def _keep(folder: Path, name: str, result: FoldResult, taken_from: str) -> None:
    """Writes a finished fold; the last file is the sign that it is whole."""
    write_predictions(result.validation, folder / f"{name}-{PART_FILES['validation']}")
    write_predictions(result.test, folder / f"{name}-{PART_FILES['test']}")
    write_text(folder / f"{name}-history.csv", result.history.to_csv(index=False))
    told = {"fold": name, "record": result.record, "taken_from": taken_from}
    write_text(folder / f"{name}-finished.json", json.dumps(told))
    (folder / f"{name}.pt").unlink(missing_ok=True)


def _is_finished(output: Path, fold: str) -> bool:
    return (output / "unfinished" / f"{fold}-finished.json").exists()


def _collect(output: Path, folds: list[str]) -> list[dict[str, Any]]:
    """Joins the folds' files into the run's; gives what was kept of each."""
    folder = output / "unfinished"
    for file in PART_FILES.values():
        frames = [read_predictions(folder / f"{fold}-{file}") for fold in folds]
        write_predictions(pd.concat(frames, ignore_index=True), output / file)
    histories = [read_as_written(folder / f"{fold}-history.csv") for fold in folds]
    write_text(output / "history.csv", pd.concat(histories).to_csv(index=False))
    kept = [read_json(folder / f"{fold}-finished.json") for fold in folds]
    records = pd.DataFrame([one["record"] for one in kept])
    write_text(output / "trainings.csv", records.to_csv(index=False))
    return kept


def _taken_over(kept: list[dict[str, Any]]) -> str:
    """How many trainings were not done again, and whose they are."""
    runs = [one["taken_from"] for one in kept if one["taken_from"]]
    told = f"{len(runs)} of {len(kept)} taken over"
    return f"{told} from {', '.join(dict.fromkeys(runs))}" if runs else told
