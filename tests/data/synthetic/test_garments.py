"""Drawn garments: a function of seed and index, with the shares that were asked for."""

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

from fashion_exp.data.parallel import in_threads
from fashion_exp.data.synthetic.garments import CLASSES, Item, draw, plan

SHARES = st.floats(0, 1)


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def test_a_picture_does_not_depend_on_what_was_drawn_before() -> None:
    items = plan(3, 5, 0.0, 0.5)
    forwards = [draw(item, 48) for item in items]
    backwards = [draw(item, 48) for item in reversed(items)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    threaded = in_threads(lambda item: draw(item, 48), items, 4)
    assert all(np.array_equal(a, b) for a, b in zip(forwards, threaded, strict=True))


def test_another_process_draws_the_same_bytes() -> None:
    code = (
        "import hashlib; from fashion_exp.data.synthetic.garments import draw, plan;"
        "print(hashlib.sha256(draw(plan(2, 3, 0.0, 0.0)[4], 48).tobytes()).hexdigest())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = hashlib.sha256(draw(plan(2, 3, 0.0, 0.0)[4], 48).tobytes()).hexdigest()
    assert told.stdout.strip() == here


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 2**40), SHARES, SHARES)
@settings(max_examples=30, deadline=None)
def test_a_smaller_data_set_is_the_beginning_of_a_larger_one(
    few: int, more: int, seed: int, mislabelled: float, ambiguous: float
) -> None:
    small = plan(few, seed, mislabelled, ambiguous)
    assert small == plan(few + more, seed, mislabelled, ambiguous)[: 3 * few]


@given(st.integers(0, 2**40), SHARES, SHARES)
@settings(max_examples=30, deadline=None)
def test_a_larger_share_adds_items_and_changes_none(seed: int, one: float, other: float) -> None:
    fewer, more = sorted((one, other))
    for with_fewer, with_more in zip(
        plan(10, seed, fewer, fewer), plan(10, seed, more, more), strict=True
    ):
        assert with_fewer.image_id == with_more.image_id
        assert with_fewer.label in (with_fewer.true_label, with_more.label)
        assert with_fewer.ambiguous <= with_more.ambiguous


def test_the_shares_hold_within_chance_and_independently() -> None:
    items = plan(667, 0, 0.02, 0.3)
    n = len(items)
    wrong = [item for item in items if item.label != item.true_label]
    between = sum(item.ambiguous for item in items)
    assert abs(len(wrong) - 0.02 * n) < 4 * (n * 0.02 * 0.98) ** 0.5
    assert abs(between - 0.3 * n) < 4 * (n * 0.3 * 0.7) ** 0.5
    both = sum(item.ambiguous for item in wrong)
    assert abs(both - 0.3 * len(wrong)) < 4 * (len(wrong) * 0.3 * 0.7) ** 0.5


def test_shares_of_nothing_and_of_all() -> None:
    items = plan(20, 0, 0.0, 0.0)
    assert all(item.label == item.true_label and not item.ambiguous for item in items)
    items = plan(20, 0, 1.0, 1.0)
    assert all(item.label != item.true_label and item.ambiguous for item in items)


def test_a_wrong_label_is_either_other_class_as_often() -> None:
    steps = Counter((item.label - item.true_label) % 3 for item in plan(667, 0, 1.0, 0.0))
    assert set(steps) == {1, 2} and abs(steps[1] - steps[2]) < 4 * 2001**0.5


def test_classes_come_in_turn_and_ids_are_unique() -> None:
    items = plan(40, 9, 0.1, 0.1)
    assert [item.true_label for item in items] == [0, 1, 2] * 40
    assert len({item.image_id for item in items}) == len(items) == 40 * len(CLASSES)
    assert items[7].image_id == "garments-v1-9-000007"
    assert plan(8, 9, 0.5, 0.0)[7].image_id == items[7].image_id


def test_another_seed_or_index_is_another_picture() -> None:
    first, other_seed = plan(2, 0, 0.0, 0.0), plan(2, 1, 0.0, 0.0)
    assert {item.image_id for item in first}.isdisjoint(item.image_id for item in other_seed)
    pictures = [draw(item, 48) for item in (*first, *other_seed)]
    apart = [_difference(a, b) for k, a in enumerate(pictures) for b in pictures[:k]]
    assert min(apart) > 10


def test_a_label_is_not_seen_in_the_picture_but_ambiguity_is() -> None:
    for plain, mislabelled, between in zip(
        plan(2, 4, 0.0, 0.0), plan(2, 4, 1.0, 0.0), plan(2, 4, 0.0, 1.0), strict=True
    ):
        assert np.array_equal(draw(plain, 48), draw(mislabelled, 48))
        assert not np.array_equal(draw(plain, 48), draw(between, 48))


@pytest.mark.parametrize("size", [1, 17, 96, 151])
def test_any_size_is_drawn_as_bytes_in_full_range(size: int) -> None:
    picture = draw(plan(1, 0, 0.0, 0.0)[2], size)
    assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
    assert size == 1 or int(picture.max()) - int(picture.min()) > 60


@pytest.mark.parametrize(("small", "large"), [(96, 192), (64, 224)])
def test_every_size_shows_the_same_scene(small: int, large: int) -> None:
    items = plan(4, 2, 0.0, 0.3)
    drawn = [draw(item, small) for item in items]
    reduced = [
        cv2.resize(draw(item, large), (small, small), interpolation=cv2.INTER_AREA)
        for item in items
    ]
    for k, picture in enumerate(reduced):
        apart = [_difference(picture, other) for other in drawn]
        assert apart[k] < 7 and min(apart[:k] + apart[k + 1 :]) > 3 * apart[k]


@pytest.fixture(scope="module")
def sample() -> tuple[list[Item], np.ndarray]:
    """150 items without noise in their labels, and their pictures at 32 px."""
    items = plan(50, 1, 0.0, 0.0)
    return items, np.stack([draw(item, 32) for item in items])


def test_the_mean_colour_does_not_tell_the_class(sample: tuple[list[Item], np.ndarray]) -> None:
    items, pictures = sample
    labels = np.array([item.true_label for item in items])
    colours = pictures.reshape(len(items), -1, 3).mean(axis=1)
    fitted = np.arange(len(items)) < len(items) // 2
    centroids = np.stack([colours[fitted & (labels == k)].mean(axis=0) for k in range(3)])
    nearest = np.linalg.norm(colours[:, None] - centroids, axis=2).argmin(axis=1)
    assert (nearest == labels)[~fitted].mean() < 0.45


def test_pictures_are_lit_unlike_each_other(sample: tuple[list[Item], np.ndarray]) -> None:
    _, pictures = sample
    means = pictures.reshape(len(pictures), -1).mean(axis=1)
    assert 90 < means.mean() < 170 and means.std() > 15
    assert (pictures == 255).mean() < 0.05 and (pictures == 0).mean() < 0.02
