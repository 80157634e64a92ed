"""Where a network's first weights come from: ImageNet, a file, an earlier run, or chance."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import timm.models
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from fashion_exp.errors import InputError, suggest

HUB_PATIENCE = 5.0
"""Seconds that the hub has to answer before it counts as out of reach."""


@dataclass(frozen=True)
class NetworkInput:
    """What a network was trained to see. Mean and std per channel, of pixels in [0, 1]."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str


@dataclass(frozen=True)
class Weights:
    source: str
    """In words: what was loaded, or why nothing was."""
    path: Path | None
    sha256: str
    """Of the file's bytes; empty for random weights."""
    input: NetworkInput | None
    trained_on: frozenset[str] = frozenset()
    """Ids of the images of ours that these weights have seen, through all earlier runs."""

    @property
    def identity(self) -> str:
        """What a job's hash and its records say of the weights."""
        return self.sha256[:16] or "random"


def find_weights(model: str, wanted: str) -> Weights:
    """The weights that `model.weights=wanted` means for a model, on this machine, now.

    Raises `InputError` where they are asked for by name and cannot be had.
    """
    if wanted == "none":
        return Weights("none: random initialisation", None, "", None)
    if wanted in ("auto", "imagenet"):
        return _imagenet(model, strict=wanted == "imagenet")
    path = Path(wanted).expanduser()
    if path.is_dir():
        path = _kept_checkpoint(path)
    if not path.is_file():
        raise InputError(
            f"model.weights={wanted}: neither auto, imagenet, none, a file, nor a run's directory; "
            f"{suggest(path.name, _siblings(path)) or 'give the path of a .safetensors or .pth'}"
        )
    return _from_file(model, path.resolve())


def _siblings(path: Path) -> list[str]:
    return [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []


def _kept_checkpoint(run: Path) -> Path:
    """The checkpoint of an earlier run's first fold that its predictions were made with."""
    files = sorted((run / "checkpoints").glob("r0f0-*.safetensors"))
    kept = [file for file in files if _metadata(file).get("kept") == "true"]
    if not kept:
        raise InputError(
            f"model.weights={run}: no finished checkpoint under its checkpoints/; "
            "give the directory of a run that has ended, or a weights file"
        )
    return kept[0]


def _metadata(path: Path) -> dict[str, str]:
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"model.weights={path}: no readable .safetensors file ({error})") from None


def _from_file(model: str, path: Path) -> Weights:
    metadata = _metadata(path)
    seen = frozenset(json.loads(metadata.get("trained_on", "[]")))
    return Weights(f"file {path.name}", path, _sha256(path), _input_of(model, metadata), seen)


def _input_of(model: str, metadata: dict[str, str]) -> NetworkInput | None:
    """The file's own word where it gives one, else what timm knows of the model."""
    known = timm.get_pretrained_cfg(model) if timm.is_model(model) else None
    size = known.input_size[-1] if known else 224
    own = NetworkInput(
        int(metadata.get("size", size)),
        tuple(map(float, metadata["mean"].split())) if "mean" in metadata else _mean(known),
        tuple(map(float, metadata["std"].split())) if "std" in metadata else _std(known),
        metadata.get("interpolation", known.interpolation if known else "bilinear"),
    )
    return own if known or "mean" in metadata else None


def _mean(known: Any) -> tuple[float, ...]:
    return tuple(known.mean) if known else (0.5, 0.5, 0.5)


def _std(known: Any) -> tuple[float, ...]:
    return tuple(known.std) if known else (0.5, 0.5, 0.5)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _imagenet(model: str, strict: bool) -> Weights:
    known = timm.get_pretrained_cfg(model) if timm.is_model(model) else None
    if known is None or not known.hf_hub_id:
        reason = f"no ImageNet weights of {model} are published"
    else:
        path, reason = _from_hub(known.hf_hub_id)
        if path is not None:
            return Weights(
                f"imagenet ({known.hf_hub_id})", path, _sha256(path), _input_of(model, {})
            )
    if strict:
        raise InputError(
            f"model.weights=imagenet: {reason}; three ways out: run it once where the hub can be "
            "reached and copy its cache (HF_HOME), give a file (model.weights=FILE.safetensors), "
            "or train from chance (model.weights=none)"
        )
    return Weights(f"none: random initialisation, because {reason}", None, "", None)


def _from_hub(repository: str) -> tuple[Path | None, str]:
    """The cached or downloaded file, or the reason why there is none."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    names = ("model.safetensors", "pytorch_model.bin")
    for name in names:
        cached = try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return Path(cached), ""
    if constants.HF_HUB_OFFLINE:
        return None, f"{repository} is not in the cache and HF_HUB_OFFLINE is set"
    if not _answers(constants.ENDPOINT):
        return None, f"{repository} is not in the cache and the hub is out of reach"
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, etag_timeout=HUB_PATIENCE)), ""
        except Exception as error:  # the hub's client raises a dozen kinds
            reason = f"{repository} could not be downloaded ({str(error).splitlines()[0]})"
    return None, reason


def _answers(address: str) -> bool:
    """Whether a server answers in time. A thread, because looking up a name knows no deadline."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(address, timeout=HUB_PATIENCE).close()
        except urllib.error.HTTPError:
            pass  # a refusal is an answer
        except OSError:
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_PATIENCE)
    return answered.is_set()


def load_into(network: nn.Module, weights: Weights, channels: int) -> None:
    """Loads a file into a network without a last layer; the file's last layer is left out.

    Raises `InputError` that lists the keys if anything else is missing, left over or of another
    shape, and if the file is no checkpoint.
    """
    assert weights.path is not None
    state = _read(network, weights.path, channels)
    own = network.state_dict()
    counters = {
        key for key in own if key.endswith("num_batches_tracked")
    }  # not all formats have it
    missing = sorted(own.keys() - state.keys() - counters)
    reshaped = sorted(k for k in own.keys() & state.keys() if own[k].shape != state[k].shape)
    surplus = sorted(k for k in state.keys() - own.keys() if not _may_be_surplus(network, k))
    problems = {"missing": missing, "of another shape": reshaped, "left over": surplus}
    told = [f"{len(keys)} {what}: {_some(keys)}" for what, keys in problems.items() if keys]
    if told:
        raise InputError(
            f"model.weights={weights.path}: does not fit this model ({'; '.join(told)}); give "
            "weights of the same architecture"
        )
    network.load_state_dict(state, strict=False)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:4]) + (", …" if len(keys) > 4 else "")


def _may_be_surplus(network: nn.Module, key: str) -> bool:
    """The last layer, and what a new head does without."""
    taken_out = isinstance(getattr(network, key.split(".")[0], None), nn.Identity)
    return taken_out or key.startswith(_last_layer(network))


def _last_layer(network: nn.Module) -> tuple[str, ...]:
    known = getattr(network, "pretrained_cfg", None) or {}
    names = known.get("classifier") or "fc"
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def _read(network: nn.Module, path: Path, channels: int) -> dict[str, torch.Tensor]:
    try:
        state = timm.models.load_state_dict(str(path), weights_only=True)
    except Exception as error:  # torch's reader raises what the damage happens to lead to
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"model.weights={path}: no checkpoint that can be loaded safely ({reason})"
        ) from None
    if _metadata(path).get("fashion_exp"):
        return _of_earlier_run(network, path, state, channels)
    module = sys.modules[type(network).__module__]
    adapt = getattr(module, "checkpoint_filter_fn", None) or getattr(module, "_filter_fn", None)
    if adapt is not None:
        try:
            state = adapt(state, network)
        except TypeError:  # timm has filters of one argument and of two
            state = adapt(state)
    return _with_channels(network, state, channels)


def _of_earlier_run(
    network: nn.Module, path: Path, state: dict[str, torch.Tensor], channels: int
) -> dict[str, torch.Tensor]:
    """The network's part of our own checkpoint, on top of what it had frozen."""
    own = {k.removeprefix("network."): v for k, v in state.items() if k.startswith("network.")}
    base = _metadata(path).get("base", "")
    if not base:
        return own
    if not os.path.isfile(base) or _sha256(Path(base)) != _metadata(path)["base_sha256"]:
        raise InputError(
            f"model.weights={path}: its backbone was frozen and came from {base}, which is no "
            "longer there as it was; put it back, or give the weights of another run"
        )
    return _read(network, Path(base), channels) | own


def _with_channels(
    network: nn.Module, state: dict[str, torch.Tensor], channels: int
) -> dict[str, torch.Tensor]:
    """The first convolution adapted to grey input (timm: the channels' weights are summed)."""
    known = getattr(network, "pretrained_cfg", None) or {}
    first = known.get("first_conv")
    for name in [first] if isinstance(first, str) else first or ():
        weight = state.get(f"{name}.weight")
        if weight is not None and weight.ndim == 4 and weight.shape[1] != channels:
            state[f"{name}.weight"] = timm.models.adapt_input_conv(channels, weight)
    return state
