"""What is saved of a training: the state to resume from, and the trained models."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from fashion_exp.atomic_io import atomic_write
from fashion_exp.configuration.schema import Config, Loss
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import KEPT_STATE
from fashion_exp.models.backbones import find_backbones, keep_backbone
from fashion_exp.models.build import build_model
from fashion_exp.models.classifier import Classifier
from fashion_exp.models.compat import StateDict
from fashion_exp.models.metadata import (
    channel_values,
    input_size,
    interpolation,
    network_metadata,
)
from fashion_exp.models.plan import ModelPlan
from fashion_exp.models.weights import Weights
from fashion_exp.seeding import derive_seed

MAX_SAVING_SHARE = 0.03
"""Upper bound of the share of time that is spent saving states."""


MAX_KEPT_BYTES = 64e6
"""Of the tensors in a state that is kept after the training."""


@dataclass
class TrainingState:
    """A training after some of its epochs."""

    epochs_done: int = 0
    model: StateDict = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    average: StateDict = field(default_factory=dict)
    """The average of the weights; empty without `training.ema_decay`."""
    best: StateDict = field(default_factory=dict)
    """The evaluated weights after the epoch with the lowest validation loss."""
    best_epoch: int = -1
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    """Time spent training and evaluating, over all attempts."""
    stopped: bool = False
    """Whether a callback of the user's has ended the training."""
    together: int = 0
    """Heads that were trained together with this one, itself included; 0 if it was trained alone.
    It changes nothing but the time."""

    @property
    def last(self) -> StateDict:
        """The weights that are evaluated after the last epoch."""
        return self.average or self.model


class StateFile:
    """A training's state on disk. It is saved after each epoch unless saving takes too long."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved_at = self._cost = 0.0

    def load(self) -> TrainingState:
        """The saved state, or a new one if there is no file; raises `InputError` if damaged."""
        if not self._path.exists():
            return TrainingState()
        try:
            return TrainingState(**torch.load(self._path, weights_only=True, map_location="cpu"))
        except Exception as error:  # torch raises various types for damaged files
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"{self._path}: damaged state ({reason}); delete it to train this fold again"
            ) from None

    def save(self, state: TrainingState) -> None:
        started = time.monotonic()
        if started - self._saved_at < self._cost / MAX_SAVING_SHARE:
            return
        # torch.save leaves its own file open after an error, which keeps the disk space occupied.
        with atomic_write(self._path) as draft, open(draft, "wb") as file:
            torch.save(vars(state), file)
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started


def keep_state(folder: Path, fold: str, state: TrainingState) -> None:
    """Saves the state of a finished training beside its models, unless it is large."""
    parameters = [
        value
        for slots in state.optimizer.get("state", {}).values()
        for value in slots.values()
        if isinstance(value, torch.Tensor)
    ]
    weights = [*state.model.values(), *state.average.values(), *state.best.values()]
    if sum(tensor.nbytes for tensor in [*parameters, *weights]) <= MAX_KEPT_BYTES:
        StateFile(folder / f"{fold}-{KEPT_STATE}").save(state)


def save_models(
    folder: Path,
    fold: str,
    state: TrainingState,
    evaluated: str,
    plan: ModelPlan,
    classes: tuple[str, ...],
    trained_on: Iterable[str],
    outputs: Path,
) -> None:
    """Saves the last model and the best one by validation loss as .safetensors.

    The metadata has the classes, the input format, the ids of the training images, and the file
    with the frozen part of the model, which is kept once in `outputs`. `evaluated` ("last" or
    "best") is the model whose predictions the run has. A state without a best model has one file.
    """
    networks = [_network_metadata(network, outputs) for network in plan.networks]
    metadata = {
        "fashion_exp": "1",
        "classes": json.dumps(classes),
        **(networks[0] if len(networks) == 1 else {"networks": json.dumps(networks)}),
        "trained_on": json.dumps(sorted({*trained_on, *plan.trained_on})),
    }
    models = {"last": state.last, "best": state.best}
    for name, model in models.items() if state.best else [("last", state.last)]:
        tensors = {key: tensor.contiguous() for key, tensor in model.items()}
        with atomic_write(folder / f"{fold}-{name}.safetensors") as draft:
            save_file(tensors, draft, metadata | {"kept": str(name == evaluated).lower()})


def _network_metadata(plan: ModelPlan, outputs: Path) -> dict[str, str]:
    """The input format of a network, and the file of its frozen part, which is kept."""
    base = plan.weights.path if plan.freeze != "none" else None
    if base is not None:
        keep_backbone(base, plan.weights.sha256, outputs)
    return {
        "size": str(plan.size),
        "mean": " ".join(map(str, plan.mean)),
        "std": " ".join(map(str, plan.std)),
        "interpolation": plan.interpolation,
        "base": str(base or ""),
        "base_sha256": plan.weights.sha256 if base else "",
    }


def checkpoint_file(cfg: Config, checkpoints: Path, repeat: int, fold: int) -> Path:
    """The checkpoint that the predictions of a training were made with."""
    return checkpoints / f"r{repeat}f{fold}-{cfg.training.keep.value}.safetensors"


def stored_plan(file: Path, cfg: Config, weights: str, freeze: str) -> ModelPlan:
    """The plan as a checkpoint states it, so that neither the photos nor the hub are needed.

    `weights` says where they came from. Raises `InputError` if the file of a frozen network is
    missing.
    """
    first, *beside = (
        ModelPlan(
            Weights(weights, base, metadata.get("base_sha256", ""), None),
            freeze,
            input_size(file, metadata, 0),
            cfg.dataset.channels,
            channel_values(file, metadata, "mean", ()),
            channel_values(file, metadata, "std", ()),
            interpolation(file, metadata, "bilinear"),
            test_views=cfg.model.test_views.value,
        )
        for base, metadata in zip(find_backbones(file), network_metadata(file), strict=True)
    )
    return replace(first, beside=tuple(beside))


def load_model(
    cfg: Config, plan: ModelPlan, classes: int, checkpoints: Path, repeat: int, fold: int
) -> Classifier:
    """A trained model in evaluation mode, on the CPU, from the folder of a run's checkpoints.

    A checkpoint lacks what was frozen: that comes from the plan's weights, or, if these are random,
    from the seed of the training.
    """
    seed = derive_seed("initialisation", cfg.seeds.initialisation, repeat, fold)
    model = build_model(cfg.model, plan, classes, seed, cfg.training.loss == Loss.bce)
    state = load_file(checkpoint_file(cfg, checkpoints, repeat, fold))
    model.load_state_dict(state, strict=False)
    return model.eval()
