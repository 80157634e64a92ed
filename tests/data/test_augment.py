"""Augmentation: reproducible by seed, independent operations, errors that name the operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fashion_exp.data.augment import Augmentation, deterministic_augmentation
from fashion_exp.errors import InputError

SHAPE = (16, 16, 3)
IMAGE = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
FLIP_AND_ROTATE = [
    {"name": "HorizontalFlip", "p": 0.5},
    {"name": "Affine", "rotate": [-20, 20], "p": 1.0},
]


def test_result_depends_only_on_seed() -> None:
    augment = Augmentation("operations", FLIP_AND_ROTATE, SHAPE)
    first = [augment(IMAGE, seed) for seed in range(4)]
    again = [augment(IMAGE, seed) for seed in (3, 2, 1, 0)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])


def test_operations_draw_independent_random_numbers() -> None:
    """With albumentations' own seeding, all operations of a list draw the same numbers."""
    operations = [{"name": "HorizontalFlip", "p": 0.5}, {"name": "InvertImg", "p": 0.5}]
    augment = Augmentation("operations", operations, SHAPE)
    flipped = IMAGE[:, ::-1]
    outcomes = [IMAGE, 255 - IMAGE, flipped, 255 - flipped]
    counts = [0] * 4
    for seed in range(400):
        image = augment(IMAGE, seed)
        (outcome,) = (i for i, expected in enumerate(outcomes) if np.array_equal(image, expected))
        counts[outcome] += 1
    assert all(70 <= count <= 130 for count in counts), counts  # 100 ± 3.5 sd


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ([{"name": "HorizontalFlp"}], "did you mean HorizontalFlip?"),
        ([{"name": "HorizontalFlip", "q": 1}], "HorizontalFlip has no argument q"),
        ([{"p": 1}], "an operation needs a name"),
        ([{"name": "Affine", "scale": "x"}], "Affine rejects its arguments"),
        ([{"name": "Resize", "height": 3, "width": 3}], "keep size and type"),
        ([{"name": "Normalize"}], "keep size and type"),
        ([{"name": "Lambda"}], "Lambda changes no image here"),
        ([{"name": "DualTransform"}], "DualTransform changes no image here"),
    ],
)
def test_rejects_invalid_operation(operations: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InputError, match=r"augmentation\.operations") as error:
        Augmentation("augmentation.operations", operations, SHAPE)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_rejects_random_operation_in_evaluation() -> None:
    with pytest.raises(InputError, match="a random operation"):
        deterministic_augmentation("augmentation.evaluation", FLIP_AND_ROTATE, SHAPE)
    deterministic_augmentation("evaluation", [{"name": "HorizontalFlip", "p": 1.0}], SHAPE)
