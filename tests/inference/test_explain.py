"""Maps mark what a network uses: removing it first makes the prediction fall fastest."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fashion_exp.data.geometry import Geometry
from fashion_exp.errors import InputError
from fashion_exp.inference.explain import (
    METHODS,
    STEPS,
    QuickMaps,
    Source,
    _removed,
    compare_with_control,
    explain,
)
from fashion_exp.models.classifier import Classifier

SIZE, CELL = 64, 8


class Brightest(nn.Module):
    """The means of the cells, by channel: red speaks for class 0, green for class 1."""

    num_features = 3

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(images, CELL)


@dataclass
class FakeRun:
    """What `explain` needs of a run, with two equal models of known weights."""

    shares_backbone: bool
    classes: tuple[str, ...] = ("red", "green")
    model_names: tuple[str, ...] = ("r0f0", "r1f0")
    plan: Any = field(
        default_factory=lambda: SimpleNamespace(
            test_views="none", networks=[SimpleNamespace(size=SIZE, channels=3)]
        )
    )
    geometry: Any = field(default_factory=lambda: Geometry(SIZE, "crop", "bilinear", 3))
    config: Any = field(default_factory=lambda: SimpleNamespace(model=SimpleNamespace(head="own")))

    def model(self, name: str) -> Classifier:
        model = Classifier(Brightest(), True, "avg", (0.0,) * 3, (1 / 255,) * 3)
        model.head = nn.Linear(3, 2)
        weights = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]])
        model.head.load_state_dict({"weight": weights, "bias": torch.zeros(2)})
        return model.eval()

    def preprocess(self, image: np.ndarray) -> np.ndarray:
        return image

    def read(self, source: str | bytes) -> np.ndarray:
        raise AssertionError("the photos of these tests are in memory")


def photo(seed: int) -> np.ndarray:
    """Gray noise with a red square of 2 × 2 cells in a random place."""
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 110, (SIZE, SIZE, 1)).repeat(3, axis=2).astype(np.uint8)
    row, column = CELL * rng.integers(0, SIZE // CELL - 1, 2)
    image[row : row + 2 * CELL, column : column + 2 * CELL, 0] += 60
    return image


def sources(count: int) -> list[Source]:
    return [Source(f"{seed}.png", photo(seed), "red") for seed in range(count)]


def run(shares_backbone: bool = True) -> Any:
    return FakeRun(shares_backbone)


@pytest.mark.parametrize("shares_backbone", [True, False])
def test_maps_beat_random_cells_and_other_photos(shares_backbone: bool) -> None:
    result = list(explain(run(shares_backbone), sources(12)))
    assert {item.predicted for item in result} == {"red"}
    for method in METHODS:
        for control in ("random", "other photo"):
            interval = compare_with_control(result, method, control)
            assert interval.low is not None and interval.low > 0
            assert interval.n == (12 if control == "random" else 11)


def test_map_is_highest_at_the_object() -> None:
    image = photo(3)
    (item,) = explain(run(), [Source("x", image)], check=False)
    by_cell = (
        image[..., 0].astype(float).reshape(8, CELL, 8, CELL).mean((1, 3)) - image[..., 1].mean()
    )
    assert item.maps["activation"].shape == (8, 8)
    marked = item.maps["activation"] > item.maps["activation"].max() / 2
    assert (marked == (by_cell > 30)).all() and marked.sum() == 4
    assert not item.curves


def test_curves_begin_at_the_prediction_and_end_at_the_same_gray() -> None:
    for item in explain(run(), sources(3)):
        starts = {round(float(curve[0]), 6) for curve in item.curves.values()}
        ends = {round(float(curve[-1]), 6) for curve in item.curves.values()}
        assert starts == {round(item.probability, 6)} and len(ends) == 1
        assert {len(curve) for curve in item.curves.values()} == {STEPS + 1}


def test_highest_cells_are_removed_first() -> None:
    image = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    values = np.zeros((2, 5))
    values[1, 3] = 1
    first, *_, last = _removed(image, values)
    gone = (first != image).any(axis=2)
    assert gone[8:, 10:12].all() and not gone[:8].any() and not gone[:, :9].any()
    assert (last == last[0, 0]).all()


def test_explains_the_class_that_is_asked_for_and_the_true_one() -> None:
    image = photo(1)
    (red,) = explain(run(), [Source("x", image, "green")], check=False)
    (green,) = explain(run(), [Source("x", image)], class_name="green", check=False)
    assert red.explained == "red" and green.explained == "green" and green.predicted == "red"
    assert red.label_map is not None
    assert np.allclose(red.label_map, green.maps["activation"])
    assert np.allclose(green.maps["activation"], -red.maps["activation"])
    assert red.probability == pytest.approx(1 - green.probability, abs=1e-5)


def test_heatmap_is_a_picture_of_the_photo() -> None:
    picture = Image.open(io.BytesIO(QuickMaps(run()).png(photo(2))))
    assert picture.format == "PNG" and picture.size == (256, 256)
    changed = np.abs(np.asarray(picture.resize((SIZE, SIZE))).astype(int) - photo(2)).sum(axis=2)
    (row, column), _ = np.argwhere(photo(2)[..., 0] > 140)[[0, -1]]
    assert changed[row + CELL, column + CELL] > 20 * np.median(changed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_name": "gren"}, "did you mean green"),
        ({"methods": ["oclusion"]}, "did you mean occlusion"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        next(explain(run(), sources(1), **options))
