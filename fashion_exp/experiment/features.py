"""Features of frozen backbones: computed once per image, kept for all folds, runs and jobs."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fashion_exp.cache.provenance import hardware_id, library_versions, source_hash
from fashion_exp.configuration.schema import Config, ModelConfig, network_of, single_backbones
from fashion_exp.data.augment import ImageViews
from fashion_exp.experiment.feature_store import (
    Features,
    FeatureSource,
    batch_size,
    complete_store,
    feature_compute,
    fill_store,
    gather_features,
)
from fashion_exp.extensions.registry import code_hash, own_pieces
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.side_by_side import StoredNetwork
from fashion_exp.models.views import View, views_of
from fashion_exp.reporting.progress import Progress
from fashion_exp.training.device import Compute

if TYPE_CHECKING:
    from fashion_exp.models.plan import ModelPlan

log = logging.getLogger(__name__)

SOURCE_DEPENDENCIES = (
    "extensions/registry.py",
    "models", "training/device.py", "training/fit.py", "training/losses.py",
    "training/process_group.py", "seeding.py",
    "experiment/features.py", "experiment/feature_store.py", "data/augment.py", "data/batches.py",
    "data/compat.py", "data/geometry.py", "data/mixing.py", "data/random_policies.py",
)  # fmt: skip
"""The source files that determine features."""


@dataclass(frozen=True)
class JoinedFeatures:
    """The features of backbones side by side, one after the other."""

    parts: Sequence[Features]

    def __call__(self, rows: np.ndarray, views: np.ndarray | int = 0) -> torch.Tensor:
        """float32 (n, sum of the widths), as `Features`."""
        return torch.cat([part(rows, views) for part in self.parts], dim=1)


Network = tuple[ModelConfig, "ModelPlan"]
"""The options and the plan of a backbone by itself."""


class FeatureProvider:
    """The features of every image of an experiment; records which features a job has used.

    All folds share a frozen backbone, unless each fold has its own random backbone. The stored
    features of a backbone do not depend on the other backbones. `views` are those of each format,
    (size, interpolation).
    """

    def __init__(
        self, cfg: Config, plan: ModelPlan, compute: Compute,
        views: Mapping[tuple[int, str], ImageViews],
        image_ids: Sequence[str], cache: Path, progress: Progress,
    ) -> None:  # fmt: skip
        self._cfg, self._plan, self._compute = cfg, plan, compute
        self._views = views
        self._image_ids, self._cache, self._progress = image_ids, cache, progress
        self._computed: dict[str, Features] = {}
        self._given: set[str] = set()
        """Keys of what was given to this job."""
        self.reused: dict[str, tuple[int, int]] = {}
        """By kind ("features", "views"): how many were in the cache, and of how many."""

    def __call__(
        self, model: Classifier, initialization_seed: int, views: int = 0
    ) -> JoinedFeatures:
        """Features of every image: plain if `views` is 0, else in so many augmented views."""
        return JoinedFeatures(
            [
                self._features(
                    model, number, self._source(network, initialization_seed, views), views
                )
                for number, network in enumerate(self._networks)
            ]
        )

    def evaluation(self, model: Classifier, initialization_seed: int) -> JoinedFeatures:
        """Features of every image that `model.evaluation_head` reads: those of the test-time views,
        one after the other. Without views they are the plain ones."""
        return JoinedFeatures(
            [
                self._features(model, number, self._test_source(network, initialization_seed, view))
                for view in range(self._test_views)
                for number, network in enumerate(self._networks)
            ]
        )

    def stored_networks(self, initialization_seed: int, views: int) -> list[StoredNetwork]:
        """The networks if the cache has all features that trainings with this seed read, with so
        many augmented views; else none."""
        networks = []
        for network in self._networks:
            sources = [self._source(network, initialization_seed, views)]
            sources += [
                self._test_source(network, initialization_seed, view)
                for view in range(self._test_views)
            ]
            stores = [complete_store(source, self._cache) for source in sources]
            first = stores[0]
            if first is None or None in stores or "parameters" not in first.key_fields:
                return []
            networks.append(StoredNetwork(first.shape[0], int(first.key_fields["parameters"])))
        return networks

    @property
    def _test_views(self) -> int:
        return len(views_of(self._plan.test_views, self._plan.size))

    @property
    def _networks(self) -> list[Network]:
        configs = single_backbones(self._cfg.model)
        return [*zip(configs, self._plan.networks, strict=True)]

    def _test_source(
        self, network: Network, initialization_seed: int, number: int
    ) -> FeatureSource:
        """One of the test-time views of every image."""
        cfg, plan = network
        view = views_of(plan.test_views, plan.size)[number]
        if view == View(0, 0, plan.photo_size):
            return self._source(network, initialization_seed, 0)
        images = self._views[plan.photo_size, plan.interpolation]
        key_fields = self._key_fields(cfg, plan, initialization_seed)
        return FeatureSource(
            self._image_ids,
            lambda i: view.of_image(images.plain((0, i, 0))),
            {**key_fields, "pixels": images.key, "test_view": list(vars(view).values())},
        )

    def _features(
        self, model: Classifier, number: int, source: FeatureSource, views: int = 0
    ) -> Features:
        """Features of the backbone at this position. It is not built if all are stored."""
        key = json.dumps(source.key_fields)
        kind, reused = "views" if views else "features", len(source.names)
        if key in self._computed and key not in self._given:
            self._count_reuse(kind, reused, len(source.names))
        elif key not in self._computed:
            store = complete_store(source, self._cache)
            if store is None:
                backbone = model.backbones[number]
                compute = feature_compute(backbone, self._compute)
                progress = partial(self._progress.stage, kind)
                store, reused = fill_store(source, self._cache, backbone, compute, progress)
            self._count_reuse(kind, reused, len(source.names))
            self._computed[key] = gather_features(store, source.names, max(views, 1))
        self._given.add(key)
        return self._computed[key]

    @property
    def shared(self) -> int:
        """Equal for providers that share what they have computed."""
        return id(self._computed)

    def of_other_job(self, progress: Progress) -> FeatureProvider:
        """A provider for a job with the same images, model and features, which are shared."""
        other = copy.copy(self)
        other._progress, other._given, other.reused = progress, set(), {}
        return other

    def _source(self, network: Network, initialization_seed: int, views: int) -> FeatureSource:
        cfg, plan = network
        images = self._views[plan.size, plan.interpolation]
        plain = images.plain
        key_fields = self._key_fields(cfg, plan, initialization_seed)
        if not views:
            return FeatureSource(self._image_ids, lambda i: plain((0, i, 0)), key_fields)
        augmentation = self._cfg.augmentation
        augmented = images.augmented(self._cfg.seeds.augmentation)
        return FeatureSource(
            [f"{image}/{view}" for image in self._image_ids for view in range(views)],
            lambda i: augmented((i % views, i // views, 0)),
            {
                **key_fields,
                "operations": augmentation.operations,
                "seed": self._cfg.seeds.augmentation,
            },
        )

    def _key_fields(
        self, model: ModelConfig, plan: ModelPlan, initialization_seed: int
    ) -> dict[str, Any]:
        """Everything that an image's plain features depend on, beside its id."""
        compute = self._compute
        device = compute.device.type
        return {
            "pixels": self._views[plan.size, plan.interpolation].key,
            "evaluation": self._cfg.augmentation.evaluation,
            "mean": plan.mean,
            "std": plan.std,
            "model": [model.name, model.depth, model.width, plan.channels, plan.size],
            "cut": [
                "own" if model.head.is_solved else model.head.value,
                model.pool.value if model.pool else "avg",
            ],
            "weights": plan.weights.sha256 or f"random {initialization_seed}",
            "arithmetic": [
                device, compute.dtype, compute.threads, hardware_id(device), batch_size(device),
            ],
            "source": source_hash(*SOURCE_DEPENDENCIES),
            "extensions": self._own_code(model),
            "versions": library_versions(
                "torch", "torchvision", "timm", "numpy", "albumentations", "opencv-python-headless",
                "pillow"
            ),
        }  # fmt: skip

    def _own_code(self, model: ModelConfig) -> str:
        """The hash of the user's code if it computes the features."""
        augmentation = self._cfg.augmentation
        operations = [o.get("name") for o in (*augmentation.evaluation, *augmentation.operations)]
        uses_own = network_of(model.name) in own_pieces("model") or (
            own_pieces("transform").keys() & {*operations}
        )
        return code_hash() if uses_own else ""

    def _count_reuse(self, kind: str, reused: int, count: int) -> None:
        log_reuse(kind, reused, count)
        reused_before, count_before = self.reused.get(kind, (0, 0))
        self.reused[kind] = reused_before + reused, count_before + count


def log_reuse(kind: str, reused: int, count: int) -> None:
    if reused:
        log.info("%s: %s", kind, reuse_text(reused, count))


def reuse_text(reused: int, count: int) -> str:
    return f"{reused:,} of {count:,} from cache"
