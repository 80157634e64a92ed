"""The exported program equals Pillow's resizing and the ensemble of the models."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from fashion_exp.data.geometry import Geometry, resize
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.program import Program, Resize

SIZES = [(24, 32), (33, 24), (7, 50), (16, 16), (1, 1), (100, 5), (16, 40), (29, 16), (61, 47)]


@pytest.mark.parametrize(
    ("fit", "interpolation"),
    [*product(("crop", "pad", "stretch"), ("bilinear", "bicubic", "lanczos"))],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_equals_pillow(fit: str, interpolation: str, channels: int) -> None:
    rng = np.random.default_rng(0)
    program = Resize(16, fit, interpolation, channels)
    for shape in SIZES:
        photo = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        expected = resize(photo, Geometry(16, fit, interpolation, channels))
        (given,) = program(torch.from_numpy(photo)[None]).numpy()
        assert np.array_equal(given, expected), shape


def test_padded_size_equals_pillow_where_it_ends_in_a_half() -> None:
    """6 * (7 / 12) is 3.5, which rounds up; 6 * (7 * (1 / 12)) is less."""
    photo = np.random.default_rng(0).integers(0, 256, (6, 12, 3), dtype=np.uint8)
    (given,) = Resize(7, "pad", "bicubic", 3)(torch.from_numpy(photo)[None]).numpy()
    assert np.array_equal(given, resize(photo, Geometry(7, "pad", "bicubic", 3)))


class TinyNetwork(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.convolution = nn.Conv2d(3, 4, 3)
        self.num_features = 4

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.convolution(images)


def tiny_classifier(seed: int, head_seed: int) -> Classifier:
    model = Classifier(TinyNetwork(seed), True, "avg", (0.5,) * 3, (0.5,) * 3)
    torch.manual_seed(head_seed)
    model.head = nn.Linear(4, 3)
    return model.eval()


@pytest.mark.parametrize("other_seed", [0, 1])
def test_program_is_the_mean_of_calibrated_models(other_seed: int) -> None:
    models = [tiny_classifier(0, 0), tiny_classifier(other_seed, 7)]
    program = Program(models, (2.0, 0.5), nn.Identity()).eval()
    photos = torch.randint(0, 256, (5, 8, 8, 3), dtype=torch.uint8)
    probabilities, by_model, features = program(photos)
    logits = [model(photos.permute(0, 3, 1, 2)) for model in models]
    expected = ((logits[0] / 2).softmax(1) + (logits[1] / 0.5).softmax(1)) / 2
    assert torch.allclose(probabilities, expected, atol=1e-6)
    assert torch.allclose(by_model, torch.stack([x.softmax(1) for x in logits]), atol=1e-6)
    assert features.shape == ((5, 4) if other_seed == 0 else (5, 0))
