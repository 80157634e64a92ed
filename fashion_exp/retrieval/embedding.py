"""Photos as unit vectors: the features of one network, or of several side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from fashion_exp.configuration.schema import Config, PhotoViews, network_of, single_backbones
from fashion_exp.data.augment import Augmentation, augment_packed, deterministic_augmentation
from fashion_exp.data.geometry import AnyGeometry, Geometry, resize, single_geometries
from fashion_exp.data.pixels import CachedPixels, load_pixels
from fashion_exp.data.table import ImageTable
from fashion_exp.errors import InputError, suggest
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.arguments import parse_arguments
from fashion_exp.experiment.context import photo_geometry, pixel_geometries
from fashion_exp.experiment.feature_store import feature_batch, feature_compute
from fashion_exp.experiment.features import FeatureProvider
from fashion_exp.experiment.setup import build_views, make_plan, resolve_compute
from fashion_exp.experiment.trainee import build_untrained
from fashion_exp.inference.trained_run import TrainedRun
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.imagenet import find_classifier
from fashion_exp.models.plan import ModelPlan
from fashion_exp.paths import outputs_dir
from fashion_exp.reporting.progress import Progress
from fashion_exp.retrieval.photos import NATIVE_SIZE
from fashion_exp.seeding import derive_seed
from fashion_exp.training.device import Compute
from fashion_exp.training.fit import extract_features
from fashion_exp.training.process_group import ProcessGroup

_CLASSES = 2
"""Of the classifier's last layer, which is not used."""


@dataclass(frozen=True)
class Embedder:
    """One network, or several side by side, whose features stand for a photo."""

    cfg: Config
    plan: ModelPlan
    outputs: Path

    is_centered = True

    @property
    def identity(self) -> list[dict[str, str]]:
        """What determines the vectors, for each network: its name, weights and input."""
        return [
            {
                "network": single.name,
                "weights": plan.weights.sha256 or f"random {self.seed}",
                "input": f"{plan.size} px, {plan.interpolation}, {self.cfg.dataset.fit.value}, "
                f"{plan.channels} channels, mean {plan.mean}, std {plan.std}",
                "views": plan.test_views,
                "operations": json.dumps(self.cfg.augmentation.evaluation),
            }
            for single, plan in zip(
                single_backbones(self.cfg.model), self.plan.networks, strict=True
            )
        ]

    @property
    def seed(self) -> int:
        """Of random weights: those of the first training."""
        return derive_seed("initialisation", self.cfg.seeds.initialisation, 0, 0)

    @cached_property
    def compute(self) -> Compute:
        return resolve_compute(self.cfg, ProcessGroup())

    @cached_property
    def model(self) -> Classifier:
        return build_untrained(self.cfg, self.plan, _CLASSES, self.compute, 0, 0).eval()

    def imagenet(self, features: np.ndarray) -> np.ndarray | None:
        """ImageNet's probabilities, (n, 1000), from the features of `of_table`: the mean over the
        networks whose weights have a classifier; None if none has one."""
        start, rows = 0, list[torch.Tensor]()
        names = [single.name for single in single_backbones(self.cfg.model)]
        widths = [backbone.map_channels for backbone in self.model.backbones]
        if features.shape[1] % sum(widths):  # a network gives more than the mean of its map
            return None
        for name, plan, width in zip(names, self.plan.networks, widths, strict=True):
            classifier = find_classifier(name, plan)
            if classifier is not None:
                part = torch.from_numpy(features[:, start : start + classifier.width])
                rows.append(classifier.probabilities(part))
            start += width
        return torch.stack(rows).mean(0).numpy() if rows else None

    @cached_property
    def geometry(self) -> AnyGeometry:
        return photo_geometry(self.cfg, self.plan)

    def of_table(
        self, table: ImageTable, beside: Geometry, progress: Progress
    ) -> tuple[ImageTable, np.ndarray, CachedPixels]:
        """The readable rows of a table, their features (n, width), float32, and their pixels in the
        geometry `beside`.

        Features and pixels that a training or an earlier call has computed are read from the cache.
        """
        cache = self.outputs / "cache"
        tick = progress.stage("reading photos", len(table))
        geometries = dict.fromkeys((*pixel_geometries(self.cfg, self.plan), beside))
        readable, pixels = load_pixels(
            table, list(geometries), None, self.compute.threads, lambda done, _: tick(done), cache
        )
        ids = readable.rows["image_id"].to_list()
        views = build_views(self.cfg, self.plan, pixels, ids)
        provider = FeatureProvider(self.cfg, self.plan, self.compute, views, ids, cache, progress)
        features = provider.evaluation(self.model, self.seed)(np.arange(len(ids))).numpy()
        small = next(stored for stored in pixels if stored.geometry == beside)
        return readable, features, small

    def of_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """(n, width), float32, for decoded photos, uint8 (height, width, 3): bit for bit what
        `of_table` gives."""
        return self.of_inputs([self.finish(resize(image, self.geometry)) for image in images])

    def finish(self, image: np.ndarray) -> np.ndarray:
        """From a photo in `geometry`, uint8, to what `of_inputs` takes."""
        return augment_packed(self._fixed, image, self.geometry)

    def of_inputs(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """As `of_images`, for photos that `finish` gave."""
        stacked = torch.from_numpy(np.stack(inputs)).permute(0, 3, 1, 2)
        parts = [
            self._features(backbone, part, plan)
            for view in self.model.inputs(stacked)
            for backbone, part, plan in zip(
                self.model.backbones, view, self.plan.networks, strict=True
            )
        ]
        return torch.cat(parts, dim=1).numpy()

    def _features(
        self, backbone: Classifier, images: torch.Tensor, plan: ModelPlan
    ) -> torch.Tensor:
        compute, parts = feature_compute(backbone, self.compute), []
        size = feature_batch(backbone, compute, (plan.size, plan.size, plan.channels))
        for batch in images.split(size):
            padding = batch.new_zeros(size - len(batch), *batch.shape[1:])
            features = extract_features(backbone, torch.cat([batch, padding]), compute)
            parts.append(features[: len(batch)])
        return torch.cat(parts).float()

    @cached_property
    def _fixed(self) -> list[Augmentation]:
        operations = self.cfg.augmentation.evaluation
        return [
            deterministic_augmentation("augmentation.evaluation", operations, geometry.shape)
            for geometry in single_geometries(self.geometry)
        ]


def embedder_of_models(names: Sequence[str], weights: Mapping[str, str], outputs: Path) -> Embedder:
    """Pretrained networks of timm by their names, with files of weights for some of them.

    Raises `InputError` for unknown names, and if weights are not found.
    """
    options = ["model=probe", f"model.name={names[0]}", "tracking=none", f"outputs={outputs}"]
    cfg = parse_arguments(options).jobs[0]
    if unknown := sorted(set(weights) - {network_of(name) for name in names}):
        raise InputError(
            f"--weights {unknown[0]}=…: none of the networks; {suggest(unknown[0], names)}"
        )
    several = list(names) if len(names) > 1 else None
    first = weights.get(network_of(names[0]), "auto")
    model = replace(
        cfg.model, backbones=several, backbone_weights=dict(weights) if several else {},
        weights="auto" if several else first, freeze="backbone",
    )  # fmt: skip
    cfg = replace(cfg, model=model)
    return Embedder(cfg, make_plan(cfg, RunDir(outputs), NATIVE_SIZE), outputs)


def embedder_of_run(run: TrainedRun) -> Embedder:
    """The networks of a run: its frozen backbones, or the network of its first training.

    Raises `InputError` if their weights are missing.
    """
    outputs = outputs_dir(run.config.outputs)
    if run.predicts_from_features:  # also random backbones, which no checkpoint holds
        return Embedder(run.config, run.plan, outputs)
    model = replace(
        run.config.model, weights=str(run.run.path), freeze="backbone", unfreeze={}, drop_path=0.0,
        test_views=PhotoViews.none,
    )  # fmt: skip
    optim = replace(run.config.optim, backbone_lr_factor=1.0, layer_decay=1.0)
    cfg = replace(run.config, model=model, optim=optim)
    return Embedder(cfg, make_plan(cfg, run.run, run.plan.size), outputs)
