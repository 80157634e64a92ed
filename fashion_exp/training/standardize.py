"""Standardized features, and the linear layers that take features as they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Standardization:
    """z = (x - mean) / scale for each feature, learned from the rows that a model is fitted to."""

    mean: torch.Tensor
    """(width,), float64."""
    scale: torch.Tensor
    """(width,), float64: the standard deviation, or 1 for a feature that does not vary."""

    @classmethod
    def of(cls, features: torch.Tensor) -> Standardization:
        """That of these rows (n, width)."""
        x = features.double()
        deviation = x.std(0, correction=0)
        varies = deviation > 1e-6 * x.abs().amax(0)  # rounding makes equal values vary by less
        return cls(x.mean(0), torch.where(varies, deviation, 1.0))

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """float64 (n, width)."""
        return (features.double() - self.mean) / self.scale

    def fold_into(
        self, weight: torch.Tensor, bias: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The linear layer of features that equals one of standardized features.

        W (x - mean) / scale + b = (W / scale) x + (b - (W / scale) mean).
        """
        weight = weight / self.scale
        return weight, bias - weight @ self.mean


def nearest_class_mean(
    features: torch.Tensor, labels: torch.Tensor, classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (classes, width) and bias (classes,) of a layer whose largest logit is that of the
    class with the nearest mean, in Euclidean distance; `features` are standardized.

    -‖z - m‖² / (2 v) = (m / v) z - ‖m‖² / (2 v) + a term that all classes share. v is the variance
    within the classes along the directions from the center to the means: then the softmax is the
    posterior of normal classes with that variance and equal shares.
    """
    z = features.double()
    members = torch.nn.functional.one_hot(labels, classes).to(z)
    means = members.T @ z / members.sum(0)[:, None]
    directions = means - means.mean(0)
    along = (z - means[labels]) @ directions.T  # (n, classes)
    variance = along.square().mean(0).sum() / directions.square().sum().clamp(min=1e-30)
    variance = torch.where(variance > 0, variance, 1.0)  # 0 with one row per class
    return means / variance, -means.square().sum(1) / (2 * variance)
