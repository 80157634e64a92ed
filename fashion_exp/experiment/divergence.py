"""Reports a training whose loss, outputs or weights are no longer finite numbers."""

from __future__ import annotations

import math

import numpy as np
import torch

from fashion_exp.configuration.schema import Config
from fashion_exp.errors import FailedError
from fashion_exp.models.compat import StateDict


class Diverged(FailedError):
    """A training has values that are not finite. The message has the epoch and the remedy."""


def check_loss(cfg: Config, epoch: int, loss: float) -> None:
    """Raises `Diverged` if the mean training loss of an epoch is not finite."""
    if not math.isfinite(loss):
        raise _diverged(cfg, epoch, f"the training loss became {loss}")


def check_outputs(cfg: Config, epoch: int, part: str, probabilities: np.ndarray) -> None:
    """Raises `Diverged` if the model after an epoch gives no probabilities for some images."""
    rows = int((~np.isfinite(probabilities)).any(1).sum())
    if rows:
        outputs = f"the outputs for {rows} of {len(probabilities)} {part} images"
        raise _diverged(cfg, epoch, f"{outputs} are not finite")


def check_weights(cfg: Config, epoch: int, weights: StateDict) -> None:
    """Raises `Diverged` if a weight or a batch-norm statistic is not finite."""
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise _diverged(cfg, epoch, f"{name} is not finite")


def _diverged(cfg: Config, epoch: int, symptom: str) -> Diverged:
    remedy = f"lower optim.lr (it is {cfg.optim.lr:g})"
    clip_norm = cfg.training.clip_norm
    if clip_norm is None:
        remedy += ", or set training.clip_norm=1"
    elif clip_norm > 1:
        remedy += f", or training.clip_norm (it is {clip_norm:g})"
    if cfg.optim.weight_decay >= 1:
        remedy += f", or optim.weight_decay (it is {cfg.optim.weight_decay:g})"
    return Diverged(f"{symptom} in epoch {epoch}; {remedy}")
