"""Combinations of options, images and a network that cannot be trained or would have no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fashion_exp.configuration.schema import Config, Head
from fashion_exp.data.split import Split
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError
from fashion_exp.experiment.context import training_phases, trains_on_features
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan
from fashion_exp.models.solved_heads import DEFAULT_NEIGHBORS

if TYPE_CHECKING:
    from fashion_exp.experiment.trainee import Trainee


def refuse_too_many_neighbors(cfg: Config, split: Split) -> None:
    """Raises `InputError` if a training part has fewer images than neighbors vote."""
    if cfg.model.head is not Head.knn:
        return
    neighbors = cfg.model.neighbors or DEFAULT_NEIGHBORS
    smallest = min(split.folds, key=lambda fold: len(fold.train))
    if neighbors > len(smallest.train):
        raise InputError(
            f"model.neighbors={neighbors}: {smallest.name} has {len(smallest.train)} training "
            "images; set fewer neighbors"
        )


def check_phases(plan: ModelPlan, model: Classifier) -> None:
    """Raises `InputError` unless each phase of `model.unfreeze` trains more than the one before."""
    trained = 0
    for start, freeze in plan.phases:
        before, trained = trained, model.hold(freeze)
        if start and trained <= before:
            raise InputError(
                f"model.unfreeze: {start}: {freeze} trains no more of the network than before"
            )


def refuse_unfrozen(cfg: Config, plan: ModelPlan) -> None:
    if cfg.model.head.is_solved and plan.freeze != "backbone":
        raise InputError(
            f"model.head={cfg.model.head.value}: is solved on the features of a frozen backbone, "
            f"and {plan.weights.why_random}; set model.weights=FILE, or "
            "model.weights=none model.freeze=backbone to use random features"
        )


def refuse_single_images(cfg: Config, plan: ModelPlan, trainee: Trainee) -> None:
    """A batch of one image has no batch statistics where the feature map is 1×1 px."""
    training = cfg.training
    if training.batch_size // training.processes > 1:
        return
    layers = trainee.model.single_value_norms(plan.size, plan.channels)
    if layers:
        least = 2 * training.processes
        raise InputError(
            f"training.batch_size={training.batch_size}: batch normalization ({layers[0]}) sees "
            f"1×1 px there and needs two images at once; set training.batch_size={least} or more, "
            f"a dataset.image_size above {plan.size}, or model.freeze=backbone"
        )


def refuse_idle_processes(cfg: Config, plan: ModelPlan) -> None:
    if cfg.training.processes > 1 and trains_on_features(cfg, plan):
        raise InputError(
            f"training.processes={cfg.training.processes}: training a head on stored features "
            "takes less time than exchanging its gradients; set training.processes=1, or "
            "model.freeze=none to train the backbone too"
        )


def refuse_cut_features(cfg: Config, plan: ModelPlan) -> None:
    phases = training_phases(plan, cfg.training.epochs)
    on_features = any(trains_on_features(cfg, phase.plan) for phase in phases)
    if cfg.augmentation.cutmix_alpha and on_features:
        raise InputError(
            f"augmentation.cutmix_alpha={cfg.augmentation.cutmix_alpha:g}: CutMix needs images, "
            "but the head is trained on stored features of a frozen backbone; mix features with "
            "augmentation.mixup_alpha, or train on images with augmentation=light or "
            "model.freeze=none"
        )


def refuse_seen_images(table: ImageTable, split: Split, plan: ModelPlan) -> None:
    """Weights of an earlier run must not be evaluated on images that they were trained on."""
    ids = table.rows["image_id"].to_numpy()
    evaluated = {*ids[split.test], *(i for fold in split.folds for i in ids[fold.validation])}
    seen = evaluated & plan.trained_on
    if seen:
        raise InputError(
            f"model.weights: {len(seen)} of the {len(evaluated)} evaluation images were used to "
            "train these weights; take weights trained on other data, or the same split with "
            "split.redraw=false and repeats=1"
        )
