"""Mixup and CutMix equal torchvision's, and depend on seed, epoch and batch alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torchvision.transforms import v2

from fashion_exp.data.batches import TrainingFeatures, TrainingImages, oversample
from fashion_exp.data.mixing import Mix, Mixing
from fashion_exp.training.process_group import ProcessGroup

SIZE, CLASSES = 16, 3
IMAGES = np.random.default_rng(0).integers(0, 256, (11, SIZE, SIZE, 3), dtype=np.uint8)
LABELS = np.arange(11) % CLASSES
BATCH = torch.from_numpy(IMAGES).permute(0, 3, 1, 2)
TARGETS = torch.from_numpy(LABELS)


def mixing(mixup: float, cutmix: float, seed: int = 0) -> Mixing:
    return Mixing(CLASSES, SIZE, mixup, cutmix, seed)


def mix_batch(mix: Mix) -> tuple[torch.Tensor, torch.Tensor]:
    return mix.inputs(BATCH, BATCH.roll(1, 0)), mix.targets(TARGETS)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_mixup_equals_that_of_torchvision(share: float) -> None:
    theirs, params = v2.MixUp(num_classes=CLASSES), {"labels": TARGETS, "lam": share}
    images, targets = mix_batch(Mix(CLASSES, share))
    expected = theirs.transform(BATCH.float(), params | {"batch_size": len(BATCH)})
    assert torch.allclose(images.float(), expected, atol=0.5 + 1e-3) and images.dtype == torch.uint8
    assert torch.allclose(targets, theirs.transform(TARGETS, params), atol=1e-6)


@pytest.mark.parametrize("number", range(5))
def test_cutmix_equals_that_of_torchvision(number: int) -> None:
    mix = mixing(0, 1).draw(0, number)
    assert mix.box is not None
    top, bottom, left, right = mix.box
    params: dict[str, Any] = {"labels": TARGETS, "batch_size": len(BATCH)}
    params |= {"box": (left, top, right, bottom), "lam_adjusted": mix.share}
    theirs = v2.CutMix(num_classes=CLASSES)
    images, targets = mix_batch(mix)
    assert torch.equal(images, theirs.transform(BATCH, params))
    assert torch.allclose(targets, theirs.transform(TARGETS, params), atol=1e-6)


@given(st.integers(0, 500), st.floats(0.1, 10))
def test_area_of_the_box_is_the_share_of_the_partner(number: int, alpha: float) -> None:
    mix = mixing(0, alpha).draw(0, number)
    assert mix.box is not None
    own, partner = torch.zeros(1, 1, SIZE, SIZE), torch.ones(1, 1, SIZE, SIZE)
    assert float(mix.inputs(own, partner).mean()) == pytest.approx(1 - mix.share)
    assert float(mix.targets(torch.tensor([0, 1]))[0, 1]) == pytest.approx(1 - mix.share)


def test_share_of_1_changes_nothing() -> None:
    images, targets = mix_batch(Mix(CLASSES, 1.0))
    assert torch.equal(images, BATCH) and torch.equal(targets, F.one_hot(TARGETS, CLASSES).float())


def test_shares_have_the_distribution_of_the_paper() -> None:
    """Beta(a, a) has mean 1/2 and variance 1 / (8a + 4)."""
    for alpha in (0.2, 1.0):
        shares = [mixing(alpha, 0).draw(epoch, 0).share for epoch in range(2000)]
        assert np.mean(shares) == pytest.approx(0.5, abs=0.04)
        assert np.var(shares) == pytest.approx(1 / (8 * alpha + 4), rel=0.1)


def test_with_both_half_of_the_batches_have_either() -> None:
    cuts = [mixing(1, 1).draw(0, number).box is not None for number in range(1000)]
    assert 440 <= sum(cuts) <= 560


def test_tiny_alpha_hardly_mixes() -> None:
    shares = [mixing(1e-6, 0).draw(0, number).share for number in range(200)]
    assert all(min(share, 1 - share) < 1e-3 for share in shares)


def read_epoch(mixed: Mixing, workers: int, group: ProcessGroup, epoch: int = 1) -> list[Any]:
    batches = TrainingImages(
        np.arange(11), LABELS, oversample(LABELS, None), lambda view: IMAGES[view[1]], 4, 0,
        workers, group.shard, mixing=mixed,
    )  # fmt: skip
    return list(batches.epoch(epoch))


@pytest.mark.parametrize("alphas", [(1, 0), (0, 1), (1, 1)])
def test_epoch_depends_neither_on_workers_nor_on_dropout(alphas: tuple[float, float]) -> None:
    mixed = mixing(*alphas)
    torch.manual_seed(0)
    plain = read_epoch(mixed, 0, ProcessGroup())
    torch.manual_seed(1)
    for first_epoch, other in zip(plain, read_epoch(mixed, 2, ProcessGroup()), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(first_epoch, other, strict=True))
    others = [read_epoch(mixing(*alphas, seed=1), 0, ProcessGroup()),
              read_epoch(mixed, 0, ProcessGroup(), epoch=2)]  # fmt: skip
    assert all(not torch.equal(plain[0][0], other[0][0]) for other in others)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_processes_mix_what_one_does(size: int) -> None:
    """With shards of unequal size, and an empty one."""
    whole = read_epoch(mixing(1, 1), 0, ProcessGroup())
    groups = [ProcessGroup(rank, size) for rank in range(size)]
    for group, shards in [(group, read_epoch(mixing(1, 1), 0, group)) for group in groups]:
        for (images, targets), (shard, all_targets) in zip(whole, shards, strict=True):
            assert torch.equal(targets, all_targets)
            assert torch.equal(group.shard(images), shard)


def test_features_are_mixed_like_images() -> None:
    features = torch.randn(11, 5, generator=torch.Generator().manual_seed(0))
    batches = TrainingFeatures(
        np.arange(11), LABELS, oversample(LABELS, None), lambda rows, views: features[rows], 11, 0,
        mixing=mixing(1, 0),
    )  # fmt: skip
    ((inputs, targets),) = batches.epoch(0)
    plain = TrainingFeatures(
        np.arange(11), LABELS, oversample(LABELS, None), lambda rows, views: features[rows], 11, 0
    )
    ((own, labels),) = plain.epoch(0)
    share = mixing(1, 0).draw(0, 0).share
    assert torch.allclose(inputs, share * own + (1 - share) * own.roll(1, 0), atol=1e-6)
    assert targets.sum(1).tolist() == pytest.approx([1] * 11)
    assert torch.allclose(targets.gather(1, labels[:, None])[:, 0].min(), torch.tensor(share))
