"""Shuffled batches; their order depends on seed and epoch, not on the number of workers."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from fashion_exp.data.mixing import Mix, Mixing, draw_mixes, mix_images, with_partners
from fashion_exp.seeding import derive_seed

Batch = tuple[torch.Tensor, torch.Tensor]
"""Inputs, (n, channels, size, size) uint8 or (n, width) float, and labels, (n,) int64; of mixed
inputs the share of each class, (n, classes) float."""

View = tuple[int, int, int]
"""Epoch, row, and number of the augmented copy."""

ViewReader = Callable[[View], np.ndarray]
"""Gives the pixels of a view, (size, size, channels) uint8."""

FeatureReader = Callable[[np.ndarray, np.ndarray], torch.Tensor]
"""Gives float32 (n, width) for n rows and the view number of each."""


def oversample(labels: np.ndarray, per_class: int | None) -> np.ndarray:
    """(m, 2): row and copy number of every training view of an epoch.

    Without `per_class`, each row occurs once. With it, rows of smaller classes are repeated evenly
    until the class has `per_class` views; larger classes stay complete.
    """
    views = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        numbers = np.arange(max(len(rows), per_class or 0))
        views.append(np.stack([rows[numbers % len(rows)], numbers // len(rows)], axis=1))
    return np.concatenate(views)


def balanced_views(labels: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """(n, 2): row and copy number of n = len(labels) views, as many of each class.

    If n is no multiple of the classes, some classes, others in each epoch, have one view more.
    Within a class the rows differ by at most one in how often they occur: rows of small classes are
    repeated, and large classes show other rows in each epoch.
    """
    rng = np.random.default_rng(derive_seed("sampling", seed, epoch))
    classes = rng.permutation(np.unique(labels))
    views = []
    for number, label in enumerate(classes):
        rows = rng.permutation(np.flatnonzero(labels == label))
        numbers = np.arange(len(labels) // len(classes) + (number < len(labels) % len(classes)))
        views.append(np.stack([rows[numbers % len(rows)], numbers // len(rows)], axis=1))
    return np.concatenate(views)


def shuffled_batches(views: int, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """A permutation of the view indices, divided into batches.

    A last batch of one view joins the batch before it: batch norm needs more than one sample.
    """
    order = np.random.default_rng(derive_seed("order", seed, epoch)).permutation(views)
    return np.split(order, _batch_starts(views, batch_size))


def _batch_starts(views: int, batch_size: int) -> list[int]:
    """Start indices of all batches but the first."""
    starts = list(range(batch_size, views, batch_size))
    return starts[:-1] if starts and views - starts[-1] == 1 else starts


class _Views:
    """The views of training images, and how an epoch draws batches of them."""

    def __init__(
        self, rows: np.ndarray, labels: np.ndarray, views: np.ndarray, batch_size: int, seed: int,
        balanced: bool, mixing: Mixing | None, targets: np.ndarray | None,
    ) -> None:  # fmt: skip
        self._rows, self._labels = rows, labels
        self._targets = labels if targets is None else targets
        self._views, self._balanced, self._mixing = views, balanced, mixing
        self._batch_size, self._seed = batch_size, seed
        self.steps = len(_batch_starts(len(views), batch_size)) + 1

    def __len__(self) -> int:
        return len(self._views)

    def _draw(
        self, epoch: int
    ) -> tuple[np.ndarray, torch.Tensor, list[np.ndarray], list[Mix | None]]:
        """Views (m, 2), their targets, and the view indices and the mix of each batch."""
        views = balanced_views(self._labels, self._seed, epoch) if self._balanced else self._views
        batches = shuffled_batches(len(views), self._batch_size, self._seed, epoch)
        targets = torch.from_numpy(self._targets[views[:, 0]])
        return views, targets, batches, draw_mixes(self._mixing, epoch, len(batches))


class TrainingImages(_Views):
    """Shuffled batches of training images.

    `views` is (m, 2) from `oversample`, with positions in `rows` and `labels`; if `balanced`, each
    epoch has its own `balanced_views` instead. `targets`, float32 (n, classes), are what is trained
    on in place of the labels (n,). `read` gives the pixels of a view. `shard` selects
    the views of a batch that this process trains on; the labels of a batch are always complete. The
    background thread mixes the images, if there is a `mixing`, and applies `prepare` to them.
    """

    def __init__(
        self, rows: np.ndarray, labels: np.ndarray, views: np.ndarray, read: ViewReader,
        batch_size: int, seed: int, workers: int,
        shard: Callable[[np.ndarray], np.ndarray] = lambda batch: batch,
        prepare: Callable[[torch.Tensor], torch.Tensor] = lambda images: images,
        balanced: bool = False, mixing: Mixing | None = None, targets: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        super().__init__(rows, labels, views, batch_size, seed, balanced, mixing, targets)
        self._shard, self._prepare = shard, prepare
        self._epoch_views: list[list[View]] = []
        self._loader = _data_loader(read, self._epoch_views, workers)

    def epoch(self, number: int) -> Iterator[Batch]:
        views, labels, batches, mixes = self._draw(number)
        own = [self._shard(np.arange(len(batch))) for batch in batches]
        read = own if self._mixing is None else [*map(with_partners, own, map(len, batches))]
        self._epoch_views[:] = [
            [(number, int(self._rows[row]), int(copy)) for row, copy in views[batch[positions]]]
            for batch, positions in zip(batches, read, strict=True)
        ]
        images = map(mix_images, self._loader, mixes, own, read, map(len, batches))
        prepared = _prefetch(map(self._prepare, images))
        for batch, inputs, mix in zip(batches, prepared, mixes, strict=True):
            yield inputs, labels[batch] if mix is None else mix.targets(labels[batch])


_PREFETCHED_BATCHES = 2
"""One is ready while the next is being read, so the thread never waits for the consumer."""


def _prefetch(loader: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The batches of the loader, read ahead by a background thread."""
    batches = iter(loader)
    with (
        _short_switch_interval(),
        ThreadPoolExecutor(1, thread_name_prefix="augmentation") as thread,
    ):
        pending = deque(thread.submit(next, batches, None) for _ in range(_PREFETCHED_BATCHES))
        while (batch := pending.popleft().result()) is not None:
            pending.append(thread.submit(next, batches, None))
            yield batch


@contextmanager
def _short_switch_interval() -> Iterator[None]:
    """Set Python's thread switch interval to 0.5 ms instead of 5 ms.

    Each of the many short operations of a training step may wait that long for the thread.
    """
    previous = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        yield
    finally:
        sys.setswitchinterval(previous)


class TrainingFeatures(_Views):
    """Shuffled batches of precomputed features: (n, width), labels (n,).

    `rows`, `labels`, `views`, `balanced` and `targets` are those of `TrainingImages`. Copy c of an
    image shows its view e + c in epoch e. Features are mixed like images.
    """

    def __init__(
        self, rows: np.ndarray, labels: np.ndarray, views: np.ndarray, read: FeatureReader,
        batch_size: int, seed: int, balanced: bool = False, mixing: Mixing | None = None,
        shard: Callable[[torch.Tensor], torch.Tensor] = lambda batch: batch,
        targets: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        super().__init__(rows, labels, views, batch_size, seed, balanced, mixing, targets)
        self._read, self._shard = read, shard

    def epoch(self, number: int) -> Iterator[Batch]:
        views, labels, batches, mixes = self._draw(number)
        rows, copies = self._rows[views[:, 0]], views[:, 1]
        for batch, mix in zip(batches, mixes, strict=True):
            inputs = self._read(rows[batch], number + copies[batch])
            if mix is None:
                yield self._shard(inputs), labels[batch]
            else:
                mixed = mix.inputs(inputs, inputs.roll(1, 0))
                yield self._shard(mixed), mix.targets(labels[batch])


def ordered_batches(
    rows: np.ndarray, read: ViewReader, batch_size: int, workers: int
) -> DataLoader[torch.Tensor]:
    """Batches of unaugmented images, uint8 (n, channels, size, size), in the order of `rows`."""
    views = [(0, int(row), 0) for row in rows]
    batches = [views[i : i + batch_size] for i in range(0, len(views), batch_size)]
    return _data_loader(read, batches, workers)


class _ViewDataset(Dataset):
    """Views carry epoch and copy, so persistent workers need no state."""

    def __init__(self, read: ViewReader) -> None:
        self._read = read

    def __getitems__(self, views: list[View]) -> np.ndarray:
        first = self._read(views[0])
        images = np.empty((len(views), *first.shape), first.dtype)
        images[0] = first
        for number, view in enumerate(views[1:], 1):
            images[number] = self._read(view)  # copied while it is in the processor's cache
        return images


def _data_loader(
    read: ViewReader, batches: list[list[View]], workers: int
) -> DataLoader[torch.Tensor]:
    """A loader of `batches`; each iteration reads the list's current content."""
    return DataLoader(
        _ViewDataset(read),
        batch_sampler=batches,
        collate_fn=_channels_first,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        worker_init_fn=ignore_interrupts,
        # Without a generator of its own, the loader advances the random state of dropout.
        generator=torch.Generator(),
    )


def ignore_interrupts(worker: int) -> None:
    """The parent process handles interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _channels_first(images: Any) -> torch.Tensor:
    """A (n, channels, size, size) view; the memory layout stays channels-last."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)
