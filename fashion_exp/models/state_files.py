"""Files of weights, as training programs write them: wrapped, prefixed, with averaged copies."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from fashion_exp.errors import InputError
from fashion_exp.models.compat import StateDict

log = logging.getLogger(__name__)

WRAPPING_KEYS = (
    "state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict", "params_ema", "ema",
    "model_state_dict", "state_dict", "model_state", "model", "network", "net", "module",
    "weights", "params", "checkpoint", "teacher", "student",
)  # fmt: skip
"""Entries of a file that hold weights. Averaged ones (EMA) come first, as in timm."""

PREFIXES = ("module", "_orig_mod", "model", "net", "network", "backbone", "encoder", "encoder_q")
"""What DataParallel, torch.compile, Lightning and others put before every name."""


def read_state_file(path: Path) -> StateDict:
    """The weights in a file. Loads tensors only, no code. Raises `InputError`."""
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises various types for damaged files
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        if isinstance(error, pickle.UnpicklingError):
            reason = "it is damaged, or has Python objects besides tensors"
        raise InputError(
            f"model.weights={path}: no checkpoint that can be loaded safely ({reason}); give a "
            "file of tensors, such as torch.save(model.state_dict(), FILE) writes"
        ) from None
    state, taken = unwrap(content)
    if not state:
        names = ", ".join(map(str, content)) if isinstance(content, Mapping) else ""
        content_names = names or f"an empty or unnamed {type(content).__name__}"
        raise InputError(
            f"model.weights={path}: no weights in this file; it has {content_names}"[:500]
        )
    if taken:
        _log_once(
            f"weights: took {taken} from {path.name}, which has {', '.join(map(str, content))}"
        )
    return state


def unwrap(content: Any) -> tuple[StateDict, str]:
    """The weights in the content of a file, and the entry that they were taken from, if any."""
    taken: list[str] = []
    while isinstance(content, Mapping):
        tensors = {str(k): v for k, v in content.items() if isinstance(v, torch.Tensor)}
        entries = [key for key in WRAPPING_KEYS if isinstance(content.get(key), Mapping)]
        if not entries:
            return tensors, ".".join(taken)
        taken.append(entries[0])
        content = content[entries[0]]
    return {}, ""


def strip_prefixes(state: StateDict, expected: Collection[str]) -> StateDict:
    """The weights without the prefixes of a wrapper, by which no name of the network begins."""
    own = {name.split(".")[0] for name in expected}
    while not own & (first := {name.split(".")[0] for name in state}):
        prefix = next((f"{word}." for word in PREFIXES if word in first), None)
        if prefix is None:
            break
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    return state


@cache
def _log_once(message: str) -> None:
    """A model is built for each fold, from the same file."""
    log.info("%s", message[:500])
