"""Features of a frozen network in a store: computed once per image, in batches of one size."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fashion_exp.cache.array_store import ArrayStore, store_key
from fashion_exp.data.parallel import map_in_threads
from fashion_exp.models.classifier import Classifier
from fashion_exp.training.device import Compute, is_depthwise
from fashion_exp.training.fit import extract_features

BATCH_SIZE = {"cpu": 32, "cuda": 128}
"""Images per forward pass, by device. Every batch has this size: libraries choose their kernels by
the shape, and other kernels give other last digits."""

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
class FeatureSource:
    """Images to compute features of, by name, and everything that the features depend on."""

    names: Sequence[str]
    read: Callable[[int], np.ndarray]
    """The i-th image, uint8 (size, size, channels)."""
    key_fields: Mapping[str, Any]


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
    return batch_size(compute.device.type) if independent else 1


def _rows_are_independent(model: Classifier, compute: Compute, shape: tuple[int, ...]) -> bool:
    """Whether an image's features are the same, bit for bit, at any position of any batch.

    If they are not, each image is computed in a batch of its own.
    """
    images = _noise(shape, batch_size(compute.device.type))
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


def batch_size(device: str) -> int:
    return BATCH_SIZE.get(device, BATCH_SIZE["cpu"])
