"""Features of frozen backbones: computed once per image, kept for all folds, runs and jobs."""

from __future__ import annotations

import copy
import json
import logging
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fashion_exp.cache.array_store import ArrayStore
from fashion_exp.cache.manager import store_key
from fashion_exp.cache.provenance import hardware_id, library_versions, source_hash
from fashion_exp.configuration.schema import Config, ModelConfig, network_of, single_backbones
from fashion_exp.data.augment import ImageViews
from fashion_exp.data.parallel import map_in_threads
from fashion_exp.extensions.registry import code_hash, own_pieces
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.side_by_side import StoredNetwork
from fashion_exp.models.views import View, views_of
from fashion_exp.reporting.progress import Progress
from fashion_exp.training.device import Compute, is_depthwise
from fashion_exp.training.fit import extract_features

if TYPE_CHECKING:
    from fashion_exp.models.plan import ModelPlan

log = logging.getLogger(__name__)

BATCH_SIZE = {"cpu": 32, "cuda": 128}
"""Images per forward pass, by device. Every batch has this size: libraries choose their kernels by
the shape, and other kernels give other last digits."""

DEFAULT_VIEWS = 8

SOURCE_DEPENDENCIES = (
    "extensions/registry.py",
    "models", "training/device.py", "training/fit.py", "training/losses.py",
    "training/process_group.py", "seeding.py",
    "experiment/features.py", "data/augment.py", "data/batches.py", "data/compat.py",
    "data/geometry.py", "data/mixing.py", "data/random_policies.py",
)  # fmt: skip
"""The source files that determine features."""

_BATCHES_PER_TASK = 4
_BIT_TYPES = {torch.bfloat16: torch.uint16, torch.float16: torch.uint16}
"""Types that NumPy lacks are stored as their bits."""


@dataclass(frozen=True)
class Features:
    """The features of a table's images in a store, in one or several views per image."""

    store: ArrayStore
    stored: np.ndarray
    index: np.ndarray
    """(images, views) positions in `stored`."""
    dtype: torch.dtype

    def __call__(self, rows: np.ndarray, views: np.ndarray | int = 0) -> torch.Tensor:
        """float32 (n, width) for n rows, each in the given view, modulo the number of views."""
        positions = self.index[rows, np.asarray(views) % self.index.shape[1]]
        return torch.from_numpy(self.stored[positions]).view(self.dtype).float()


@dataclass(frozen=True)
class JoinedFeatures:
    """The features of backbones side by side, one after the other."""

    parts: Sequence[Features]

    def __call__(self, rows: np.ndarray, views: np.ndarray | int = 0) -> torch.Tensor:
        """float32 (n, sum of the widths), as `Features`."""
        return torch.cat([part(rows, views) for part in self.parts], dim=1)


@dataclass(frozen=True)
class FeatureSource:
    """Images to compute features of, by name, and everything that the features depend on."""

    names: Sequence[str]
    read: Callable[[int], np.ndarray]
    """The i-th image, uint8 (size, size, channels)."""
    key_fields: Mapping[str, Any]


Network = tuple[ModelConfig, "ModelPlan"]
"""The options and the plan of a backbone by itself."""


class FeatureProvider:
    """Gives the features of every image of an experiment, and remembers what it gave.

    A frozen backbone serves all folds, unless each fold has a random backbone of its own. What is
    stored of a backbone does not depend on the others beside it. `views` are those of each format,
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
        self, model: Classifier, initialisation_seed: int, views: int = 0
    ) -> JoinedFeatures:
        """Features of every image: plain if `views` is 0, else in so many augmented views."""
        return JoinedFeatures(
            [
                self._features(
                    model, number, self._source(network, initialisation_seed, views), views
                )
                for number, network in enumerate(self._networks)
            ]
        )

    def evaluation(self, model: Classifier, initialisation_seed: int) -> JoinedFeatures:
        """Features of every image that `model.evaluation_head` reads: those of the test-time views,
        one after the other. Without views they are the plain ones."""
        return JoinedFeatures(
            [
                self._features(model, number, self._test_source(network, initialisation_seed, view))
                for view in range(self._test_views)
                for number, network in enumerate(self._networks)
            ]
        )

    def stored_networks(self, initialisation_seed: int, views: int) -> list[StoredNetwork]:
        """The networks if the cache has all features that trainings with this seed read, with so
        many augmented views; else none."""
        networks = []
        for network in self._networks:
            sources = [self._source(network, initialisation_seed, views)]
            sources += [
                self._test_source(network, initialisation_seed, view)
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
        self, network: Network, initialisation_seed: int, number: int
    ) -> FeatureSource:
        """One of the test-time views of every image."""
        cfg, plan = network
        view = views_of(plan.test_views, plan.size)[number]
        if view == View(0, 0, plan.photo_size):
            return self._source(network, initialisation_seed, 0)
        images = self._views[plan.photo_size, plan.interpolation]
        key_fields = self._key_fields(cfg, plan, initialisation_seed)
        return FeatureSource(
            self._image_ids,
            lambda i: view.of_image(images.plain((0, i, 0))),
            {**key_fields, "pixels": images.key, "test_view": list(vars(view).values())},
        )

    def _features(
        self, model: Classifier, number: int, source: FeatureSource, views: int = 0
    ) -> Features:
        """Those of the backbone at a position; it is not asked for if they are all stored."""
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

    def _source(self, network: Network, initialisation_seed: int, views: int) -> FeatureSource:
        cfg, plan = network
        images = self._views[plan.size, plan.interpolation]
        plain = images.plain
        key_fields = self._key_fields(cfg, plan, initialisation_seed)
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
        self, model: ModelConfig, plan: ModelPlan, initialisation_seed: int
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
            "weights": plan.weights.sha256 or f"random {initialisation_seed}",
            "arithmetic": [
                device, compute.dtype, compute.threads, hardware_id(device), _batch_size(device),
            ],
            "source": source_hash(*SOURCE_DEPENDENCIES),
            "extensions": self._own_code(model),
            "versions": library_versions(
                "torch", "torchvision", "timm", "numpy", "albumentations", "opencv-python-headless",
                "pillow"
            ),
        }  # fmt: skip

    def _own_code(self, model: ModelConfig) -> str:
        """The hash of the user's files if a piece of theirs computes the features."""
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


def complete_store(source: FeatureSource, cache: Path) -> ArrayStore | None:
    """The store with the features of all images; None if some are missing or damaged."""
    store = ArrayStore.open_existing(cache / "features" / store_key(source.key_fields))
    if store is None:
        return None
    store.drop_damaged(source.names)
    if all(name in store for name in source.names):
        return store
    store.close()
    return None


def fill_store(
    source: FeatureSource,
    cache: Path,
    model: Classifier,
    compute: Compute,
    progress: Callable[[int], Callable[[int], None]],
) -> tuple[ArrayStore, int]:
    """A store with the features of all images, and how many of them it had before.

    Computes the missing ones. `progress` gets the number of images; what it returns gets the
    number done so far. Processes that fill one store at the same time work in different orders,
    and each skips what another has added.
    """
    folder = cache / "features" / store_key(source.key_fields)
    store = ArrayStore.open_existing(folder) or _new_store(folder, model, compute, source)
    store.drop_damaged(source.names)
    missing = [row for row, name in enumerate(source.names) if name not in store]
    done = reused = len(source.names) - len(missing)
    if missing:
        tick = progress(len(source.names))
        for count in _compute_missing(store, source, missing, model, compute):
            done += count
            tick(done)
    return store, reused


def gather_features(store: ArrayStore, names: Sequence[str], views: int) -> Features:
    """The features of images that have `views` consecutive entries each in `names`."""
    stored, index = store.map_arrays(names)
    dtype = getattr(torch, store.key_fields["network_gave"])
    return Features(store, stored, index.reshape(-1, views), dtype)


def _new_store(
    folder: Path, model: Classifier, compute: Compute, source: FeatureSource
) -> ArrayStore:
    """An empty store for the shape and type of the network's output."""
    shape = source.read(0).shape
    batch = feature_batch(model, compute, shape)
    probe = extract_features(model, _noise(shape, batch), compute)
    bits = probe.view(_BIT_TYPES.get(probe.dtype, probe.dtype))
    key_fields = {
        **source.key_fields,
        "network_gave": str(probe.dtype).removeprefix("torch."),
        "batch": batch,
        "parameters": sum(model.backbone_parameters),
    }
    return ArrayStore(folder, bits.shape[1:], str(bits.numpy().dtype), key_fields)


def feature_compute(backbone: Classifier, compute: Compute) -> Compute:
    """The arithmetic of a backbone, which does not depend on the networks beside it."""
    return replace(compute, depthwise=is_depthwise(backbone.network))


def feature_batch(model: Classifier, compute: Compute, shape: tuple[int, ...]) -> int:
    """Images per forward pass of a frozen backbone, for images of the shape (size, size, channels):
    that of the device, or 1 if an image's features would depend on the batch it is in."""
    independent = _rows_are_independent(model, compute, shape)
    return _batch_size(compute.device.type) if independent else 1


def _rows_are_independent(model: Classifier, compute: Compute, shape: tuple[int, ...]) -> bool:
    """Whether an image's features are the same, bit for bit, at any position of any batch.

    If they are not, each image is computed in a batch of its own.
    """
    images = _noise(shape, _batch_size(compute.device.type))
    shifted = torch.cat([images[5:], torch.zeros_like(images[:5])])
    first, second = (extract_features(model, inputs, compute) for inputs in (images, shifted))
    return torch.equal(first[5:], second[:-5])


def _noise(shape: tuple[int, ...], count: int) -> torch.Tensor:
    """uint8 (count, channels, size, size), always the same."""
    size, _, channels = shape
    generator = torch.Generator().manual_seed(0)
    return torch.randint(
        0, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator
    )


def _compute_missing(
    store: ArrayStore,
    source: FeatureSource,
    missing: list[int],
    model: Classifier,
    compute: Compute,
) -> Iterator[int]:
    """Adds the features of these images; yields the number of images of each finished task."""
    size = int(store.key_fields["batch"])
    step = max(_BATCHES_PER_TASK * size, 32)
    tasks = [missing[start : start + step] for start in range(0, len(missing), step)]
    random.Random(os.getpid()).shuffle(tasks)
    for task in tasks:
        store.refresh()
        rows = [row for row in task if source.names[row] not in store]
        batches = [rows[start : start + size] for start in range(0, len(rows), size)]
        computed: dict[str, np.ndarray] = {}
        inputs = map_in_threads(lambda batch: _padded(source, batch, size), batches, 1)
        for batch, images in zip(batches, inputs, strict=True):
            features = extract_features(model, images, compute)
            bits = features.view(_BIT_TYPES.get(features.dtype, features.dtype)).numpy()
            computed |= {source.names[row]: bits[i] for i, row in enumerate(batch)}
        store.add(computed)
        yield len(task)


def _padded(source: FeatureSource, rows: Sequence[int], size: int) -> torch.Tensor:
    """uint8 (size, channels, height, width): these images, then blank ones up to `size`."""
    images = [source.read(row) for row in rows]
    images += [np.zeros_like(images[0])] * (size - len(rows))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def _batch_size(device: str) -> int:
    return BATCH_SIZE.get(device, BATCH_SIZE["cpu"])
