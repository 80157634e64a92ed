"""What a frozen backbone makes of each image: computed once, kept for every fold, run and job."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fashion_exp.cache.array_store import ArrayStore
from fashion_exp.cache.manager import store_key
from fashion_exp.cache.provenance import hardware_id, library_versions, source_hash
from fashion_exp.configuration.schema import Config
from fashion_exp.data.parallel import in_threads
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan
from fashion_exp.training.device import Compute
from fashion_exp.training.fit import extract

BATCH = {"cpu": 32, "cuda": 128}
"""Images that go through the network at a time, by device; always as many: kernels are chosen by
the shape, and with another number the last digits would differ."""

_BATCHES_PER_TASK = 4
_BITS = {torch.bfloat16: torch.uint16, torch.float16: torch.uint16}
"""Types that NumPy lacks or torch computes in, kept as their bits."""

DEFAULT_VIEWS = 8


@dataclass(frozen=True)
class Features:
    """Of a table's images, in each of one or several views, as they lie in a store."""

    store: ArrayStore
    stored: np.ndarray
    places: np.ndarray
    """(images, views) places in `stored`."""
    dtype: torch.dtype

    def __call__(self, rows: np.ndarray, views: np.ndarray | int = 0) -> torch.Tensor:
        """float32 (n, width) of n rows, each in its view, counted round."""
        chosen = self.places[rows, np.asarray(views) % self.places.shape[1]]
        kept = torch.from_numpy(self.stored[chosen])
        return kept.view(self.dtype).float()


@dataclass(frozen=True)
class Source:
    """Images on their way into a network, by name, and all that its output depends on."""

    names: Sequence[str]
    read: Callable[[int], np.ndarray]
    """The i-th image, uint8 (size, size, channels)."""
    about: Mapping[str, Any]


def features_about(
    cfg: Config, plan: ModelPlan, compute: Compute, pixels: str, initialisation: int
) -> dict[str, Any]:
    """Everything that the features of an image depend on, beside its id and its view.

    `pixels` is the key of the pictures, `initialisation` the seed of random weights.
    """
    model, device = cfg.model, compute.device.type
    return {
        "pixels": pixels,
        "evaluation": cfg.augmentation.evaluation,
        "mean": plan.mean,
        "std": plan.std,
        "model": [model.name, model.depth, model.width, plan.channels, plan.size],
        "cut": [model.head.value, model.pool.value if model.pool else "avg"],
        "weights": plan.weights.sha256 or f"random {initialisation}",
        "arithmetic": [device, compute.dtype, compute.threads, hardware_id(device), _batch(device)],
        "source": source_hash(
            "models", "training/device.py", "experiment/features.py", "data/augment.py"
        ),
        "versions": library_versions(
            "torch", "timm", "numpy", "albumentations", "opencv-python-headless"
        ),
    }


def views_about(cfg: Config) -> dict[str, Any]:
    """What the views of an image depend on, beside what its plain features do."""
    return {"operations": cfg.augmentation.operations, "seed": cfg.seeds.augmentation}


def kept_features(
    source: Source,
    cache: Path,
    model: Classifier,
    compute: Compute,
    progress: Callable[[int], Callable[[int], None]],
) -> tuple[ArrayStore, int]:
    """The store that has the features of all of the source's images, and how many it had before.

    What it lacks is computed now; `progress` gets how many images there are, and then how many are
    done. Processes that fill one store at once go through it in orders of their own, and each
    leaves out what another has added since.
    """
    folder = cache / "features" / store_key(source.about)
    store = ArrayStore.open_existing(folder) or _new_store(folder, model, compute, source)
    store.drop_damaged(source.names)
    lacking = [row for row, name in enumerate(source.names) if name not in store]
    done = reused = len(source.names) - len(lacking)
    if lacking:
        tick = progress(len(source.names))
        for count in _fill(store, source, lacking, model, compute):
            done += count
            tick(done)
    return store, reused


def gathered(store: ArrayStore, names: Sequence[str], views: int) -> Features:
    """The features of images whose views, `views` of each, stand in `names` one after another."""
    stored, places = store.gather(names)
    dtype = getattr(torch, store.about["network_gave"])
    return Features(store, stored, places.reshape(-1, views), dtype)


def _new_store(folder: Path, model: Classifier, compute: Compute, source: Source) -> ArrayStore:
    """An empty store for what the network gives, in its own type, and made as it must be."""
    shape = source.read(0).shape
    alone = not _rows_are_independent(model, compute, shape)
    batch = 1 if alone else _batch(compute.device.type)
    probe = extract(model, _noise(shape, batch), compute)
    kept = probe.view(_BITS.get(probe.dtype, probe.dtype))
    about = {
        **source.about,
        "network_gave": str(probe.dtype).removeprefix("torch."),
        "batch": batch,
    }
    return ArrayStore(folder, kept.shape[1:], str(kept.numpy().dtype), about)


def _rows_are_independent(model: Classifier, compute: Compute, shape: tuple[int, ...]) -> bool:
    """Whether an image's features are the same, bit for bit, at another place of a batch, among
    other images and beside blanks. Where they are not, images go through one by one."""
    batch = _batch(compute.device.type)
    images = _noise(shape, batch)
    moved = torch.cat([images[5:], torch.zeros_like(images[:5])])
    first, second = (extract(model, inputs, compute) for inputs in (images, moved))
    return torch.equal(first[5:], second[:-5])


def _noise(shape: tuple[int, ...], count: int) -> torch.Tensor:
    """uint8 (count, channels, size, size), always the same."""
    size, _, channels = shape
    generator = torch.Generator().manual_seed(0)
    return torch.randint(
        0, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator
    )


def _fill(
    store: ArrayStore, source: Source, lacking: list[int], model: Classifier, compute: Compute
) -> Iterator[int]:
    """Adds the features of these images; gives how many, task by task."""
    batch = int(store.about["batch"])
    step = max(_BATCHES_PER_TASK * batch, 32)
    tasks = [lacking[start : start + step] for start in range(0, len(lacking), step)]
    random.Random(os.getpid()).shuffle(tasks)
    for task in tasks:
        store.refresh()
        rows = [row for row in task if source.names[row] not in store]
        batches = [rows[start : start + batch] for start in range(0, len(rows), batch)]
        made: dict[str, np.ndarray] = {}
        for own, images in zip(
            batches, in_threads(lambda b: _padded(source, b, batch), batches, 1), strict=True
        ):
            features = extract(model, images, compute)
            bits = features.view(_BITS.get(features.dtype, features.dtype)).numpy()
            made |= {source.names[row]: bits[place] for place, row in enumerate(own)}
        store.add(made)
        yield len(task)


def _padded(source: Source, rows: Sequence[int], batch: int) -> torch.Tensor:
    """uint8 (batch, channels, size, size): these images, and blanks to the full number."""
    images = [source.read(row) for row in rows]
    images += [np.zeros_like(images[0])] * (batch - len(rows))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def _batch(device: str) -> int:
    return BATCH.get(device, BATCH["cpu"])
