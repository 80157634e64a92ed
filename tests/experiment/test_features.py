"""Features are the same bit for bit, however many of them were in the store before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.experiment.feature_store import (
    Features,
    FeatureSource,
    fill_store,
    gather_features,
)
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import plan_model
from fashion_exp.models.weights import find_weights
from fashion_exp.training.device import Compute
from fashion_exp.training.fit import extract_features
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), dtype=np.uint8)
NAMES = [f"i{number}" for number in range(70)]


def network(name: str) -> Classifier:
    options = ["model=timm", f"model.name={name}", "model.weights=none", "model.freeze=backbone"]
    cfg = parse_command_line([*options, "dataset.image_size=32"]).jobs[0]
    plan = plan_model(cfg.model, cfg.dataset, cfg.optim, find_weights(name, "none"), 32)
    return build_model(cfg.model, plan, 3, 0)


def features(
    cache: Path, rows: list[int], model: Classifier, precision: str = "fp32"
) -> tuple[Features, int]:
    names = [NAMES[row] for row in rows]
    source = FeatureSource(names, lambda i: IMAGES[rows[i]], {"precision": precision})
    compute = Compute(torch.device("cpu"), precision, 1)
    store, reused = fill_store(source, cache, model, compute, lambda total: lambda done: None)
    return gather_features(store, names, 1), reused


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "mobilenetv3_small_050"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_cold_partial_and_warm_stores_give_equal_bits(
    tmp_path: Path, name: str, precision: str
) -> None:
    """Whatever other images are in its batch, and at whatever position it is."""
    model = network(name)
    rows = list(range(70))
    cold, reused_cold = features(tmp_path / "cold", rows, model, precision)
    features(tmp_path / "half", rows[40:] + rows[3:10], model, precision)
    half, reused_half = features(tmp_path / "half", rows, model, precision)
    warm, reused_warm = features(tmp_path / "half", rows[::-1], model, precision)
    assert (reused_cold, reused_half, reused_warm) == (0, 37, 70)
    everything = np.arange(70)
    assert torch.equal(cold(everything), half(everything))
    assert torch.equal(cold(everything), warm(everything[::-1].copy()))


def test_features_are_stored_in_the_type_of_the_network_output(tmp_path: Path) -> None:
    model = network("test_resnet")
    stored, _ = features(tmp_path, [0, 1], model, "bf16")
    images = torch.from_numpy(np.concatenate([IMAGES[:2], np.zeros_like(IMAGES[:30])]))
    compute = Compute(torch.device("cpu"), "bf16", 1)
    direct = extract_features(model, images.permute(0, 3, 1, 2), compute)
    assert str(stored.dtype) == str(direct.dtype)
    assert torch.equal(stored(np.array([1, 0])), direct[[1, 0]].float())


def test_network_with_dependent_rows_gets_one_image_per_batch(
    tmp_path: Path,
) -> None:
    class BatchDependent(Classifier):
        def features(self, images: torch.Tensor) -> torch.Tensor:
            means = images.float().mean((2, 3))
            return means + means.mean(0) * 1e-3

    model = network("test_resnet")
    model.__class__ = BatchDependent
    cold, _ = features(tmp_path / "cold", list(range(70)), model)
    features(tmp_path / "half", [8, 9], model)
    half, _ = features(tmp_path / "half", list(range(70)), model)
    assert torch.equal(cold(np.arange(70)), half(np.arange(70)))


def test_damaged_feature_is_computed_again(tmp_path: Path) -> None:
    model = network("test_resnet")
    expected, _ = features(tmp_path, list(range(70)), model)
    before = expected(np.arange(70))
    (data,) = tmp_path.glob("features/*/records.bin")
    damaged = bytearray(data.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    data.write_bytes(damaged)
    repaired, reused = features(tmp_path, list(range(70)), model)
    assert reused == 69 and torch.equal(repaired(np.arange(70)), before)


FROZEN = ("model=timm", "model.name=test_resnet", "model.weights=none", "model.freeze=backbone",
          "dataset.image_size=32", "training.precision=fp32", "optim.lr=1e-2")  # fmt: skip
NO_OPERATION = "augmentation.operations=[{name: HorizontalFlip, p: 0.0}]"


def test_training_on_stored_features_equals_training_the_whole_network(
    tiny: Callable[..., TinyRun],
) -> None:
    """To 1e-4 of the loss, as other batch sizes use other kernels."""
    stored = tiny(*FROZEN).history
    whole = tiny(*FROZEN, "augmentation.on_frozen=apply", NO_OPERATION).history
    assert whole["loss"].to_numpy() == pytest.approx(stored["loss"].to_numpy(), rel=1e-4)


def test_partly_trained_backbone_has_no_stored_features(
    tiny: Callable[..., TinyRun], tmp_path: Path
) -> None:
    tiny(*FROZEN, "model.freeze=layer2")
    assert not list((tmp_path / "outputs" / "cache").glob("features/*"))


VIEWS = (*FROZEN, "augmentation.on_frozen=views")


def test_views_are_used_in_turn_and_reused(tiny: Callable[..., TinyRun]) -> None:
    """With a learning rate near 0 the loss of an epoch depends on its view only."""
    constant = ("optim.lr=1e-12", "training.epochs=4", "model.dropout=0")
    run = tiny(*VIEWS, *constant, "augmentation.views=2")
    train = run.history[run.history["part"] == "train"]["loss"].to_numpy()
    assert train[:2] == pytest.approx(train[2:], rel=1e-5) and train[0] != train[1]
    assert run.facts["views"] == "0 of 144 from cache"
    again = tiny(*VIEWS, *constant, "augmentation.views=2")
    assert again.facts["views"] == "144 of 144 from cache"
    assert again.text("history.csv") == run.text("history.csv")
    more = tiny(*VIEWS, *constant, "augmentation.views=3")
    assert more.facts["views"] == "144 of 216 from cache"


def test_views_are_features_of_augmented_images_and_evaluation_is_plain(
    tiny: Callable[..., TinyRun],
) -> None:
    flipped = "augmentation.operations=[{name: HorizontalFlip, p: 1.0}]"
    options = (*VIEWS, "augmentation.views=1", "model.dropout=0")
    stored = tiny(*options, flipped).history
    online = tiny(*FROZEN, "model.dropout=0", "augmentation.on_frozen=apply", flipped).history
    assert stored["loss"].to_numpy() == pytest.approx(online["loss"].to_numpy(), rel=1e-4)
    assert stored["loss"][0] != tiny(*FROZEN, "model.dropout=0").history["loss"][0]


def test_folds_with_different_random_backbones_have_separate_features(
    tiny: Callable[..., TinyRun],
) -> None:
    assert tiny(*FROZEN, "repeats=2").facts["features"] == "0 of 144 from cache"
    assert tiny(*FROZEN, "repeats=3").facts["features"] == "144 of 216 from cache"
    assert tiny(*FROZEN, "optim.lr=1e-3").facts["features"] == "72 of 72 from cache"
