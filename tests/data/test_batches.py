"""Training batches are a function of (seed, epoch), and a view of its image's id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.data.augment import Augmentation, ImageViews, deterministic_augmentation
from fashion_exp.data.batches import (
    TrainingImages,
    balanced_views,
    ordered_batches,
    oversample,
    shuffled_batches,
)

OPERATIONS = [
    {"name": "HorizontalFlip", "p": 0.5},
    {"name": "Affine", "rotate": [-20, 20], "p": 1.0},
]
SHAPE = (16, 16, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (10, *SHAPE), dtype=np.uint8)
IDS = [f"image{i}" for i in range(10)]
NO_AUGMENTATION = deterministic_augmentation("augmentation.evaluation", [], SHAPE)


@dataclass(frozen=True)
class ArrayPixels:
    images: np.ndarray
    key: str = ""

    def __getitem__(self, row: int) -> np.ndarray:
        return np.asarray(self.images[row])


def image_views(images: np.ndarray = IMAGES, ids: list[str] = IDS) -> ImageViews:
    random = Augmentation("augmentation.operations", OPERATIONS, SHAPE)
    return ImageViews(ArrayPixels(images), ids, NO_AUGMENTATION, random)


def read_epochs(workers: int, epochs: list[int], seed: int = 0) -> list[list[torch.Tensor]]:
    rows = np.arange(10)
    read = image_views().augmented(seed)
    batches = TrainingImages(rows, rows % 3, oversample(rows % 3, None), read, 4, seed, workers)
    return [[images for images, _ in batches.epoch(epoch)] for epoch in epochs]


def are_equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize("workers", [1, 4])
def test_batches_do_not_depend_on_workers_or_earlier_epochs(workers: int) -> None:
    first, second = read_epochs(0, [0, 1])
    with_workers = read_epochs(workers, [0, 1])
    assert are_equal(first, with_workers[0]) and are_equal(second, with_workers[1])
    assert are_equal(second, read_epochs(workers, [1])[0])


def test_epochs_and_seeds_differ() -> None:
    first, second = read_epochs(0, [0, 1])
    assert not are_equal(first, second)
    assert not are_equal(first, read_epochs(0, [0], seed=1)[0])


def test_view_depends_on_image_id_and_not_on_row() -> None:
    reversed_rows = image_views(IMAGES[::-1], IDS[::-1])
    view = image_views().augmented(0)((3, 2, 0))
    assert np.array_equal(view, reversed_rows.augmented(0)((3, 7, 0)))


def test_labels_match_images() -> None:
    rows = np.array([2, 5, 7])
    images = np.zeros((10, *SHAPE), np.uint8) + np.arange(10, dtype=np.uint8)[:, None, None, None]
    views = ImageViews(ArrayPixels(images), IDS, NO_AUGMENTATION, NO_AUGMENTATION)
    batches = TrainingImages(
        rows, rows % 3, oversample(rows % 3, None), views.augmented(0), 2, 0, 0
    )
    pairs = [
        (int(image[0, 0, 0]), int(label))
        for batch in batches.epoch(0)
        for image, label in zip(*batch, strict=True)
    ]
    assert sorted(pairs) == [(2, 2), (5, 2), (7, 1)]


def test_ordered_batches_keep_row_order() -> None:
    images = torch.cat(list(ordered_batches(np.array([3, 1, 2]), image_views().plain, 2, 0)))
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), IMAGES[[3, 1, 2]])


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    per_class=st.none() | st.integers(1, 25),
)
def test_oversampling_reaches_per_class_with_even_repeats(
    counts: list[int], per_class: int | None
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    views = oversample(labels, per_class)
    assert len(np.unique(views, axis=0)) == len(views), "no view twice"
    for label, count in enumerate(counts):
        class_views = views[labels[views[:, 0]] == label]
        assert len(class_views) == max(count, per_class or 0)
        repeats = np.bincount(class_views[:, 0], minlength=len(labels))[labels == label]
        assert repeats.max() - repeats.min() <= 1


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    seed=st.integers(0, 3),
    epoch=st.integers(0, 3),
)
def test_balanced_epoch_has_every_class_equally_often(
    counts: list[int], seed: int, epoch: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    views = balanced_views(labels, seed, epoch)
    assert len(views) == len(labels) == len(np.unique(views, axis=0)), "no view twice"
    by_class = np.bincount(labels[views[:, 0]])
    assert set(by_class) <= {len(labels) // len(counts), -(-len(labels) // len(counts))}
    for label in range(len(counts)):
        occurrences = np.bincount(views[:, 0], minlength=len(labels))[labels == label]
        assert occurrences.max() - occurrences.min() <= 1
    assert np.array_equal(views, balanced_views(labels, seed, epoch))


def test_balanced_epochs_show_other_rows_of_a_large_class() -> None:
    labels = np.repeat([0, 1], [90, 10])
    shown = [set(balanced_views(labels, 0, epoch)[:, 0]) for epoch in range(12)]
    assert shown[0] != shown[1] and set().union(*shown) == set(range(100))


def test_repeated_rows_of_a_balanced_epoch_are_augmented_differently() -> None:
    rows, labels = np.arange(10), np.array([0] * 9 + [1])
    batches = TrainingImages(
        rows, labels, oversample(labels, None), image_views().augmented(0), 10, 0, 0, balanced=True
    )
    ((images, drawn),) = batches.epoch(0)
    assert drawn.bincount().tolist() == [5, 5]
    assert len({image.numpy().tobytes() for image in images[drawn == 1]}) > 1


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_epoch_has_each_view_once_and_no_batch_of_one(views: int, size: int, epoch: int) -> None:
    batches = shuffled_batches(views, size, 0, epoch)
    assert sorted(np.concatenate(batches)) == list(range(views))
    assert size == 1 or views == 1 or min(map(len, batches)) > 1
