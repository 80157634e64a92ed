"""How long a step of a recipe takes at most, from measurements of a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from fashion_exp.configuration.schema import Config, Head, ModelConfig, single_backbones
from fashion_exp.data.split import Split, build_split
from fashion_exp.experiment.context import training_phases, trains_on_features, views_per_image
from fashion_exp.experiment.feature_store import feature_compute
from fashion_exp.experiment.setup import backbone_weights, plan_with
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan
from fashion_exp.models.solved_heads import DEFAULT_C_FOLDS, DEFAULT_C_GRID
from fashion_exp.models.views import View, views_of
from fashion_exp.training.device import Compute
from fashion_exp.training.fit import extract_features
from fashion_exp.training.solving_time import seconds_to_solve

_BATCH = 8


def estimate_seconds(cfg: Config, compute: Compute, cache: Path) -> float:
    """At most how long a step computes: features of all photos, trainings, and the choice of C.

    Not included are decoding, evaluation and figures. What is in the cache takes no time, and other
    programs may take some. Raises `InputError` for weights, options and data that do not allow it.
    """
    from fashion_exp.data.sources.load import load_images_cached  # imports the data sources

    images = load_images_cached(cfg.dataset, cache, cfg.training.targets)
    split = build_split(images.rows, images.classes, cfg.split, cfg.repeats)
    plan = plan_with(cfg, backbone_weights(cfg), images.native_size)
    classes, count = len(images.classes), len(images.rows)
    singles = [*zip(single_backbones(cfg.model), plan.networks, strict=True)]
    forward, width = 0.0, 0
    for single, network in singles:
        model = _build(single, network, "backbone", classes, compute)
        seconds, features = _forward_seconds(model, network, compute)
        forward, width = forward + seconds, width + features
    seconds = 0.0
    for phase in training_phases(plan, cfg.training.epochs):
        if trains_on_features(cfg, phase.plan):
            seconds += forward * count * _feature_views(cfg, plan)
            continue
        single, network = singles[0]
        model = _build(single, network, phase.plan.freeze, classes, compute)
        backward = _training_seconds(model, network, compute)
        images_seen = sum(
            len(fold.train) * backward + len(fold.validation) * forward for fold in split.folds
        )
        seconds += images_seen * len(phase.epochs) + forward * count
    if cfg.model.head is Head.logistic:
        seconds += _solving_seconds(cfg, split, width, classes, compute)
    return seconds


def _build(
    cfg: ModelConfig, plan: ModelPlan, freeze: str, classes: int, compute: Compute
) -> Classifier:
    """A network by itself, without test-time views and later phases."""
    plan = replace(plan, freeze=freeze, test_views="none", phases=())
    return build_model(cfg, plan, classes, seed=0).to(compute.device)


def _feature_views(cfg: Config, plan: ModelPlan) -> int:
    """How many views of each photo pass a frozen backbone."""
    views = views_of(plan.test_views, plan.size)
    extra = [view for view in views if view != View(0, 0, plan.photo_size)]
    return max(views_per_image(cfg), 1) + len(extra)


def _forward_seconds(model: Classifier, plan: ModelPlan, compute: Compute) -> tuple[float, int]:
    """Of a photo, and the width of its features."""
    compute = feature_compute(model, compute)
    images = _photos(plan)
    width = extract_features(model, images, compute).shape[1]  # the first pass is slow
    return _measure(lambda: extract_features(model, images, compute)) / _BATCH, width


def _training_seconds(model: Classifier, plan: ModelPlan, compute: Compute) -> float:
    """Of a photo: forward and backward, through what is trained."""
    compute, images = feature_compute(model, compute), _photos(plan)
    model.train()

    def step() -> None:
        with compute.precision(images):
            loss = model(compute.move(images)).float().logsumexp(1).mean()
        loss.backward()
        float(loss.detach())  # waits for a GPU

    step()
    return _measure(step) / _BATCH


def _photos(plan: ModelPlan) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (_BATCH, plan.channels, plan.size, plan.size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def _measure(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _solving_seconds(
    cfg: Config, split: Split, width: int, classes: int, compute: Compute
) -> float:
    """Of the logistic heads of all trainings, with their choices of C."""
    rows = max(len(fold.train) for fold in split.folds) * max(views_per_image(cfg), 1)
    chosen = cfg.model.c is None
    values = len(cfg.model.c_grid or DEFAULT_C_GRID) if chosen else 0
    folds = (cfg.model.c_folds or DEFAULT_C_FOLDS) if chosen else 0
    device = torch.device("cpu") if compute.device.type == "mps" else compute.device
    return len(split.folds) * seconds_to_solve(rows, width, classes, values, folds, device)
