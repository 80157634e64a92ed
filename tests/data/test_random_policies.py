"""Random policies give what torchvision's classes give, with the random numbers of the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from fashion_exp.data.augment import Augmentation
from fashion_exp.data.random_policies import _OPERATIONS, RANDOM_POLICIES
from fashion_exp.errors import InputError

SHAPE = (40, 40, 3)
IMAGE = (
    np.random.default_rng(0).integers(0, 256, (5, 5, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
)


class Draws:
    """Stands for the image's random numbers: gives the draws of torchvision after a seed."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)

    def choice(self, options: tuple[Any, ...]) -> Any:
        if len(options) == 2:
            return -1 if torch.rand(()) <= 0.5 else 1
        return options[int(torch.randint(len(options), ()))]

    def randrange(self, count: int) -> int:
        return int(torch.randint(count, ()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", RANDOM_POLICIES)
def test_images_equal_those_of_torchvision(name: str, channels: int) -> None:
    ours: Any = RANDOM_POLICIES[name](fill=7)
    theirs = getattr(v2, name)(fill=7)
    pixels = IMAGE[..., :channels]
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    drawn = set()
    for seed in range(200):
        ours.py_random = Draws(seed)
        params = ours.get_params_dependent_on_data({"shape": SHAPE}, {})
        drawn |= {operation for operation, _ in params["drawn"]}
        torch.manual_seed(seed)
        expected = np.asarray(theirs(image)).reshape(pixels.shape)
        assert np.array_equal(ours.apply(pixels, **params), expected), (seed, params)
    assert drawn == set(_OPERATIONS)


@pytest.mark.parametrize("name", RANDOM_POLICIES)
def test_image_depends_on_its_seed_and_not_on_the_random_numbers_of_dropout(name: str) -> None:
    augment = Augmentation("operations", [{"name": name}], SHAPE)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    views = [augment(IMAGE, seed) for seed in range(30)]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    again = [augment(IMAGE, seed) for seed in reversed(range(30))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(views, again, strict=True))
    assert len({view.tobytes() for view in views}) > 15


def test_erasing_replaces_a_rectangle_by_noise() -> None:
    white = np.full(SHAPE, 255, np.uint8)
    augment = Augmentation("operations", [{"name": "Erasing", "fill": "random", "p": 1.0}], SHAPE)
    views = [augment(white, seed) for seed in range(20)]
    shares = [(view != 255).any(2).mean() for view in views]
    assert all(0.01 <= share <= 0.34 for share in shares) and len(set(shares)) > 10
    assert np.array_equal(augment(white, 3), views[3])


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"name": "TrivialAugment"}, "did you mean TrivialAugmentWide?"),
        ({"name": "RandAugment", "magnitude": 31}, "magnitude must be below num_magnitude_bins=31"),
        ({"name": "RandAugment", "num_ops": 0}, "greater than or equal to 1"),
        ({"name": "TrivialAugmentWide", "fill": 300}, "less than or equal to 255"),
        ({"name": "TrivialAugmentWide", "magnitude": 3}, "has no argument magnitude"),
    ],
)
def test_mistakes_are_refused(operation: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        Augmentation("operations", [operation], SHAPE)
    assert message in str(error.value) and "\n" not in str(error.value)
