"""Test-time views: probabilities averaged over views of a photo, whose features are stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fashion_exp.inference.predict import predict
from fashion_exp.models.views import View, ViewMean, photo_size, views_of
from tests.backbone_runs import SIZES, RunTiny, load, options

pytestmark = pytest.mark.slow


def test_five_crops_are_the_corners_and_the_middle() -> None:
    assert photo_size("five_crops", 224) == 256
    photo = np.arange(256 * 256 * 3).reshape(256, 256, 3)
    crops = [view.of_image(photo) for view in views_of("five_crops", 224)]
    assert [tuple(crop[0, 0] // 3) for crop in crops] == [
        (row * 256 + column,) * 3 for row, column in ((0, 0), (0, 32), (32, 0), (32, 32), (16, 16))
    ]
    assert {crop.shape for crop in crops} == {(224, 224, 3)}


def test_view_of_an_image_is_that_of_a_batch() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    batch = torch.from_numpy(image).permute(2, 0, 1)[None]
    for view in (View(0, 0, 9), View(0, 0, 9, mirrored=True), View(1, 2, 5)):
        expected = torch.from_numpy(view.of_image(image)).permute(2, 0, 1)[None]
        assert torch.equal(view.of_batch(batch), expected)


def test_view_mean_averages_probabilities() -> None:
    head, features = torch.nn.Linear(4, 3), torch.randn(6, 8)
    expected = (head(features[:, :4]).softmax(1) + head(features[:, 4:]).softmax(1)) / 2
    assert torch.allclose(ViewMean(head, 2)(features).softmax(1), expected, atol=1e-6)


@pytest.mark.parametrize("views", ["flip", "five_crops"])
def test_prediction_equals_the_stored_evaluation_with_views(
    tiny: RunTiny,
    backbone_files: dict[str, Path],
    photos: Path,
    views: str,
) -> None:
    made = tiny(*options(backbone_files, *SIZES), f"model.test_views={views}")
    run = load(made)
    stored = made.predictions("test").set_index("path")
    columns = [f"p_{name}" for name in run.classes]
    paths = [str(photos / path) for path in stored.index]
    (table,) = predict(run, paths, coverage=None)
    assert np.array_equal(table[columns].to_numpy(), stored[columns].to_numpy())


def test_training_is_as_without_views_whose_features_are_added(
    tiny: RunTiny,
    backbone_files: dict[str, Path],
) -> None:
    """The plain view of a flip is the plain photo, and is not computed again."""
    plain = tiny(*options(backbone_files, *SIZES))
    flipped = tiny(*options(backbone_files, *SIZES), "model.test_views=flip")
    assert flipped.facts["features"] == "144 of 288 from cache"
    again = tiny(*options(backbone_files, *SIZES), "model.test_views=flip")
    assert again.facts["features"] == "288 of 288 from cache"
    losses = [run.history.query("part == 'train'")["loss"].tolist() for run in (plain, flipped)]
    assert losses[0] == losses[1]
    answers = [run.predictions("test")["p_dress"].tolist() for run in (plain, flipped)]
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    "overrides",
    [
        ("model.test_views=flip",),
        ("model=timm", "model.name=test_resnet", "model.weights=none", "model.freeze=backbone",
         "model.test_views=flip", "augmentation=light", "augmentation.on_frozen=apply"),
    ],
)  # fmt: skip
def test_views_are_refused_without_stored_features(
    tiny: RunTiny, capsys: pytest.CaptureFixture[str], overrides: tuple[str, ...]
) -> None:
    with pytest.raises(AssertionError):
        tiny(*overrides)
    error = capsys.readouterr().err
    assert "model.test_views" in error and "set " in error and error.count("\n") == 1
