"""Mixup and CutMix: each input of a batch is mixed with another one, and so is its target."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from fashion_exp.seeding import derive_seed

Box = tuple[int, int, int, int]
"""Top, bottom, left and right, px."""


@dataclass(frozen=True)
class Mix:
    """How one batch is mixed. The partner of an input is the one before it, of the first the last.

    Equal to torchvision's MixUp and CutMix with the same numbers; those draw them from PyTorch's
    global random numbers, which dropout uses in another thread.
    """

    classes: int
    share: float
    """Of the input itself in its target; the rest is its partner's."""
    box: Box | None = None
    """The part of an image that its partner's replaces. None: inputs are averaged."""

    def inputs(self, own: torch.Tensor, partners: torch.Tensor) -> torch.Tensor:
        """Mixed images, (n, channels, size, size) uint8, or mixed features, (n, width) float."""
        if self.box is not None:
            top, bottom, left, right = self.box
            mixed = own.clone()
            mixed[..., top:bottom, left:right] = partners[..., top:bottom, left:right]
            return mixed
        mixed = torch.lerp(partners.float(), own.float(), self.share)
        return mixed if own.is_floating_point() else mixed.round_().to(own.dtype)

    def targets(self, labels: torch.Tensor) -> torch.Tensor:
        """The share of each class in each mixed input, float32 (n, classes); of inputs that have a
        class each, (n,), or the share of each class, (n, classes)."""
        own = F.one_hot(labels, self.classes).float() if labels.ndim == 1 else labels
        return torch.lerp(own.roll(1, 0), own, self.share)


@dataclass(frozen=True)
class Mixing:
    """Draws the mix of each batch from the seed, the epoch and the number of the batch.

    The share of mixup (Zhang et al., 2018) has the distribution Beta(alpha, alpha), and so has the
    area that CutMix (Yun et al., 2019) keeps, before its box is cut off at the edges. With both, a
    batch has either with equal probability. An alpha of 0 turns a method off.
    """

    classes: int
    size: int
    """Edge of the images, px."""
    mixup_alpha: float
    cutmix_alpha: float
    seed: int

    def draw(self, epoch: int, number: int) -> Mix:
        rng = np.random.default_rng(derive_seed("mixing", self.seed, epoch, number))
        cuts = rng.random() < 0.5 if self.mixup_alpha and self.cutmix_alpha else self.cutmix_alpha
        if not cuts:
            return Mix(self.classes, float(rng.beta(self.mixup_alpha, self.mixup_alpha)))
        share = rng.beta(self.cutmix_alpha, self.cutmix_alpha)
        half = int(self.size * np.sqrt(1 - share) / 2)
        center = rng.integers(self.size, size=2)
        top, left = np.clip(center - half, 0, self.size).tolist()
        bottom, right = np.clip(center + half, 0, self.size).tolist()
        area = (bottom - top) * (right - left)
        return Mix(self.classes, 1 - area / self.size**2, (top, bottom, left, right))


def draw_mixes(mixing: Mixing | None, epoch: int, batches: int) -> list[Mix | None]:
    """How each batch of an epoch is mixed; None: not at all."""
    return [None if mixing is None else mixing.draw(epoch, number) for number in range(batches)]


def with_partners(own: np.ndarray, count: int) -> np.ndarray:
    """The positions in a batch of `count` inputs that a process reads to mix those at `own`."""
    return np.union1d(own, (own - 1) % count)


def mix_images(
    images: torch.Tensor, mix: Mix | None, own: np.ndarray, read: np.ndarray, count: int
) -> torch.Tensor:
    """The mixed images of the positions `own`, from those of the positions `read` of a batch."""
    if mix is None:
        return images
    partners = np.searchsorted(read, (own - 1) % count)
    return mix.inputs(images[np.searchsorted(read, own)], images[partners])
