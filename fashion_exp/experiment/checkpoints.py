"""What is kept of a training: the state to go on from, and the models that came out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from fashion_exp.atomic_io import atomic_write
from fashion_exp.errors import InputError
from fashion_exp.models.plan import ModelPlan

State = dict[str, torch.Tensor]

SAVING_SHARE = 0.03
"""Largest share of the time that saving states may take."""


@dataclass
class TrainingState:
    """Where a fold's training stands after an epoch."""

    epochs_done: int = 0
    model: State = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    best: State = field(default_factory=dict)
    """The model of the epoch with the lowest validation loss."""
    best_epoch: int = -1
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    """Spent in training and evaluating, over all attempts."""


class StateFile:
    """A training's state on disk, saved after each epoch unless saving would dominate."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved_at = self._cost = 0.0

    def load(self) -> TrainingState:
        """The saved state, or that of a training not yet begun."""
        if not self._path.exists():
            return TrainingState()
        try:
            return TrainingState(**torch.load(self._path, weights_only=True, map_location="cpu"))
        except Exception as error:  # torch's reader raises what the damage happens to lead to
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"{self._path}: damaged state ({reason}); delete it to train this fold again"
            ) from None

    def save(self, state: TrainingState) -> None:
        started = time.monotonic()
        if started - self._saved_at < self._cost / SAVING_SHARE:
            return
        # A file of ours: torch's own would stay open after an error, and keep its room on the disk.
        with atomic_write(self._path) as unfinished, open(unfinished, "wb") as file:
            torch.save(vars(state), file)
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def save_models(
    folder: Path,
    fold: str,
    state: TrainingState,
    kept: str,
    plan: ModelPlan,
    classes: tuple[str, ...],
    trained_on: Iterable[str],
) -> None:
    """The last model and the best one by validation loss, as .safetensors.

    Their metadata says what they saw: classes, input, the images trained on, and the file of the
    frozen part, which is not written again. `kept` ("last" or "best") is the one evaluated.
    """
    base = plan.weights.path if plan.freeze != "none" else None
    common = {
        "fashion_exp": "1",
        "classes": json.dumps(classes),
        "size": str(plan.size),
        "mean": " ".join(map(str, plan.mean)),
        "std": " ".join(map(str, plan.std)),
        "interpolation": plan.interpolation,
        "base": str(base or ""),
        "base_sha256": plan.weights.sha256 if base else "",
        "trained_on": json.dumps(sorted({*trained_on, *plan.weights.trained_on})),
    }
    for which, model in {"last": state.model, "best": state.best}.items():
        metadata = common | {"kept": str(which == kept).lower()}
        with atomic_write(folder / f"{fold}-{which}.safetensors") as unfinished:
            save_file({k: v.contiguous() for k, v in model.items()}, unfinished, metadata)
