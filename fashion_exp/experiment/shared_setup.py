"""The set-up that the jobs of a sweep share in one process.

Jobs that differ only in how they train have the same images, split, model and features.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from fashion_exp.configuration.schema import Config, flatten_options, to_plain
from fashion_exp.data.table import ImageTable
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import resolve_paths
from fashion_exp.experiment.context import ExperimentContext, trains_on_features
from fashion_exp.experiment.pruning import EpochReport
from fashion_exp.experiment.setup import all_cached, build_dry_run, set_up
from fashion_exp.experiment.trainee import Trainee
from fashion_exp.reporting.progress import Progress
from fashion_exp.training.process_group import ProcessGroup

log = logging.getLogger(__name__)

MAX_CONTEXTS = 32
"""The oldest ones are forgotten; each has a few files open."""

_contexts: dict[str, ExperimentContext] | None = None

_TRAINING_OPTIONS = frozenset(
    {"optim.name", "optim.lr", "optim.weight_decay", "optim.momentum", "optim.options",
     "model.dropout", "training.epochs", "training.accumulate",
     "training.label_smoothing", "training.class_weights", "training.clip_norm",
     "training.early_stopping", "training.keep"}
)  # fmt: skip


def can_share_set_up(option: str) -> bool:
    """Whether jobs that differ in this option alone have the same images, features and heads."""
    return option.startswith(("optim.options.", "schedule.")) or option in _TRAINING_OPTIONS


@contextmanager
def sharing_set_ups() -> Iterator[None]:
    """In the block, `set_up_job` sets up jobs on the same stored features once."""
    global _contexts
    _contexts = {}
    try:
        yield
    finally:
        _contexts = None


def set_up_job(
    cfg: Config, images: ImageTable, run: RunDir, group: ProcessGroup, progress: Progress,
    report_epoch: EpochReport | None = None,
) -> tuple[ExperimentContext, Trainee | None]:  # fmt: skip
    """As `set_up`, which is not repeated for what an earlier job has in common with this one."""
    context = shared_context(cfg, images, run, progress)
    if context is None:
        context, trainee = set_up(cfg, images, run, group, progress, report_epoch)
        if _contexts is not None and trains_on_features(cfg, context.plan):
            _contexts[_key(cfg, run, images)] = context
            for oldest in list(_contexts)[:-MAX_CONTEXTS]:
                del _contexts[oldest]
        return context, trainee
    context = replace(context, report_epoch=report_epoch)
    if cfg.cache.trainings and all_cached(context):
        return context, None
    trainee = build_dry_run(cfg, context.plan, len(images.classes), context.compute, context.stored)
    return context, trainee


def shared_context(
    cfg: Config, images: ImageTable, run: RunDir, progress: Progress
) -> ExperimentContext | None:
    """The context of a job, if an earlier one had the same set-up; None otherwise."""
    context = _contexts.get(_key(cfg, run, images)) if _contexts else None
    if context is None:
        return None
    log.info("set-up: as that of %s", context.run.path.name)
    return replace(
        context, cfg=cfg, run=run, features=context.features.of_other_job(progress),
        pixels_reused=len(context.table),
    )  # fmt: skip


def _key(cfg: Config, run: RunDir, images: ImageTable) -> str:
    options = flatten_options(to_plain(resolve_paths(cfg, run)))
    return json.dumps(
        [images.fingerprint, {name: v for name, v in options if not can_share_set_up(name)}]
    )
