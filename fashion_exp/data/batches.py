"""Batches in an order that is a function of (seed, epoch), whatever the number of workers."""

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

from fashion_exp.seeding import derive_seed

Batch = tuple[torch.Tensor, torch.Tensor]
"""Inputs (n, channels, size, size) uint8 or (n, width) float, and labels (n,) int64."""

View = tuple[int, int, int]
"""Epoch, row, and which of its augmented copies."""

ReadView = Callable[[View], np.ndarray]
"""The pixels of one view, (size, size, channels) uint8."""

Share = Callable[[np.ndarray], np.ndarray]
"""Those of a batch's views that this process reads."""


Ready = Callable[[torch.Tensor], torch.Tensor]


def all_of(batch: np.ndarray) -> np.ndarray:
    return batch


def as_it_is(images: torch.Tensor) -> torch.Tensor:
    return images


def multiplied(labels: np.ndarray, per_class: int | None) -> np.ndarray:
    """(m, 2): row and copy number of every training view of an epoch.

    Without `per_class` each row once. With it, each class is brought up to that many views by
    further copies of its rows, all rows equally often give or take one; a class that has more
    keeps all.
    """
    entries = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = max(len(rows), per_class or 0)
        turn = np.arange(count)
        entries.append(np.stack([rows[turn % len(rows)], turn // len(rows)], axis=1))
    return np.concatenate(entries)


def epoch_order(views: int, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """A permutation of the views, cut into batches.

    A last batch of one joins the one before: batch-norm has no variance of a single vector.
    """
    order = np.random.default_rng(derive_seed("order", seed, epoch)).permutation(views)
    return np.split(order, _cuts(views, batch_size))


def _cuts(views: int, batch_size: int) -> list[int]:
    cuts = list(range(batch_size, views, batch_size))
    return cuts[:-1] if cuts and views - cuts[-1] == 1 else cuts


class TrainingImages:
    """Shuffled batches of training images, each view made by `read`.

    `views` is (m, 2) from `multiplied`, over positions of `rows`; labels are those of the views.
    A batch has the images of this process's `share` of it, and the labels of all. `ready` is done
    to the images by the thread that makes them ahead.
    """

    def __init__(
        self, rows: np.ndarray, labels: np.ndarray, views: np.ndarray, read: ReadView,
        batch_size: int, seed: int, workers: int, share: Share = all_of, ready: Ready = as_it_is,
    ) -> None:  # fmt: skip
        self._rows, self._views, self._share, self._ready = rows, views, share, ready
        self._labels = torch.from_numpy(labels[views[:, 0]])
        self._batch_size, self._seed = batch_size, seed
        self.steps = len(_cuts(len(views), batch_size)) + 1
        self._epochs = _Batches()
        self._loader = _loader(_Views(read), self._epochs, workers)

    def __len__(self) -> int:
        return len(self._views)

    def epoch(self, number: int) -> Iterator[Batch]:
        order = epoch_order(len(self._views), self._batch_size, self._seed, number)
        self._epochs.batches = [
            [(number, int(self._rows[row]), int(copy)) for row, copy in self._views[own]]
            for own in map(self._share, order)
        ]
        for batch, images in zip(order, _ahead(map(self._ready, self._loader)), strict=True):
            yield images, self._labels[batch]


_BATCHES_AHEAD = 2
"""One made and one in the making, so that the thread never waits to be asked."""


def _ahead(loader: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The loader's batches, the next ones made by a thread while this one is computed with."""
    batches = iter(loader)
    with (
        _switching_often(),
        ThreadPoolExecutor(1, thread_name_prefix="augmentation") as thread,
    ):
        coming = deque(thread.submit(next, batches, None) for _ in range(_BATCHES_AHEAD))
        while (batch := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, batches, None))
            yield batch


@contextmanager
def _switching_often() -> Iterator[None]:
    """Python's lock goes round every half millisecond instead of every five: the many short
    operations of a training step would wait as long for the thread each time."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


ReadFeatures = Callable[[np.ndarray, np.ndarray], torch.Tensor]
"""float32 (n, width) of n rows, each in a view of this number."""


class TrainingFeatures:
    """Shuffled batches of features that were computed before: (n, width), labels (n,).

    `rows`, `labels` and `views` as for `TrainingImages`. Copy c of an image is in epoch e its view
    e + c.
    """

    def __init__(
        self, rows: np.ndarray, labels: np.ndarray, views: np.ndarray, read: ReadFeatures,
        batch_size: int, seed: int,
    ) -> None:  # fmt: skip
        self._rows, self._copies = rows[views[:, 0]], views[:, 1]
        self._labels, self._read = torch.from_numpy(labels[views[:, 0]]), read
        self._batch_size, self._seed = batch_size, seed
        self.steps = len(_cuts(len(views), batch_size)) + 1

    def __len__(self) -> int:
        return len(self._rows)

    def epoch(self, number: int) -> Iterator[Batch]:
        for batch in epoch_order(len(self), self._batch_size, self._seed, number):
            yield self._read(self._rows[batch], number + self._copies[batch]), self._labels[batch]


def in_order(rows: np.ndarray, read: ReadView, batch_size: int, workers: int) -> DataLoader:
    """Batches of plain images, uint8 (n, channels, size, size), in the order given."""
    batches = _Batches()
    views = [(0, int(row), 0) for row in rows]
    batches.batches = [views[i : i + batch_size] for i in range(0, len(views), batch_size)]
    return _loader(_Views(read), batches, workers)


class _Batches:
    """The batches of the coming epoch, for a loader that outlives it."""

    batches: list[list[View]]

    def __iter__(self) -> Iterator[list[View]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Views(Dataset):
    """Epoch and copy travel with the row, so that persistent workers need no state."""

    def __init__(self, read: ReadView) -> None:
        self._read = read

    def __getitems__(self, views: list[View]) -> np.ndarray:
        first = self._read(views[0])
        images = np.empty((len(views), *first.shape), first.dtype)
        images[0] = first
        for number, view in enumerate(views[1:], 1):
            images[number] = self._read(view)  # while it is in the processor's cache
        return images


def _loader(images: Dataset, batches: _Batches, workers: int) -> DataLoader:
    return DataLoader(
        images,
        batch_sampler=batches,
        collate_fn=_channels_last,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        worker_init_fn=_leave_interrupts_to_the_parent,
        # It draws a seed for its workers, from dropout's random numbers unless it has its own.
        generator=torch.Generator(),
    )


def _leave_interrupts_to_the_parent(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _channels_last(images: Any) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2)
