"""The inputs of a training: stored features of a frozen backbone, or images; and its criterion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from fashion_exp.configuration.schema import ClassWeights, Sampling, Targets
from fashion_exp.data.batches import TrainingFeatures, TrainingImages, ordered_batches, oversample
from fashion_exp.data.mixing import Mixing
from fashion_exp.data.split import Fold
from fashion_exp.experiment.context import (
    ExperimentContext,
    fold_seed,
    trains_on_features,
    views_per_image,
)
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan
from fashion_exp.training.losses import DEFAULT_GAMMA, Criterion


@dataclass(frozen=True)
class Inputs:
    """What is trained, its training batches, and its evaluation inputs for given rows."""

    module: nn.Module
    evaluated: nn.Module
    """What maps the evaluation inputs to logits: with test-time views, their mean."""
    batches: TrainingImages | TrainingFeatures
    evaluation: Callable[[np.ndarray], Iterator[torch.Tensor]]


def fold_inputs(
    context: ExperimentContext, model: Classifier, fold: Fold, plan: ModelPlan
) -> Inputs:
    """Stored features for the head if the plan freezes the backbone, else images for the model."""
    cfg, labels = context.cfg, context.table.labels
    order_seed = fold_seed(cfg, "order", fold)
    views = oversample(labels[fold.train], cfg.augmentation.per_class)
    mixing = fold_mixing(context, fold)
    balanced = cfg.training.sampling is Sampling.balanced
    targets = training_targets(context, fold)
    if trains_on_features(cfg, plan):
        seed = fold_seed(cfg, "initialisation", fold)
        plain = context.features.evaluation(model, seed)
        training = context.features(model, seed, views_per_image(cfg))

        def stored_features(rows: np.ndarray) -> Iterator[torch.Tensor]:
            size = max(cfg.training.batch_size, 1024)
            return (plain(rows[start : start + size]) for start in range(0, len(rows), size))

        batches = TrainingFeatures(
            fold.train,
            labels[fold.train],
            views,
            training,
            cfg.training.batch_size,
            order_seed,
            balanced,
            mixing,
            context.group.shard,
            targets,
        )
        return Inputs(model.head, model.evaluation_head, batches, stored_features)

    def images(rows: np.ndarray) -> Iterator[torch.Tensor]:
        size = max(cfg.training.batch_size, 64)
        return iter(ordered_batches(rows, context.views.plain, size, cfg.training.workers))

    augmented_images = TrainingImages(
        fold.train,
        labels[fold.train],
        views,
        context.views.augmented(fold_seed(cfg, "augmentation", fold)),
        cfg.training.batch_size,
        order_seed,
        cfg.training.workers,
        context.group.shard,
        context.compute.pin_memory,
        balanced,
        mixing,
        targets,
    )
    return Inputs(model, model, augmented_images, images)


def fold_mixing(context: ExperimentContext, fold: Fold) -> Mixing | None:
    augmentation = context.cfg.augmentation
    if not (augmentation.mixup_alpha or augmentation.cutmix_alpha):
        return None
    return Mixing(
        classes=len(context.table.classes),
        size=context.plan.size,
        mixup_alpha=augmentation.mixup_alpha,
        cutmix_alpha=augmentation.cutmix_alpha,
        seed=fold_seed(context.cfg, "augmentation", fold),
    )


def training_targets(context: ExperimentContext, fold: Fold) -> np.ndarray | None:
    """What `fold.train` is trained on: shares, or which classes are present, float32 (n, classes);
    None if the labels are the targets."""
    shares = context.table.shares
    if shares is None:
        return None
    own = shares[fold.train]
    several = context.cfg.training.targets is Targets.several
    return (own > 0 if several else own).astype(np.float32)


def class_weights(context: ExperimentContext, fold: Fold) -> torch.Tensor:
    """float64 (classes,): inversely proportional to the share of each class in the labels of
    `fold.train`, 1 in the mean of rows."""
    table, n = context.table, len(fold.train)
    if table.shares is None:
        totals = np.bincount(table.labels[fold.train], minlength=len(table.classes))
    else:
        totals = table.shares[fold.train].sum(axis=0)
    return torch.from_numpy(n / (len(totals) * totals))


def build_criterion(context: ExperimentContext, fold: Fold) -> Criterion:
    cfg, weight = context.cfg, None
    if cfg.training.class_weights is ClassWeights.balanced:
        weight = class_weights(context, fold).float()
    gamma = cfg.training.focal_gamma
    return Criterion(
        name=cfg.training.loss,
        weight=weight,
        label_smoothing=cfg.training.label_smoothing,
        gamma=DEFAULT_GAMMA if gamma is None else gamma,
        targets=cfg.training.targets.value,
    )
