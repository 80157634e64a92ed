"""Prepares an experiment: finds every mistake of the user before the first training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache, partial

from fashion_exp.atomic_io import write_text
from fashion_exp.cache.manager import trim_cache
from fashion_exp.configuration.schema import (
    Config,
    ModelConfig,
    OnFrozen,
    network_of,
    single_backbones,
)
from fashion_exp.data.augment import Augmentation, ImageViews, deterministic_augmentation
from fashion_exp.data.csv_lists import frame_as_csv
from fashion_exp.data.pixels import CachedPixels, load_pixels
from fashion_exp.data.split import Fold, Split, build_split, describe_parts
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, suggest
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import resolve_paths
from fashion_exp.experiment.context import (
    ExperimentContext,
    pixel_formats,
    pixel_geometries,
    random_operations,
    training_phases,
    trains_on_features,
    views_per_image,
)
from fashion_exp.experiment.features import FeatureProvider, log_reuse
from fashion_exp.experiment.fingerprints import training_fingerprint
from fashion_exp.experiment.pruning import EpochReport
from fashion_exp.experiment.refusals import (
    check_phases,
    refuse_cut_features,
    refuse_idle_processes,
    refuse_seen_images,
    refuse_single_images,
    refuse_too_many_neighbors,
    refuse_unfrozen,
)
from fashion_exp.experiment.resources import check_resources
from fashion_exp.experiment.trainee import Trainee, build_trainee
from fashion_exp.experiment.training_cache import CachedTraining, TrainingCache
from fashion_exp.extensions.registry import own_pieces
from fashion_exp.models.build import check_architecture, check_model_name, check_model_options
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan, plan_backbones
from fashion_exp.models.side_by_side import StoredNetwork
from fashion_exp.models.weights import Weights, find_weights
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.progress import Progress
from fashion_exp.training.compiling import missing_compiler
from fashion_exp.training.device import (
    Compute,
    choose_compute,
    is_depthwise,
    threads_per_process,
)
from fashion_exp.training.losses import LOSSES
from fashion_exp.training.optimizers import check_optimizer
from fashion_exp.training.process_group import ProcessGroup
from fashion_exp.training.schedules import check_schedule

log = logging.getLogger(__name__)


def check_names(cfg: Config) -> None:
    """Raises `InputError` for a model, an optimizer, a loss or a schedule that does not exist;
    writes no file."""
    for backbone in single_backbones(cfg.model):
        check_model_name(backbone.name)
        check_model_options(backbone)
    check_optimizer(cfg.optim.name, cfg.optim.options)
    check_schedule(cfg.schedule.name)
    if cfg.training.loss not in (losses := [*LOSSES, *own_pieces("loss")]):
        raise InputError(
            f"training.loss={cfg.training.loss}: no such loss; {suggest(cfg.training.loss, losses)}"
        )


def set_up(
    cfg: Config,
    images: ImageTable,
    run: RunDir,
    group: ProcessGroup,
    progress: Progress,
    report_epoch: EpochReport | None = None,
) -> tuple[ExperimentContext, Trainee | None]:
    """The context of an experiment, and the trainee of its first fold.

    The trainee is built early, as a dry run; it is None if every training can be reused.

    Raises `InputError` for data or combinations of options that do not allow the experiment.
    """
    compute = resolve_compute(cfg, group)
    plan = make_plan(cfg, run, images.native_size)
    _check_plan(cfg, plan)
    check_resources(cfg, plan, images, compute.device, outputs_dir(cfg.outputs))
    dry_run = cache(partial(build_dry_run, cfg, plan, len(images.classes), compute))
    if not group.is_main_process:
        dry_run()  # a mistake ends all processes, so that none waits for the others
        group.barrier()  # the main process has stored the pixels by then
    tick = progress.stage("reading images", len(images))
    cache_dir = outputs_dir(cfg.outputs) / "cache"
    table, pixels = load_pixels(
        images, pixel_geometries(cfg, plan), cfg.dataset.max_left_out, compute.threads,
        lambda done, _: tick(done), cache_dir, before_decoding=dry_run,
    )  # fmt: skip
    if group.is_main_process:
        group.barrier()
    for store in trim_cache(cache_dir, cfg.cache.gigabytes * 1e9):
        log.info("cache: removed %s %s, the least recently used", store.kind, store.folder.name)
    for note in table.notes:
        log.info("data: %s", note)
    pixels_reused = min(stored.reused for stored in pixels)  # of several formats
    log_reuse("pixels", pixels_reused, len(images))
    split = _split(cfg, table)
    refuse_seen_images(table, split, plan)
    refuse_too_many_neighbors(cfg, split)
    image_ids = table.rows["image_id"].to_list()
    views, plain = build_views(cfg, plan, pixels, image_ids), plan.input_formats[0]

    def context(
        compute: Compute, parameter_counts: dict[str, int], stored: Sequence[StoredNetwork] = ()
    ) -> ExperimentContext:
        features = FeatureProvider(cfg, plan, compute, views, image_ids, cache_dir, progress)
        return ExperimentContext(
            cfg, table, split, plan, compute, views[plain], features, run, cache_dir, group,
            parameter_counts, pixels_reused, stored, report_epoch,
        )  # fmt: skip

    if cfg.cache.trainings and (counts := all_cached(context(compute, {}))):
        return context(compute, counts), None
    stored = _stored_networks(context(compute, {}))
    trainee = (
        build_dry_run(cfg, plan, len(images.classes), compute, stored) if stored else dry_run()
    )
    compute = replace(compute, depthwise=is_depthwise(trainee.model.network))
    return context(compute, asdict(trainee.model.parameter_counts()), stored), trainee


def _check_plan(cfg: Config, plan: ModelPlan) -> None:
    """Raises `InputError` for options that do not fit what is frozen, or the run to extend."""
    if cfg.extend is not None:
        from fashion_exp.experiment.extend import refuse_other_rates

        refuse_other_rates(cfg)
    _check_augmentation(cfg, plan)
    refuse_unfrozen(cfg, plan)
    refuse_idle_processes(cfg, plan)
    refuse_cut_features(cfg, plan)


def _split(cfg: Config, table: ImageTable) -> Split:
    split = build_split(table.rows, table.classes, cfg.split, cfg.repeats)
    for note in describe_parts(table.part_counts, cfg.split):
        log.info("split: %s", note)
    return split


def make_plan(cfg: Config, run: RunDir, native_size: int) -> ModelPlan:
    """The plan of a run, whose relative paths are of the folder that it was started in; logs the
    weights. Raises `InputError` as `backbone_weights` and `plan_with`."""
    resolved = resolve_paths(cfg, run)
    backbones, weights_of = single_backbones(resolved.model), backbone_weights(resolved)
    for backbone, weights in zip(backbones, weights_of, strict=True):
        of = f" of {backbone.name}" if len(backbones) > 1 else ""
        log.info("weights%s: %s", of, weights.description)
        if weights.advice:
            log.warning("no pretrained weights%s: %s", of, weights.advice)
    return plan_with(cfg, weights_of, native_size)


def backbone_weights(cfg: Config) -> list[Weights]:
    """The weights of each backbone. Raises `InputError` for weights that are not found."""
    return [_find_weights(cfg, backbone) for backbone in single_backbones(cfg.model)]


def plan_with(cfg: Config, all_weights: Sequence[Weights], native_size: int) -> ModelPlan:
    """The plan with these weights. Raises `InputError` if they do not fit the options."""
    try:
        return plan_backbones(cfg.model, cfg.dataset, cfg.optim, all_weights, native_size)
    except InputError:  # weights of another network are the mistake to report first
        for backbone, weights in zip(single_backbones(cfg.model), all_weights, strict=True):
            check_architecture(backbone, weights, cfg.dataset.channels)
        raise


def _stored_networks(context: ExperimentContext) -> Sequence[StoredNetwork]:
    """The networks if the head is solved and all their features are stored; else none.

    Networks with random weights differ between trainings.
    """
    cfg, plan = context.cfg, context.plan
    is_frozen = plan.freeze == "backbone" and all(part.weights.path for part in plan.networks)
    if not (cfg.model.head.is_solved and is_frozen and not cfg.model.drop_path):
        return ()
    return context.features.stored_networks(0, views_per_image(cfg))


def build_dry_run(
    cfg: Config, plan: ModelPlan, classes: int, compute: Compute,
    stored: Sequence[StoredNetwork] = (),
) -> Trainee:  # fmt: skip
    """The trainee of the first fold, built early to find mistakes in the options."""
    trainee = build_trainee(cfg, plan, classes, compute, stored=stored)
    refuse_single_images(cfg, plan, trainee)
    check_phases(plan, trainee.model)
    log.info(
        "model: %s, %s parameters, %s trainable, %s frozen, %s in the head; frozen part: %s",
        cfg.model.name,
        *(f"{count:,}" for count in asdict(trainee.model.parameter_counts()).values()),
        plan.frozen_part,
    )
    if plan.beside:
        _log_backbones(cfg, plan, trainee.model)
    return trainee


def _log_backbones(cfg: Config, plan: ModelPlan, model: Classifier) -> None:
    for single, parameters, network in zip(
        single_backbones(cfg.model), model.backbone_parameters, plan.networks, strict=True
    ):
        log.info(
            "backbone %s: %s parameters, %d px, %s",
            single.name, f"{parameters:,}", network.size, network.interpolation,
        )  # fmt: skip


def all_cached(context: ExperimentContext) -> dict[str, int]:
    """The model's parameter counts if every training can be reused, else nothing."""
    trainings = TrainingCache(context.cache)
    folds = context.split.folds
    cached = [trainings.find(training_fingerprint(context, fold)) for fold in folds]
    first = cached[0]
    return first.parameter_counts if first is not None and all(cached) else {}


def resolve_compute(cfg: Config, group: ProcessGroup) -> Compute:
    """Device, precision and threads. Raises `InputError` for what this machine does not have."""
    training = cfg.training
    threads = training.threads or threads_per_process(training.processes)
    try:
        compute = choose_compute(
            training.device, training.precision.value, threads, group.local_rank
        )
    except ValueError as error:
        raise InputError(f"training.device={error}") from None
    if cfg.training.compile and (missing := missing_compiler(compute.device)):
        raise InputError(
            f"training.compile=true: this machine lacks {missing}; install it, or set "
            "training.compile=false"
        )
    return compute


def _find_weights(cfg: Config, backbone: ModelConfig) -> Weights:
    """Those that are requested, or what a sweep resolved `auto` to for all its jobs."""
    network, requested = network_of(backbone.name), backbone.weights
    if requested == "auto":
        requested = cfg.sweep.weights.get(network, "auto")
    return find_weights(network, requested)


def _augmentations(
    cfg: Config, plan: ModelPlan, shape: tuple[int, int, int]
) -> tuple[Augmentation, Augmentation]:
    """The fixed augmentation of every image, and the random one of training images."""
    return (
        deterministic_augmentation("augmentation.evaluation", cfg.augmentation.evaluation, shape),
        Augmentation("augmentation.operations", random_operations(cfg, plan), shape),
    )


def build_views(
    cfg: Config, plan: ModelPlan, pixels: Sequence[CachedPixels], image_ids: Sequence[str]
) -> dict[tuple[int, str], ImageViews]:
    """The network's input images in each format of `pixel_formats`."""
    return {
        (stored.geometry.size, stored.geometry.interpolation): ImageViews(
            stored, image_ids, *_augmentations(cfg, plan, stored.geometry.shape)
        )
        for stored in pixels
    }


def _check_augmentation(cfg: Config, plan: ModelPlan) -> None:
    """Raises `InputError` for operations that do not work, or options that have no effect."""
    operations = random_operations(cfg, plan)
    if plan.reads_features and not trains_on_features(cfg, plan):
        raise InputError(
            "augmentation.on_frozen=apply: several model.backbones, and model.test_views, need "
            "stored features; set augmentation.on_frozen=views, or skip"
        )
    phases = training_phases(plan, cfg.training.epochs)
    frozen = any(phase.plan.freeze == "backbone" for phase in phases)
    if cfg.augmentation.on_frozen is OnFrozen.views and not (operations and frozen):
        reason = "augmentation.operations is empty" if frozen else "no backbone is frozen"
        raise InputError(
            f"augmentation.on_frozen=views has no effect: {reason}; set "
            "augmentation.on_frozen=apply, or model.freeze=backbone and augmentation=light"
        )
    if not operations and cfg.augmentation.operations:
        log.info(
            "augmentation disabled (frozen backbone)%s",
            "" if cfg.model.head.is_solved else "; set augmentation=light to force it",
        )
    if not operations and cfg.augmentation.per_class is not None:
        raise InputError(
            "augmentation.per_class has no effect: augmentation is disabled because the backbone "
            "is frozen; set augmentation=light or augmentation.on_frozen=apply to force it"
        )
    for size, _ in pixel_formats(plan):
        _augmentations(cfg, plan, (size, size, plan.channels))


def save_inputs(context: ExperimentContext) -> None:
    """Saves the split and the list of unused files.

    Raises `InputError` if a resumed run was started with other images, labels or groups.
    """
    run, manifest = context.run, context.split.manifest(context.table.rows).to_csv(index=False)
    resumed = run.unfinished.exists() and run.split_file.exists()
    if resumed and run.split_file.read_text(encoding="utf-8") != manifest:
        raise InputError(
            f"resume={run.path}: the images, their labels, quarantine.csv or groups.csv have "
            "changed since this run was started; restore them (data apply DATA --list shows the "
            "versions of the labels), or start a new run"
        )
    write_text(run.split_file, manifest)
    write_text(run.left_out_file, frame_as_csv(context.table.left_out))


def find_cached_training(context: ExperimentContext, fold: Fold) -> CachedTraining | None:
    if not (context.cfg.cache.trainings and context.group.is_main_process):
        return None
    return TrainingCache(context.cache).find(training_fingerprint(context, fold))
