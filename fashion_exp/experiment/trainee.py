"""A model with the optimizer and the schedule that train it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial

import torch

from fashion_exp.configuration.schema import Config, Loss
from fashion_exp.experiment.context import trains_on_features
from fashion_exp.models.build import build_head, build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.layers import layer_groups
from fashion_exp.models.plan import ModelPlan
from fashion_exp.models.recompute import recompute_activations
from fashion_exp.models.side_by_side import StoredNetwork
from fashion_exp.seeding import derive_seed
from fashion_exp.training.device import Compute
from fashion_exp.training.optimizers import build_optimizer
from fashion_exp.training.schedules import Factor, build_schedule
from fashion_exp.training.weight_average import WeightAverage


@dataclass(frozen=True)
class Trainee:
    """A model before training, on its device, with the optimizer and schedule that train it."""

    model: Classifier
    optimizer_if_any: torch.optim.Optimizer | None
    """None for a head that is solved."""
    lr_factor: Factor
    average: WeightAverage | None
    """Of the tensors that a checkpoint has, if the average is what is evaluated and saved."""

    def evaluated_weights(self) -> AbstractContextManager[None]:
        """Inside, the model has the weights that are evaluated and saved."""
        return nullcontext() if self.average is None else self.average.applied()

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        assert self.optimizer_if_any is not None, "a solved head has no optimizer"
        return self.optimizer_if_any


def build_trainee(
    cfg: Config, plan: ModelPlan, classes: int, compute: Compute, repeat: int = 0, fold: int = 0,
    stored: Sequence[StoredNetwork] = (),
) -> Trainee:  # fmt: skip
    """The model of a fold with its optimizer and schedule.

    If networks are given whose features are `stored`, only the head is built. Raises `InputError`
    for options that the model, the optimizer or the schedule does not accept.
    """
    build = cache(partial(build_untrained, cfg, plan, classes, compute, repeat, fold))
    if not stored:
        return prepare_training(cfg, build())
    model = build_head(cfg.model, plan, classes, stored, lambda: build().backbones)
    return prepare_training(cfg, model.to(compute.device))


def build_untrained(
    cfg: Config, plan: ModelPlan, classes: int, compute: Compute, repeat: int, fold: int
) -> Classifier:
    """The model of a fold with its initial weights, on its device. Raises `InputError`."""
    seed = derive_seed("initialisation", cfg.seeds.initialisation, repeat, fold)
    one_vs_rest = cfg.training.loss == Loss.bce
    share = trains_on_features(cfg, plan)
    model = build_model(cfg.model, plan, classes, seed, one_vs_rest, share).to(compute.device)
    if cfg.training.gradient_checkpointing:
        recompute_activations(model, cfg.model.name)
    return model


def prepare_training(cfg: Config, model: Classifier) -> Trainee:
    """A model, on its device, with its optimizer and schedule. Raises `InputError`."""
    optimizer = (
        None
        if cfg.model.head.is_solved
        else build_optimizer(
            name=cfg.optim.name,
            head=model.head,
            backbone=layer_groups(model.network, cfg.optim.layer_decay),
            lr=cfg.optim.lr,
            backbone_lr_factor=cfg.optim.backbone_lr_factor,
            weight_decay=cfg.optim.weight_decay,
            momentum=cfg.optim.momentum,
            options=cfg.optim.options,
        )
    )
    decay = cfg.training.ema_decay
    average = None if decay is None else WeightAverage(model.trainable_state(), decay)
    return Trainee(model, optimizer, build_lr_factor(cfg), average)


def build_lr_factor(cfg: Config) -> Factor:
    """The factor of the learning rates at a time in epochs. Raises `InputError`."""
    return build_schedule(
        name=cfg.schedule.name,
        epochs=cfg.training.epochs,
        warmup_epochs=cfg.schedule.warmup_epochs,
        final_factor=cfg.schedule.final_factor,
        step_epochs=cfg.schedule.step_epochs,
        gamma=cfg.schedule.gamma,
    )
