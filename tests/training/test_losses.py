"""The losses equal those of torch and timm where these have them, and their weights are counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.loss import BinaryCrossEntropy
from torch.nn import functional as F

from fashion_exp.training.losses import Criterion

CLASSES = 3
LOGITS = torch.randn(12, CLASSES, generator=torch.Generator().manual_seed(0)) * 3
LABELS = torch.arange(12) % CLASSES
SHARES = torch.rand(12, CLASSES, generator=torch.Generator().manual_seed(1))
SHARES /= SHARES.sum(1, keepdim=True)
WEIGHTS = torch.tensor([1.0, 5.0, 0.3])
LOSSES: dict[str, dict[str, Any]] = {
    "cross_entropy": {}, "focal": {"gamma": 1.5}, "bce": {}
}  # fmt: skip
each_loss = pytest.mark.parametrize("name", LOSSES)


def loss_and_gradient(criterion: torch.nn.Module, targets: torch.Tensor) -> list[torch.Tensor]:
    logits = LOGITS.clone().requires_grad_()
    loss = criterion(logits, targets)
    return [loss, *torch.autograd.grad(loss, logits)]


def are_close(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.allclose(a, b, atol=1e-6) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("targets", [LABELS, SHARES], ids=["classes", "shares"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_equals_that_of_torch(targets: torch.Tensor, smoothing: float) -> None:
    theirs = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)
    ours = Criterion("cross_entropy", label_smoothing=smoothing)
    assert are_close(loss_and_gradient(ours, targets), loss_and_gradient(theirs, targets))


@pytest.mark.parametrize("targets", [LABELS, SHARES], ids=["classes", "shares"])
def test_focal_loss_with_gamma_0_is_cross_entropy(targets: torch.Tensor) -> None:
    options: dict[str, Any] = {"weight": WEIGHTS, "label_smoothing": 0.1}
    focal, plain = Criterion("focal", gamma=0, **options), Criterion("cross_entropy", **options)
    assert are_close(loss_and_gradient(focal, targets), loss_and_gradient(plain, targets))


def test_focal_loss_weighs_each_image_by_its_probability() -> None:
    probabilities = LOGITS.softmax(1)[torch.arange(12), LABELS]
    expected = -((1 - probabilities) ** 2 * probabilities.log()).mean()
    assert Criterion("focal")(LOGITS, LABELS) == pytest.approx(float(expected))


def test_focal_loss_of_a_certain_image_has_a_finite_gradient() -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    Criterion("focal", gamma=0.5)(logits, torch.tensor([0])).backward()
    assert logits.grad is not None and logits.grad.isfinite().all()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_bce_equals_that_of_timm(smoothing: float) -> None:
    theirs = BinaryCrossEntropy(smoothing=smoothing, sum_classes=True)
    ours = Criterion("bce", label_smoothing=smoothing)
    assert are_close(loss_and_gradient(ours, LABELS), loss_and_gradient(theirs, LABELS))
    logits = LOGITS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(Criterion("bce")(logits, SHARES), logits)
    assert torch.allclose(gradient, (LOGITS.sigmoid() - SHARES) / 12, atol=1e-6)


@each_loss
def test_shares_of_one_class_equal_the_class(name: str) -> None:
    criterion = Criterion(name, WEIGHTS, 0.1, **LOSSES[name])
    one_hot = F.one_hot(LABELS, CLASSES).float()
    assert are_close(loss_and_gradient(criterion, LABELS), loss_and_gradient(criterion, one_hot))


@each_loss
def test_autocast_does_not_round_the_loss(name: str) -> None:
    criterion = Criterion(name, WEIGHTS, **LOSSES[name])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = criterion(LOGITS, SHARES)
    assert float(loss) == pytest.approx(float(criterion(LOGITS, SHARES)), rel=1e-6)


@each_loss
def test_weight_of_a_class_counts_its_images_so_often(name: str) -> None:
    weighted = Criterion(name, torch.tensor([1.0, 2.0, 1.0]), **LOSSES[name])(LOGITS, LABELS)
    twice = torch.cat([torch.arange(12), torch.nonzero(LABELS == 1)[:, 0]])
    repeated = Criterion(name, **LOSSES[name])(LOGITS[twice], LABELS[twice])
    assert float(weighted) == pytest.approx(float(repeated), rel=1e-6)


@each_loss
def test_loss_is_linear_in_the_shares_of_mixed_images(name: str) -> None:
    """So the loss of a mixture is the mixture of the losses, as mixup defines it."""
    criterion = Criterion(name, label_smoothing=0.1, **LOSSES[name])
    one_hot = F.one_hot(LABELS, CLASSES).float()
    mixed = criterion(LOGITS, 0.3 * one_hot + 0.7 * one_hot.roll(1, 0))
    parts = 0.3 * criterion(LOGITS, LABELS) + 0.7 * criterion(LOGITS, LABELS.roll(1))
    assert float(mixed) == pytest.approx(float(parts), rel=1e-5)
