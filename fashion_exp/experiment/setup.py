"""From a config and images to a trial and its split: all that can be wrong is found here."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

from fashion_exp.cache.manager import trim_cache
from fashion_exp.configuration.schema import Config, OnFrozen
from fashion_exp.data.augment import Augmentation, Views, fixed_augmentation
from fashion_exp.data.geometry import Geometry
from fashion_exp.data.pixels import load_pixels
from fashion_exp.data.split import Split, make_split, manifest_hash
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.experiment.context import Trial, new_model, random_operations, trains_on_features
from fashion_exp.experiment.fingerprints import job_identity, short_hash
from fashion_exp.experiment.training_cache import Earlier, Index, training_identity
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan, plan_model
from fashion_exp.models.weights import find_weights
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.progress import Progress
from fashion_exp.training.compiling import missing_compiler
from fashion_exp.training.device import Compute, choose_compute, threads_per_process
from fashion_exp.training.optimizers import build_optimizer
from fashion_exp.training.process_group import ProcessGroup
from fashion_exp.training.schedules import build_schedule

log = logging.getLogger(__name__)


def prepare(
    cfg: Config, images: ImageTable, progress: Progress, output: Path, team: ProcessGroup
) -> tuple[Trial, Split]:
    """Everything before the first training.

    What a user can get wrong is looked at before the photos are decoded. Where an earlier run has
    done all of it, no model is built: VGG16's random weights alone take a second.
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
    rehearsed = cache(partial(_rehearse, cfg, plan, len(images.classes), compute))
    if not team.is_main_process:
        rehearsed()  # a mistake ends all alike, none of them waiting for the others
        team.wait()  # what the first has stored need not be made again
    tick = progress.stage("reading images", len(images))
    geometry = Geometry(plan.size, cfg.dataset.fit.value, plan.interpolation, plan.channels)
    shelf = outputs_dir(cfg.outputs) / "cache"
    table, pixels = load_pixels(
        images, geometry, cfg.dataset.max_left_out, compute.threads, lambda done, _: tick(done),
        shelf, before_decoding=rehearsed,
    )  # fmt: skip
    if team.is_main_process:
        team.wait()
    for store in trim_cache(shelf, cfg.cache.gigabytes * 1e9):
        log.info("cache: removed %s %s, unused the longest", store.kind, store.folder.name)
    for note in table.notes:
        log.info("data: %s", note)
    split = make_split(table.rows, table.classes, cfg.split, cfg.repeats)
    _refuse_seen_images(table, split, plan)
    views = Views(pixels, table.rows["image_id"].to_list(), fixed, random)
    trial = Trial(cfg, table, plan, compute, views, split.test, output, shelf, team)
    if cfg.cache.trainings and (earlier := _first_of_all_done_before(trial, split)):
        trial.parameters = earlier.parameters
    else:
        trial.first_model = rehearsed()
        trial.parameters = asdict(trial.first_model.report())
    trial.note_reuse("pixels", pixels.reused, len(images))
    return trial, split


def _first_of_all_done_before(trial: Trial, split: Split) -> Earlier | None:
    found = [Index(trial.cache).find(training_identity(trial, fold)) for fold in split.folds]
    return found[0] if all(found) else None


def _compute(cfg: Config, team: ProcessGroup) -> Compute:
    training = cfg.training
    threads = training.threads or threads_per_process(training.processes)
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


def facts_of(trial: Trial, split: Split, data: str) -> dict[str, str]:
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
        "parameters": json.dumps(trial.parameters),
        "images": json.dumps(trial.table.class_counts),
        "left_out": str(len(trial.table.left_out)),
        "set_aside": str(len(trial.table.set_aside)),
        "val_selected": "on these images" if _selects(cfg) else "no",
    }


def _selects(cfg: Config) -> bool:
    """Whether the validation images chose the epoch, so that their score is too good."""
    return cfg.training.keep.value == "best" or cfg.training.early_stopping is not None
