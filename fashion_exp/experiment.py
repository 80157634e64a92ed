"""One experiment: a typed config in, per-image predictions and what follows from them out."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fashion_exp.cache.shelf import trim
from fashion_exp.config import Config, OnFrozen, knobs, plain
from fashion_exp.data.augment import Augmentation, Views, fixed_augmentation
from fashion_exp.data.geometry import Geometry
from fashion_exp.data.pixels import load_pixels
from fashion_exp.data.split import Fold, Split, make_split, manifest_hash
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, Pruned
from fashion_exp.files import write_text
from fashion_exp.fold import (
    FoldResult,
    Place,
    Trial,
    epochs_again,
    from_cache,
    kept_model,
    new_model,
    random_operations,
    run_fold,
    trains_on_features,
)
from fashion_exp.identity import job_identity, short_hash
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan, plan_model
from fashion_exp.models.weights import find_weights
from fashion_exp.places import outputs_folder
from fashion_exp.predictions import PART_FILES, read_predictions, write_predictions
from fashion_exp.pruning import Watch
from fashion_exp.reporting.progress import Progress
from fashion_exp.results import Result, conclude, draw, open_test
from fashion_exp.tracking.tracker import NullTracker, Status, Tracker, TrackingError
from fashion_exp.training.compiling import missing_compiler
from fashion_exp.training.device import Compute, choose_compute, is_depthwise, share_of_cores
from fashion_exp.training.optimizers import build_optimizer
from fashion_exp.training.schedules import build_schedule
from fashion_exp.training.team import Team
from fashion_exp.trainings import Index, read_as_written, training_identity

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What surrounds one experiment: its name, its folder, and whether its test stays sealed."""

    name: str
    output: Path
    sealed: bool
    team: Team = field(default_factory=Team)
    tags: Mapping[str, str] = field(default_factory=dict)
    watch: Watch | None = None
    """What a search wants to hear after each epoch."""


def run_experiment(
    cfg: Config, images: ImageTable, job: Job, tracker: Tracker, progress: Progress
) -> Result:
    """Runs an experiment on `images`, or goes on with the one begun in `job.output`.

    Raises `InputError`, before anything is recorded, where the data or the combination do not
    allow it, and `Diverged` where a training fails. However it ends, the tracked run says so.
    """
    trial, split = prepare(cfg, images, progress, job.output, job.team)
    trial.watch = job.watch
    facts = _facts(trial, split, images.fingerprint)
    _write_inputs(trial, split)
    with _tracked(trial, job, facts, tracker) as run:
        for number in _waiting(trial, split):
            _train_fold(trial, split, number, tracker, run, progress)
        kept = _collect(job.output, [fold.name for fold in split.folds])
        sizes = {fold.name: len(fold.train) for fold in split.folds}
        reused = {what: from_cache(*counts) for what, counts in trial.reused.items()}
        reused["trainings"] = _taken_over(kept)
        log.info("trainings: %s", reused["trainings"])
        tracker.tag(run, reused)
        seconds = sum(float(one["record"]["seconds"]) for one in kept)
        result = Result(
            job.name, job.output, run, cfg.confidence, seconds, facts | reused, sizes,
            split.redrawn,
        )  # fmt: skip
        conclude(result, tracker)
        if cfg.tracking.log_model:
            example = trial.views.plain((0, 0, 0)).transpose(2, 0, 1)
            first = kept_model(trial, split.folds[0])
            tracker.model(run, first, np.stack([example, example]))
        if not job.sealed:
            open_test(result, outputs_folder(cfg.outputs), tracker)
            draw(result, trial.table, tracker)
        done = [(one["record"]["identity"], one["fold"]) for one in kept]
        Index(trial.cache).add(job.output, done)
        shutil.rmtree(job.output / "unfinished")
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


def prepare(
    cfg: Config, images: ImageTable, progress: Progress, output: Path, team: Team
) -> tuple[Trial, Split]:
    """Everything before the first training.

    What a user can get wrong is looked at before the photos are decoded.
    """
    compute = _compute(cfg, team)
    if cfg.training.compile and (lacking := missing_compiler(compute.device)):
        raise InputError(
            f"training.compile=true: this machine lacks {lacking}; install it, or "
            "training.compile=false"
        )
    weights = find_weights(cfg.model.name, _wanted_weights(cfg))
    log.info("weights: %s", weights.source)
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, weights, images.native_size)
    fixed, random = _augmentations(cfg, plan)
    _refuse_idle_processes(cfg, plan)
    model = _rehearse(cfg, plan, len(images.classes), compute)
    compute = replace(compute, depthwise=is_depthwise(model.network))
    if not team.leads:
        team.wait()  # what the first has stored need not be made again
    tick = progress.stage("reading images", len(images))
    geometry = Geometry(plan.size, cfg.dataset.fit.value, plan.interpolation, plan.channels)
    cache = outputs_folder(cfg.outputs) / "cache"
    table, pixels = load_pixels(
        images, geometry, cfg.dataset.max_left_out, compute.threads, lambda done, _: tick(done),
        cache,
    )  # fmt: skip
    if team.leads:
        team.wait()
    for store in trim(cache, cfg.cache.gigabytes * 1e9):
        log.info("cache: removed %s %s, unused the longest", store.kind, store.folder.name)
    for note in table.notes:
        log.info("data: %s", note)
    split = make_split(table.rows, table.classes, cfg.split, cfg.repeats)
    _refuse_seen_images(table, split, plan)
    views = Views(pixels, table.rows["image_id"].to_list(), fixed, random)
    trial = Trial(
        cfg, table, plan, compute, views, split.test, output, model.report(), cache, team,
        first_model=model,
    )  # fmt: skip
    trial.note_reuse("pixels", pixels.reused, len(images))
    return trial, split


def _compute(cfg: Config, team: Team) -> Compute:
    training = cfg.training
    threads = training.threads or share_of_cores(training.processes)
    try:
        return choose_compute(training.device, training.precision.value, threads, team.local_rank)
    except ValueError as error:
        raise InputError(f"training.device={error}") from None


def _refuse_idle_processes(cfg: Config, plan: ModelPlan) -> None:
    if cfg.training.processes > 1 and trains_on_features(cfg, plan):
        raise InputError(
            f"training.processes={cfg.training.processes}: a head on stored features trains faster "
            "than processes can exchange its gradients; training.processes=1, or "
            "model.freeze=none to train the backbone too"
        )


def _wanted_weights(cfg: Config) -> str:
    """What the driver of a sweep decided for all its jobs, else the knob."""
    if cfg.model.weights == "auto":
        return cfg.sweep.weights.get(cfg.model.name, "auto")
    return cfg.model.weights


def _augmentations(cfg: Config, plan: ModelPlan) -> tuple[Augmentation, Augmentation]:
    shape = (plan.size, plan.size, plan.channels)
    acting = random_operations(cfg, plan)
    if cfg.augmentation.on_frozen is OnFrozen.views and not (acting and plan.freeze == "backbone"):
        raise InputError(
            "augmentation.on_frozen=views cannot act: "
            + ("there are no operations" if plan.freeze == "backbone" else "no backbone is frozen")
            + "; augmentation.on_frozen=apply, or model.freeze=backbone and augmentation=light"
        )
    if not acting and cfg.augmentation.operations:
        log.info("augmentation: none, for the backbone is frozen; augmentation=light does it still")
    if not acting and cfg.augmentation.per_class is not None:
        raise InputError(
            "augmentation.per_class cannot act: the backbone is frozen, so augmentation is left "
            "out; augmentation=light or augmentation.on_frozen=apply does it all the same"
        )
    return (
        fixed_augmentation("augmentation.evaluation", cfg.augmentation.evaluation, shape),
        Augmentation("augmentation.operations", acting, shape),
    )


def _rehearse(cfg: Config, plan: ModelPlan, classes: int, compute: Compute) -> Classifier:
    """The first fold's model, built before all else so that mistakes end here."""
    model = new_model(cfg, plan, classes, compute)
    build_optimizer(head=model.head, backbone=model.network, **vars(cfg.optim))
    build_schedule(epochs=cfg.training.epochs, **vars(cfg.schedule))
    log.info(
        "model: %s, %s parameters, %s trainable, %s frozen, %s in the head; frozen part: %s",
        cfg.model.name,
        *(f"{count:,}" for count in asdict(model.report()).values()),
        plan.freeze,
    )
    return model


def _refuse_seen_images(table: ImageTable, split: Split, plan: ModelPlan) -> None:
    """Weights of an earlier run may not be judged by images that they were trained on."""
    ids = table.rows["image_id"].to_numpy()
    judged = {*ids[split.test], *(i for fold in split.folds for i in ids[fold.validation])}
    seen = judged & plan.weights.trained_on
    if seen:
        raise InputError(
            f"model.weights: {len(seen)} of the {len(judged)} images that this run would be judged "
            "by trained those weights; take weights trained on other data, or the same split with "
            "split.redraw=false and repeats=1"
        )


def _facts(trial: Trial, split: Split, data: str) -> dict[str, str]:
    """What a result depends on beside the knobs: recorded as tags.

    `data` is the fingerprint of the images as they were found, before any was read.
    """
    cfg, plan, compute = trial.cfg, trial.plan, trial.compute
    manifest = split.manifest(trial.table.rows)
    test_ids = sorted(trial.table.rows["image_id"].to_numpy()[split.test])
    return {
        "job_hash": job_identity(cfg, data, plan.weights.identity, compute),
        "data_fingerprint": trial.table.fingerprint,
        **trial.table.facts,
        "split_hash": manifest_hash(manifest),
        "test_hash": short_hash(test_ids),
        "weights": plan.weights.source,
        "weights_sha256": plan.weights.sha256 or "random",
        "freeze": plan.freeze,
        "input": f"{plan.size} px, {plan.channels} channels, {plan.interpolation}",
        "augmentation": ", ".join(str(op["name"]) for op in random_operations(cfg, plan)) or "none",
        "device": str(compute.device),
        "precision": compute.dtype,
        "threads": str(compute.threads),
        "parameters": json.dumps(asdict(trial.parameters)),
        "images": json.dumps(trial.table.class_counts),
        "left_out": str(len(trial.table.left_out)),
        "set_aside": str(len(trial.table.set_aside)),
        "val_selected": "on these images" if _selects(cfg) else "no",
    }


def _selects(cfg: Config) -> bool:
    """Whether the validation images chose the epoch, so that their score is too good."""
    return cfg.training.keep.value == "best" or cfg.training.early_stopping is not None


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
        for name, value in knobs(plain(trial.cfg))
        if value is not None and not name.startswith(excluded)
    }

    def start() -> str:
        tags = {**job.tags, **facts}
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

    run = _begun_or_new(job.output / "tracked.json", tracker, start)
    with ending(tracker, run):
        yield run


def _begun_or_new(kept: Path, tracker: Tracker, start: Callable[[], str]) -> str:
    """The tracked run whose id is `kept`, RUNNING again, or one that is started and kept now."""
    begun = _read_json(kept)
    if begun.get("uri") == tracker.uri and begun.get("run"):
        tracker.resume(begun["run"])
        return str(begun["run"])
    run = start()
    write_text(kept, json.dumps({"uri": tracker.uri, "run": run}))
    return run


def tracked_runs(output: Path) -> list[str]:
    """Ids of the runs of a job that is not finished: its own last."""
    folds = sorted((output / "unfinished").glob("*-tracked.json"))
    begun = [f for f in folds if not _is_finished(output, f.name.removesuffix("-tracked.json"))]
    found = [_read_json(kept).get("run", "") for kept in [*begun, output / "tracked.json"]]
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


def _read_json(path: Path) -> dict[str, str]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


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
    child = _begun_or_new(
        trial.output / "unfinished" / f"{fold.name}-tracked.json",
        tracker,
        lambda: tracker.start(name, parent=run, params={}, tags={"fold": fold.name}),
    )
    with ending(tracker, child):
        _train_or_take_over(trial, fold, place, tracker, child, progress)


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
    kept = [json.loads((folder / f"{fold}-finished.json").read_text()) for fold in folds]
    records = pd.DataFrame([one["record"] for one in kept])
    write_text(output / "trainings.csv", records.to_csv(index=False))
    return kept


def _taken_over(kept: list[dict[str, Any]]) -> str:
    """How many trainings were not done again, and whose they are."""
    runs = [one["taken_from"] for one in kept if one["taken_from"]]
    told = f"{len(runs)} of {len(kept)} taken over"
    return f"{told} from {', '.join(dict.fromkeys(runs))}" if runs else told
