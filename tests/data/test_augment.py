"""Random operations: a function of the seed, each drawn for itself, refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.data.augment import Augmentation, fixed_augmentation
from fashion_exp.errors import InputError

SHAPE = (16, 16, 3)
IMAGE = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
FLIPS = [{"name": "HorizontalFlip", "p": 0.5}, {"name": "Affine", "rotate": [-20, 20], "p": 1.0}]


def augmentation(*operations: dict) -> Augmentation:
    return Augmentation("augmentation.operations", operations, SHAPE)


def test_a_seed_gives_one_view_whatever_came_before() -> None:
    augment = augmentation(*FLIPS)
    first = [augment(IMAGE, seed) for seed in range(4)]
    again = [augment(IMAGE, seed) for seed in (3, 2, 1, 0)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])


def test_operations_are_drawn_each_for_itself() -> None:
    """albumentations' own seeding gives all operations the same numbers: both or none."""
    augment = augmentation({"name": "HorizontalFlip", "p": 0.5}, {"name": "InvertImg", "p": 0.5})
    outcomes = {
        (flipped, inverted): (255 - image if inverted else image)
        for flipped, image in ((False, IMAGE), (True, IMAGE[:, ::-1]))
        for inverted in (False, True)
    }
    counts = dict.fromkeys(outcomes, 0)
    for seed in range(400):
        seen = augment(IMAGE, seed)
        (outcome,) = (o for o, image in outcomes.items() if np.array_equal(seen, image))
        counts[outcome] += 1
    assert all(70 <= count <= 130 for count in counts.values()), counts  # 100 ± 3.5 sd


@pytest.mark.parametrize(
    ("operations", "told"),
    [
        ([{"name": "HorizontalFlp"}], "did you mean HorizontalFlip?"),
        ([{"name": "HorizontalFlip", "q": 1}], "HorizontalFlip has no q"),
        ([{"p": 1}], "an operation needs a name"),
        ([{"name": "Affine", "scale": "x"}], "Affine refuses its arguments"),
        ([{"name": "Resize", "height": 3, "width": 3}], "keep size and type"),
        ([{"name": "Normalize"}], "keep size and type"),
    ],
)
def test_a_wrong_operation_is_told_by_its_place(operations: list[dict], told: str) -> None:
    with pytest.raises(InputError, match=r"augmentation\.operations") as refusal:
        Augmentation("augmentation.operations", operations, SHAPE)
    assert told in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_random_operation_in_evaluation_is_refused() -> None:
    with pytest.raises(InputError, match="a random operation"):
        fixed_augmentation("augmentation.evaluation", FLIPS, SHAPE)
    fixed_augmentation("augmentation.evaluation", [{"name": "HorizontalFlip", "p": 1.0}], SHAPE)
