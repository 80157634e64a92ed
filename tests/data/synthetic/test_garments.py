"""An image depends on seed and index alone; labels and ambiguity have the requested fractions."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_exp.data.parallel import map_in_threads
from fashion_exp.data.synthetic.garments import CLASSES, Item, draw, plan_items

FRACTIONS = st.floats(0, 1)


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference in gray levels."""
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


def test_image_does_not_depend_on_drawing_order() -> None:
    items = plan_items(3, 5, 0.0, 0.5)
    forwards = [draw(item, 48) for item in items]
    backwards = [draw(item, 48) for item in reversed(items)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    threaded = map_in_threads(lambda item: draw(item, 48), items, 4)
    assert all(np.array_equal(a, b) for a, b in zip(forwards, threaded, strict=True))


def test_another_process_draws_the_same_bytes() -> None:
    code = (
        "import hashlib; from fashion_exp.data.synthetic.garments import draw, plan_items;"
        "print(hashlib.sha256(draw(plan_items(2, 3, 0.0, 0.0)[4], 48).tobytes()).hexdigest())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    expected = hashlib.sha256(draw(plan_items(2, 3, 0.0, 0.0)[4], 48).tobytes()).hexdigest()
    assert result.stdout.strip() == expected


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 2**40), FRACTIONS, FRACTIONS)
@settings(max_examples=30, deadline=None)
def test_smaller_data_set_is_the_beginning_of_a_larger_one(
    count: int, additional: int, seed: int, mislabelled: float, ambiguous: float
) -> None:
    small = plan_items(count, seed, mislabelled, ambiguous)
    assert small == plan_items(count + additional, seed, mislabelled, ambiguous)[: 3 * count]


@given(st.integers(0, 2**40), st.tuples(FRACTIONS, FRACTIONS).map(sorted))
@settings(max_examples=30, deadline=None)
def test_larger_fraction_changes_further_items_only(seed: int, fractions: list[float]) -> None:
    few, many = (plan_items(10, seed, fraction, fraction) for fraction in fractions)
    for a, b in zip(few, many, strict=True):
        assert a.image_id == b.image_id
        assert a.label in (a.true_label, b.label)
        assert a.ambiguous <= b.ambiguous


def test_fractions_hold_within_chance_and_independently() -> None:
    items = plan_items(667, 0, 0.02, 0.3)
    n = len(items)
    mislabeled = [item for item in items if item.label != item.true_label]
    ambiguous = sum(item.ambiguous for item in items)
    assert abs(len(mislabeled) - 0.02 * n) < 4 * (n * 0.02 * 0.98) ** 0.5
    assert abs(ambiguous - 0.3 * n) < 4 * (n * 0.3 * 0.7) ** 0.5
    both, m = sum(item.ambiguous for item in mislabeled), len(mislabeled)
    assert abs(both - 0.3 * m) < 4 * (m * 0.3 * 0.7) ** 0.5


def test_fractions_zero_and_one_are_exact() -> None:
    items = plan_items(20, 0, 0.0, 0.0)
    assert all(item.label == item.true_label and not item.ambiguous for item in items)
    items = plan_items(20, 0, 1.0, 1.0)
    assert all(item.label != item.true_label and item.ambiguous for item in items)


def test_wrong_labels_are_uniform_over_the_other_classes() -> None:
    steps = Counter((item.label - item.true_label) % 3 for item in plan_items(667, 0, 1.0, 0.0))
    assert set(steps) == {1, 2} and abs(steps[1] - steps[2]) < 4 * 2001**0.5


def test_classes_alternate_and_ids_are_unique() -> None:
    items = plan_items(40, 9, 0.1, 0.1)
    assert [item.true_label for item in items] == [0, 1, 2] * 40
    assert len({item.image_id for item in items}) == len(items) == 40 * len(CLASSES)
    assert items[7].image_id == "garments-v1-9-000007"
    assert plan_items(8, 9, 0.5, 0.0)[7].image_id == items[7].image_id


def test_seed_and_index_change_the_image() -> None:
    first, second = plan_items(2, 0, 0.0, 0.0), plan_items(2, 1, 0.0, 0.0)
    assert {item.image_id for item in first}.isdisjoint(item.image_id for item in second)
    images = [draw(item, 48) for item in (*first, *second)]
    assert min(_difference(a, b) for k, a in enumerate(images) for b in images[:k]) > 10


def test_ambiguity_changes_the_image_but_the_label_does_not() -> None:
    for plain, mislabeled, ambiguous in zip(
        plan_items(2, 4, 0.0, 0.0),
        plan_items(2, 4, 1.0, 0.0),
        plan_items(2, 4, 0.0, 1.0),
        strict=True,
    ):
        assert np.array_equal(draw(plain, 48), draw(mislabeled, 48))
        assert not np.array_equal(draw(plain, 48), draw(ambiguous, 48))


@pytest.mark.parametrize("size", [1, 17, 96, 151])
def test_any_size_is_drawn_with_full_contrast(size: int) -> None:
    image = draw(plan_items(1, 0, 0.0, 0.0)[2], size)
    assert image.shape == (size, size, 3) and image.dtype == np.uint8
    assert size == 1 or int(image.max()) - int(image.min()) > 60


@pytest.mark.parametrize(("small", "large"), [(96, 192), (64, 224)])
def test_every_size_shows_the_same_scene(small: int, large: int) -> None:
    items = plan_items(4, 2, 0.0, 0.3)
    images = [draw(item, small) for item in items]
    reduced = [
        cv2.resize(draw(item, large), (small, small), interpolation=cv2.INTER_AREA)
        for item in items
    ]
    for k, image in enumerate(reduced):
        differences = [_difference(image, other) for other in images]
        assert differences[k] < 7
        assert min(differences[:k] + differences[k + 1 :]) > 3 * differences[k]


@pytest.fixture(scope="module")
def sample() -> tuple[list[Item], np.ndarray]:
    """150 items with correct labels, and their images at 32 px."""
    items = plan_items(50, 1, 0.0, 0.0)
    return items, np.stack([draw(item, 32) for item in items])


def test_mean_color_does_not_predict_the_class(sample: tuple[list[Item], np.ndarray]) -> None:
    items, images = sample
    labels = np.array([item.true_label for item in items])
    colors = images.reshape(len(items), -1, 3).mean(axis=1)
    is_train = np.arange(len(items)) < len(items) // 2
    centroids = np.stack([colors[is_train & (labels == k)].mean(axis=0) for k in range(3)])
    nearest = np.linalg.norm(colors[:, None] - centroids, axis=2).argmin(axis=1)
    assert (nearest == labels)[~is_train].mean() < 0.45


def test_brightness_varies_between_images(sample: tuple[list[Item], np.ndarray]) -> None:
    _, images = sample
    means = images.reshape(len(images), -1).mean(axis=1)
    assert 90 < means.mean() < 170 and means.std() > 15
    assert (images == 255).mean() < 0.05 and (images == 0).mean() < 0.02
