"""Activation maps divide a score among the places of an image, for networks of any layout."""

from __future__ import annotations

from dataclasses import replace

import pytest
import timm
import torch
from torch import nn

from fashion_exp.errors import InputError
from fashion_exp.models.activation_map import activation_maps, cell_offset
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.plan import ModelPlan
from fashion_exp.models.side_by_side import SideBySide
from fashion_exp.models.weights import Weights

MEAN, STD = (0.0,) * 3, (1 / 255,) * 3


class Patches(nn.Module):
    """Means of the 4 × 4 cells of a 32 px image, by channel."""

    num_features = 3

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(images, 8)


def classifier(network: nn.Module, width: int, pool: str = "avg", new: bool = True) -> Classifier:
    torch.manual_seed(0)
    model = Classifier(network, new, pool, MEAN, STD)
    model.head = nn.Linear(width, 4)
    return model.eval()


@pytest.mark.parametrize(("pool", "width"), [("avg", 3), ("flatten", 48)])
def test_map_of_a_linear_head_sums_to_the_score(pool: str, width: int) -> None:
    model = classifier(Patches(), width, pool)
    nn.init.zeros_(model.head.bias)  # type: ignore[arg-type]
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    classes = torch.tensor([0, 1, 2, 3, 0])
    (maps,) = activation_maps(model, images, classes)
    logits = model(images)
    scores = logits.gather(1, classes[:, None])[:, 0] - logits.mean(1)
    assert maps.shape == (5, 4, 4)
    torch.testing.assert_close(maps.sum((1, 2)), scores, rtol=1e-4, atol=1e-4)


def test_maps_of_backbones_side_by_side_sum_to_the_score() -> None:
    """Each on its own grid, of an image in a size of its own."""
    sizes = (32, 48)
    weights = Weights("none", None, "", None)
    plans = [ModelPlan(weights, "backbone", size, 3, MEAN, STD, "bilinear") for size in sizes]
    alone = [classifier(Patches(), 3) for _ in sizes]
    model = SideBySide(alone, replace(plans[0], beside=(plans[1],))).eval()
    model.head = nn.Linear(6, 4, bias=False)
    images = torch.randint(0, 256, (2, 3, 1, 32**2 + 48**2), dtype=torch.uint8)
    classes = torch.tensor([3, 1])
    maps = activation_maps(model, images, classes)
    assert [map.shape for map in maps] == [(2, 4, 4), (2, 6, 6)]
    logits = model(images)
    scores = logits.gather(1, classes[:, None])[:, 0] - logits.mean(1)
    sums = sum(map.sum((1, 2)) for map in maps)
    torch.testing.assert_close(sums, scores, rtol=1e-4, atol=1e-4)


def test_only_the_cell_with_content_contributes() -> None:
    model = classifier(Patches(), 3)
    images = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    images[:, :, 8:16, 24:] = 200
    ((contributions,),) = activation_maps(model, images, model(images).argmax(1))
    assert contributions[1, 3] > 0 and contributions.count_nonzero() == 1


def test_what_is_added_to_all_logits_changes_no_map() -> None:
    model = classifier(Patches(), 3)
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    (before,) = activation_maps(model, images, torch.tensor([1, 2]))
    with torch.no_grad():
        model.head.weight += torch.tensor([5.0, -3.0, 1.0])  # type: ignore[operator]
    (after,) = activation_maps(model, images, torch.tensor([1, 2]))
    torch.testing.assert_close(after, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("test_resnet", (5, 5)),
        ("test_convnext", (5, 5)),
        ("test_mambaout", (5, 5)),  # channels last
        ("test_vit", (10, 10)),  # class token
        ("test_vit3", (10, 10)),
        ("test_vit4", (10, 10)),  # registers
    ],
)
def test_networks_of_timm_have_maps(name: str, grid: tuple[int, int]) -> None:
    network = timm.create_model(name, num_classes=0)
    images = torch.randint(0, 256, (2, 3, 160, 160), dtype=torch.uint8)
    probe = Classifier(network, False, "avg", MEAN, STD).eval()
    model = classifier(network, probe.features(images).shape[1], new=False)
    for parameter in network.parameters():
        parameter.requires_grad = False  # as in a frozen backbone
    before = model(images)
    (maps,) = activation_maps(model, images, torch.tensor([0, 1]))
    assert maps.shape == (2, *grid)
    assert maps.isfinite().all() and maps.flatten(1).any(1).all()
    assert torch.equal(model(images), before), "no hook is left"


def test_features_without_places_are_refused() -> None:
    network = Patches()
    network.forward_features = lambda images: images.mean((2, 3))  # type: ignore[method-assign]
    with pytest.raises(InputError, match="no class activation map"):
        activation_maps(classifier(network, 3), torch.zeros(1, 3, 32, 32), torch.tensor([0]))


@pytest.mark.parametrize("down", [-3, 0, 5])
def test_offset_is_where_the_content_of_a_cell_lies(down: int) -> None:
    network = Patches()
    cells = network.forward_features
    network.forward_features = lambda images: cells(images.roll(-down, 2))  # type: ignore[method-assign]
    result = cell_offset(classifier(network, 3), 32, 3)
    assert result == pytest.approx((down / 8, 0), abs=0.02)


def test_strides_of_two_move_the_content_by_half_a_cell() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(*(nn.Conv2d(3, 3, 3, stride=2, padding=1) for _ in range(4)))
    network.forward_features, network.num_features = network.forward, 3  # type: ignore[assignment]
    down, right = cell_offset(classifier(network, 3), 128, 3)
    assert down == pytest.approx(-0.5, abs=0.1) and right == pytest.approx(-0.5, abs=0.1)
