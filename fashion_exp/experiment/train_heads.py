"""Trains the heads of many jobs together, before the jobs run and find their trainings done."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from fashion_exp.configuration.schema import Config, Sampling, Targets
from fashion_exp.data.sources.load import load_images_cached
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.evaluation.run_paths import resolve_paths
from fashion_exp.experiment.checkpoints import StateFile
from fashion_exp.experiment.context import ExperimentContext, trains_on_features
from fashion_exp.experiment.fold import is_done
from fashion_exp.experiment.head_group import (
    PendingTraining,
    step_sizes,
    train_group,
)
from fashion_exp.experiment.setup import find_cached_training, make_plan, save_inputs
from fashion_exp.experiment.shared_setup import set_up_job, shared_context
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.progress import Progress
from fashion_exp.training.process_group import ProcessGroup

log = logging.getLogger(__name__)

JOBS_AT_ONCE = 250
"""Each has an open file while it is locked."""
GROUP_BYTES = 1e9
"""Upper bound of the memory of heads that are trained together."""
_BYTES_PER_PARAMETER = 24
"""The parameter, its gradient, two values of the optimizer, the last and the best model."""


def train_heads(jobs: Sequence[tuple[Config, RunDir]], progress: Progress) -> None:
    """Trains heads on stored features as far as jobs have them, several jobs at once.

    Inside `sharing_set_ups`: trainings on the same features are trained together.

    Each training is left in its job's folder, in the state that the job itself would have saved:
    bit for bit the same numbers. What goes wrong with a job is reported by the job, later.
    """
    for start in range(0, len(jobs), JOBS_AT_ONCE):
        with ExitStack() as locks:
            trainings = list(_pending(jobs[start : start + JOBS_AT_ONCE], locks, progress))
            groups = [group for group in _divide(trainings) if len(group) > 1]
            count = _EpochCounter(groups, progress)
            for group in groups:
                try:
                    train_group(group, count)
                except Exception as error:  # the jobs meet it again, and report it
                    log.warning("heads are not trained together: %s", error)


class _EpochCounter:
    """Shows how many epochs of how many are done, of all heads together."""

    def __init__(self, groups: Sequence[Sequence[PendingTraining]], progress: Progress) -> None:
        left = [t.context.cfg.training.epochs - t.state.epochs_done for g in groups for t in g]
        self._tick = progress.stage(f"training {len(left)} heads together, epochs", sum(left))
        self._done = 0

    def __call__(self, ended: int) -> None:
        self._done += ended
        self._tick(self._done)


def _pending(
    jobs: Sequence[tuple[Config, RunDir]], locks: ExitStack, progress: Progress
) -> Iterator[PendingTraining]:
    """The trainings on stored features that are still to be done."""
    for cfg, run in jobs:
        try:
            locks.enter_context(run.lock())
            context = _context(cfg, run, progress)
            if context is not None:
                save_inputs(context)
                yield from _unfinished(context)
        except Exception as error:  # the job meets it again, and reports it
            log.warning("%s is not trained together with others: %s", run.path, error)


def _context(cfg: Config, run: RunDir, progress: Progress) -> ExperimentContext | None:
    """The context of a job that trains heads on stored features; None for other jobs."""
    if cfg.model.head.is_solved or _has_own_loop(cfg):
        return None
    dataset, cache = resolve_paths(cfg, run).dataset, outputs_dir(cfg.outputs) / "cache"
    images = load_images_cached(dataset, cache, cfg.training.targets)
    context = shared_context(cfg, images, run, progress)
    if context is None and trains_on_features(cfg, make_plan(cfg, run, images.native_size)):
        context, _ = set_up_job(cfg, images, run, ProcessGroup(), progress)
    return context


def _has_own_loop(cfg: Config) -> bool:
    """Whether an option needs more than `fit_heads` does."""
    training, augmentation = cfg.training, cfg.augmentation
    return (
        training.compile
        or training.processes > 1
        or training.ema_decay is not None
        or training.sampling is not Sampling.shuffle
        or training.targets is not Targets.single
        or augmentation.mixup_alpha > 0
        or cfg.sweep.trial is not None
        or bool(cfg.extensions)
    )


def _unfinished(context: ExperimentContext) -> Iterator[PendingTraining]:
    for fold in context.split.folds:
        files = context.run.fold(fold.name)
        if files.is_finished or find_cached_training(context, fold):
            continue
        state = StateFile(files.state).load()
        if not is_done(state, context.cfg):
            yield PendingTraining(context, fold, state)


def _divide(trainings: Sequence[PendingTraining]) -> Iterator[list[PendingTraining]]:
    """Groups that can be trained together, and whose heads fit into memory.

    Trainings on the same images are next to each other.
    """
    alike = defaultdict[tuple[Any, ...], list[PendingTraining]](list)
    for training in trainings:
        context = training.context
        sizes = step_sizes(context.cfg, context.table.labels[training.fold.train])
        parameters = context.parameter_counts["head"]
        key = sizes, training.state.epochs_done, context.compute, parameters
        alike[key].append(training)
    for (*_, parameters), group in alike.items():
        group.sort(key=lambda t: (t.context.features.shared, t.fold.name))
        size = max(1, int(GROUP_BYTES / (_BYTES_PER_PARAMETER * parameters)))
        for start in range(0, len(group), size):
            yield group[start : start + size]
