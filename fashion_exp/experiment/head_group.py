"""Heads on stored features that are trained together; each ends as if it were trained alone."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from fashion_exp.configuration.schema import Config
from fashion_exp.data.split import Fold
from fashion_exp.errors import InputError
from fashion_exp.experiment.checkpoints import MAX_SAVING_SHARE, StateFile, TrainingState
from fashion_exp.experiment.context import ExperimentContext
from fashion_exp.experiment.divergence import Diverged
from fashion_exp.experiment.fold import dropout_seeds, finish_epoch, is_done, restore
from fashion_exp.experiment.inputs import Inputs, build_criterion, fold_inputs
from fashion_exp.experiment.trainee import Trainee, build_untrained, prepare_training
from fashion_exp.models.classifier import Classifier
from fashion_exp.signals import raise_if_interrupted
from fashion_exp.training.device import Compute, using_training_threads
from fashion_exp.training.fit_heads import HeadTraining, fit_heads
from fashion_exp.training.schedules import Factor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PendingTraining:
    """A fold of a job that is still to be trained, from its state on.

    Jobs that differ only in how they train share the `features` of their contexts.
    """

    context: ExperimentContext
    fold: Fold
    state: TrainingState


@dataclass(frozen=True)
class _Member:
    pending: PendingTraining
    trainee: Trainee
    inputs: Inputs
    training: HeadTraining


def train_group(trainings: Sequence[PendingTraining], on_epoch: Callable[[int], None]) -> None:
    """Trains heads whose batches have the same sizes, from the same epoch on.

    Each training is left in the state file of its job, which continues from there. A training that
    diverges is left to its job, which diverges too and reports it. `on_epoch` gets the number of
    epochs that ended, of all heads together.
    """
    members = _build_members(trainings)
    compute = trainings[0].context.compute
    next_save = 0.0
    while members:
        raise_if_interrupted()
        started = time.perf_counter()
        with using_training_threads(members[0].training.head, compute):
            finite = _train_epoch(members, compute)
        share = (time.perf_counter() - started) / len(members)
        on_epoch(len(members))
        for member in finite:
            member.pending.state.seconds += share
        members = [member for member in finite if not _is_done(member)]
        _save([member for member in finite if _is_done(member)])
        if (saving := time.monotonic()) >= next_save:
            _save(members)
            saved = time.monotonic()
            next_save = saved + (saved - saving) / MAX_SAVING_SHARE


def _train_epoch(members: Sequence[_Member], compute: Compute) -> list[_Member]:
    """Trains and validates every head for an epoch; gives those whose numbers are finite."""
    results = fit_heads(
        [member.training for member in members],
        compute,
        epoch=members[0].pending.state.epochs_done,
        accumulate=members[0].pending.context.cfg.training.accumulate,
    )
    finite = []
    for member, result in zip(members, results, strict=True):
        context, fold, state = _parts(member)
        try:
            finish_epoch(context, fold, member.trainee, member.inputs, state, result)
        except Diverged:
            log.debug("%s %s diverged", context.run.path, fold.name)
        else:
            finite.append(member)
            state.together = len(members)
    return finite


def _parts(member: _Member) -> tuple[ExperimentContext, Fold, TrainingState]:
    return member.pending.context, member.pending.fold, member.pending.state


def _is_done(member: _Member) -> bool:
    return is_done(member.pending.state, member.pending.context.cfg)


def _save(members: Sequence[_Member]) -> None:
    for member in members:
        context, fold, state = _parts(member)
        StateFile(context.run.fold(fold.name).state).save(state)


def _build_members(trainings: Sequence[PendingTraining]) -> list[_Member]:
    """Builds each network once, and keeps none of them: the heads read stored features."""
    sources: dict[tuple[int, str], tuple[Classifier, Inputs]] = {}
    schedules: dict[str, Factor] = {}
    members = []
    for pending in trainings:
        context, fold, cfg = pending.context, pending.fold, pending.context.cfg
        source = context.features.shared, fold.name
        if source not in sources:
            sources[source] = _build_source(context, fold)
        model, inputs = sources[source]
        try:
            trainee = prepare_training(cfg, _copy_head(model, context))
        except InputError:  # the job meets it again, and reports it
            continue
        if pending.state.epochs_done:
            restore(pending.state, trainee)
        schedule = schedules.setdefault(
            str((cfg.schedule, cfg.training.epochs)), trainee.lr_factor
        )  # fmt: skip
        criterion = build_criterion(context, fold).to(context.compute.device)
        head = trainee.model.head
        assert isinstance(head, nn.Sequential)
        training = HeadTraining(
            head, inputs.batches, trainee.optimizer, criterion, schedule, cfg.training.clip_norm,
            dropout_seeds(cfg, fold),
        )  # fmt: skip
        own_inputs = replace(inputs, module=head, evaluated=trainee.model.evaluation_head)
        members.append(_Member(pending, trainee, own_inputs, training))
    return members


def _build_source(context: ExperimentContext, fold: Fold) -> tuple[Classifier, Inputs]:
    """A classifier without its network, and the inputs of a fold; validation is read once."""
    model = build_untrained(
        context.cfg, context.plan, len(context.table.classes), context.compute,
        fold.repeat, fold.fold,
    )  # fmt: skip
    inputs = fold_inputs(context, model, fold, context.plan)
    assert all(name.startswith("head.") for name in model.trainable_state())
    validation: list[torch.Tensor] = []

    def read(rows: np.ndarray) -> Iterator[torch.Tensor]:
        if not validation:
            validation.extend(inputs.evaluation(rows))
        return iter(validation)

    return _copy_head(model, context), replace(inputs, evaluation=read)


def _copy_head(model: Classifier, context: ExperimentContext) -> Classifier:
    """The model with an initial head of its own, which has the dropout of this job, and without its
    network."""
    alone = copy.copy(model)
    alone._modules = {**model._modules, "network": nn.Identity()}
    present = {*alone.modules()}
    alone._frozen = tuple(module for module in model._frozen if module in present)
    alone.head = copy.deepcopy(model.head)
    for layer in alone.head.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = context.cfg.model.dropout
    return alone


def step_sizes(cfg: Config, labels: np.ndarray) -> tuple[int, ...]:
    """What trainings on these labels must have in common to be trained together."""
    per_class = cfg.augmentation.per_class or 0
    views = int(np.maximum(np.unique(labels, return_counts=True)[1], per_class).sum())
    return views, cfg.training.batch_size, cfg.training.accumulate
