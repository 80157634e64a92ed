"""The mean of the weights of several networks that were trained from the same start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from fashion_exp.models.classifier import BATCH_NORMS, Classifier
from fashion_exp.models.compat import StateDict


def average_states(states: Sequence[StateDict]) -> StateDict:
    """The mean of each tensor; counters are those of the first."""
    return {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(first.dtype)
        if first.is_floating_point()
        else first.clone()
        for name, first in states[0].items()
    }


@torch.no_grad()
def recompute_norms(model: Classifier, batches: Iterable[torch.Tensor]) -> int:
    """Computes the statistics of the batch-norm layers that training changed anew, as the mean over
    the batches; returns how many layers have some.

    The mean of several networks' statistics is not that of their mean (Izmailov et al. 2018,
    arXiv:1803.05407). `batches` are uint8 (n, channels, size, size), on the model's device, of two
    images or more.
    """
    trained = set(map(id, model.trainable_state().values()))
    norms = [
        module
        for module in model.modules()
        if isinstance(module, BATCH_NORMS) and id(module.running_mean) in trained
    ]
    if not norms:
        return 0
    momenta = {module: module.momentum for module in norms}
    model.eval()
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # a plain mean
        module.train()
    for images in batches:
        model.features(images)
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.eval()
    return len(norms)
