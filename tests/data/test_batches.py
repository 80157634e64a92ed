"""The order of training is a function of (seed, epoch), and an image's view of its name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.data.augment import Augmentation, Views, fixed_augmentation
from fashion_exp.data.batches import TrainingImages, epoch_order, in_order, multiplied

FLIPS = [{"name": "HorizontalFlip", "p": 0.5}, {"name": "Affine", "rotate": [-20, 20], "p": 1.0}]
SHAPE = (16, 16, 3)
PIXELS = np.random.default_rng(0).integers(0, 256, (10, *SHAPE), dtype=np.uint8)
IDS = [f"image{i}" for i in range(10)]


def views(ids: list[str] = IDS, pixels: np.ndarray = PIXELS) -> Views:
    none = fixed_augmentation("augmentation.evaluation", [], SHAPE)
    return Views(pixels, ids, none, Augmentation("augmentation.operations", FLIPS, SHAPE))


def epochs(workers: int, numbers: list[int], seed: int = 0) -> list[list[torch.Tensor]]:
    rows = np.arange(10)
    batches = TrainingImages(
        rows, rows % 3, multiplied(rows % 3, None), views().augmented(seed), 4, seed, workers
    )
    return [[images for images, _ in batches.epoch(number)] for number in numbers]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.parametrize("workers", [1, 4])
def test_workers_change_no_tensor(workers: int) -> None:
    """Persistent ones neither: epoch 1 after epoch 0 equals epoch 1 alone."""
    first, second = epochs(0, [0, 1])
    helped = epochs(workers, [0, 1])
    assert same(first, helped[0]) and same(second, helped[1])
    assert same(second, epochs(workers, [1])[0])


def test_epochs_and_seeds_differ() -> None:
    first, second = epochs(0, [0, 1])
    assert not same(first, second) and not same(first, epochs(0, [0], seed=1)[0])


def test_a_view_depends_on_the_images_name_and_not_on_its_row() -> None:
    moved = views(IDS[::-1], PIXELS[::-1])
    assert np.array_equal(views().augmented(0)((3, 2, 0)), moved.augmented(0)((3, 7, 0)))


def test_labels_go_with_their_images() -> None:
    rows = np.array([2, 5, 7])
    marked = np.zeros((10, *SHAPE), np.uint8) + np.arange(10, dtype=np.uint8)[:, None, None, None]
    plain = Views(
        marked, IDS, *(fixed_augmentation("augmentation.evaluation", [], SHAPE) for _ in range(2))
    )
    batches = TrainingImages(
        rows, rows % 3, multiplied(rows % 3, None), plain.augmented(0), 2, 0, 0
    )
    seen = [
        (int(i[0, 0, 0]), int(label)) for b in batches.epoch(0) for i, label in zip(*b, strict=True)
    ]
    assert sorted(seen) == [(2, 2), (5, 2), (7, 1)]


def test_evaluation_is_in_the_order_asked() -> None:
    images = torch.cat(list(in_order(np.array([3, 1, 2]), views().plain, 2, 0)))
    assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), PIXELS[[3, 1, 2]])


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    per_class=st.none() | st.integers(1, 25),
)
def test_multiplying_brings_each_class_to_its_number(
    counts: list[int], per_class: int | None
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    entries = multiplied(labels, per_class)
    assert len(np.unique(entries, axis=0)) == len(entries), "no view twice"
    for label, count in enumerate(counts):
        own = entries[labels[entries[:, 0]] == label]
        assert len(own) == max(count, per_class or 0)
        uses = np.bincount(own[:, 0], minlength=len(labels))[labels == label]
        assert uses.max() - uses.min() <= 1


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_an_epoch_has_each_view_once_and_no_batch_of_one(views: int, size: int, epoch: int) -> None:
    batches = epoch_order(views, size, 0, epoch)
    assert sorted(np.concatenate(batches)) == list(range(views))
    assert size == 1 or views == 1 or min(map(len, batches)) > 1
