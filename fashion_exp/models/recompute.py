"""Gradient checkpointing: less memory for a second forward pass (Chen et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from fashion_exp.errors import InputError
from fashion_exp.models.classifier import BATCH_NORMS, Classifier


def recompute_activations(model: Classifier, name: str) -> None:
    """Keeps only what goes into each block of the network, and computes the rest again for the
    gradients: timm's `set_grad_checkpointing`.

    A training stays the same, bit for bit: dropout draws the same numbers again, and batch-norm
    statistics are updated once. Raises `InputError` for a network that cannot do it.
    """
    if not any(parameter.requires_grad for parameter in model.network.parameters()):
        raise InputError(
            "training.gradient_checkpointing=true has no effect: the backbone is frozen, so it "
            "keeps no activations; set training.gradient_checkpointing=false or model.freeze=none"
        )
    try:
        model.network.set_grad_checkpointing(True)
    except (AttributeError, AssertionError):
        raise InputError(
            f"training.gradient_checkpointing=true: {name} has no blocks that timm can compute "
            "again; set training.gradient_checkpointing=false, or lower training.batch_size and "
            "raise training.accumulate"
        ) from None
    _BatchNormGuard(model)


class _BatchNormGuard:
    """Lets batch norms update their statistics in the forward pass only, not when it is repeated
    during the backward pass."""

    def __init__(self, model: Classifier) -> None:
        self._repeats = False
        model.register_forward_pre_hook(lambda *_: self._set(False))
        model.register_forward_hook(lambda *_: self._set(True))
        for module in model.network.modules():
            if isinstance(module, BATCH_NORMS):
                _Guarded(module, lambda: self._repeats)

    def _set(self, repeats: bool) -> None:
        self._repeats = repeats


class _Guarded:
    def __init__(self, module: nn.Module, repeats: Callable[[], bool]) -> None:
        self._repeats, self._momentum = repeats, module.momentum
        module.register_forward_pre_hook(self._before)
        # The recomputation of a block ends by an exception inside its last layer.
        module.register_forward_hook(self._after, always_call=True)

    def _before(self, module: Any, *_: object) -> None:
        if self._repeats() and module.training:
            module.momentum = 0.0

    def _after(self, module: Any, *_: object) -> None:
        if self._repeats() and module.training:
            module.momentum = self._momentum
            module.num_batches_tracked -= 1
