"""Losses of a batch for classes that exclude each other, with class weights and soft targets."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from fashion_exp.extensions.registry import own_pieces

TargetKind = Literal["single", "soft", "several"]

LOSSES = ("cross_entropy", "focal", "bce")

DEFAULT_GAMMA = 2.0
"""Of the focal loss; the value that its authors recommend."""


class Criterion(nn.Module):
    """The loss of a batch, from logits (n, classes) and targets.

    Targets are classes, (n,) int64, or the share of each class, (n, classes). Every image counts
    with the weight of its class, or with the mean weight of its classes by their shares; the result
    is the weighted mean over the images. Label smoothing s replaces a share s of each target by the
    uniform distribution, as timm does, also for targets of mixed images.

    With targets="several" they say which classes are present, 0 or 1 each, and the loss is the mean
    over the images and classes of binary cross-entropy; the other options do not act.

    `name` is cross_entropy, focal, bce or a loss of the user's; `gamma` acts on the focal loss
    only. Raises `ValueError` if a loss of the user's does not give one number for each image.
    """

    weight: torch.Tensor | None
    """By class; None: all have the same."""

    def __init__(
        self,
        name: str = "cross_entropy",
        weight: torch.Tensor | None = None,
        label_smoothing: float = 0.0,
        gamma: float = DEFAULT_GAMMA,
        targets: TargetKind = "single",
    ) -> None:
        super().__init__()
        self._own = None if name in LOSSES else own_pieces("loss")[name]
        self._name, self._smoothing, self._gamma = name, label_smoothing, gamma
        self._targets = targets
        self.register_buffer("weight", weight)

    def count_right(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """How many images are predicted correctly: the class, of mixed inputs that with the largest
        share; with soft targets a class with more than half of the largest share; with several all
        classes, at a probability of 0.5."""
        if self._targets == "several":
            return ((logits > 0) == (targets > 0.5)).all(1).sum()
        predicted = logits.argmax(1)
        if self._targets == "soft":
            share = targets.gather(1, predicted[:, None])[:, 0]
            return (share > 0.501 * targets.amax(1)).sum()  # as `metrics.accepted_classes`
        return (predicted == (targets if targets.ndim == 1 else targets.argmax(1))).sum()

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self._targets == "several":
            return F.binary_cross_entropy_with_logits(logits, targets)
        if self._name == "cross_entropy" and targets.ndim == 1:
            return F.cross_entropy(logits, targets, self.weight, label_smoothing=self._smoothing)
        shares = F.one_hot(targets, logits.shape[1]).to(logits) if targets.ndim == 1 else targets
        weight = self.weight if self.weight is not None else torch.ones_like(logits[0])
        smoothed = shares * (1 - self._smoothing) + self._smoothing / logits.shape[1]
        image_weights = (shares * weight).sum(1)  # autocast would round a matrix product
        if self._own is not None:
            losses = self._own(logits, smoothed)
            if losses.shape != logits.shape[:1]:
                raise ValueError(
                    f"training.loss={self._name}: gives {tuple(losses.shape)} for {len(logits)} "
                    f"images, must be ({len(logits)},)"
                )
            return (losses * image_weights).sum() / image_weights.sum()
        if self._name == "bce":
            terms = _binary_cross_entropy(logits, smoothed) * image_weights[:, None]
        else:
            gamma = self._gamma if self._name == "focal" else 0.0
            terms = _focal(logits, smoothed, gamma) * weight
        return terms.sum() / image_weights.sum()


def _binary_cross_entropy(logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """(n, classes): each class against all others, as in "ResNet strikes back" (Wightman, Touvron
    and Jégou, 2021). The sum over the classes has gradients of the size of cross-entropy's."""
    return F.binary_cross_entropy_with_logits(logits, shares, reduction="none")


def _focal(logits: torch.Tensor, shares: torch.Tensor, gamma: float) -> torch.Tensor:
    """(n, classes): cross-entropy times (1 - p)^gamma, p being the softmax probability.

    Lin et al. (2017), eq. 4, for classes that exclude each other; torchvision's focal loss is that
    of independent classes. The factor is 1 for gamma = 0.
    """
    log_probabilities = logits.log_softmax(1)
    tiny = torch.finfo(logits.dtype).tiny  # a gradient of 0^gamma may be infinite
    others = (-log_probabilities.expm1()).clamp(min=tiny)
    return -shares * others**gamma * log_probabilities
