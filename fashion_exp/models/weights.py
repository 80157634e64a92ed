"""Initial weights of a network: ImageNet, a file, an earlier run, or random."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from fashion_exp.errors import InputError, suggest
from fashion_exp.models.backbones import find_backbone
from fashion_exp.models.compat import StateDict, convert_checkpoint, import_timm
from fashion_exp.models.known_networks import Published, published_weights
from fashion_exp.models.metadata import (
    channel_values,
    file_sha256,
    input_size,
    interpolation,
    read_metadata,
    training_images,
)
from fashion_exp.models.registry import find_builder
from fashion_exp.models.state_files import read_state_file, strip_prefixes

HUB_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class NetworkInput:
    """The input format that a network was trained with."""

    size: int
    """Side of the square image, px."""
    mean: tuple[float, ...]
    """Per channel, for pixels in [0, 1]."""
    std: tuple[float, ...]
    interpolation: str


@dataclass(frozen=True)
class Weights:
    source: str
    """What is loaded, or "none: " and why nothing is."""
    path: Path | None
    sha256: str
    """Of the file's bytes; empty for random weights."""
    input: NetworkInput | None
    trained_on: frozenset[str] = frozenset()
    """Ids of our images that these weights were trained on, in all earlier runs."""
    advice: str = ""
    """The command that gets pretrained weights, if there are none although some are published."""

    @property
    def description(self) -> str:
        """What the model begins with, in words."""
        return self.source.removeprefix("none: ")

    @property
    def why_random(self) -> str:
        """Why the weights are random, with what remedies it where that is known."""
        reason = self.source.partition(", because ")[2] or "model.weights=none"
        return f"the weights are random ({reason}{f'; {self.advice}' if self.advice else ''})"

    @property
    def identity(self) -> str:
        """Short identifier in a job's fingerprint and record."""
        return self.sha256[:16] or "random"


def find_weights(model: str, requested: str) -> Weights:
    """Resolves `model.weights=requested` for a model on this machine.

    Raises `InputError` if weights requested by name are not available.
    """
    if requested == "none":
        return Weights("none: random initialisation", None, "", None)
    if requested in ("auto", "imagenet"):
        return _imagenet_weights(model, required=requested == "imagenet")
    path = Path(requested).expanduser()
    if path.is_dir():
        path = _run_checkpoint(path)
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(
            f"model.weights={requested}: no such file or run, nor auto, imagenet or none; "
            f"{suggest(path.name, siblings) or 'give the path of a .safetensors or .pth file'}"
        )
    path = path.resolve()
    metadata = read_metadata(path)
    return Weights(
        f"file {path.name}",
        path,
        file_sha256(path),
        _input_format(model, path, metadata),
        training_images(path, metadata),
    )


def _run_checkpoint(run: Path) -> Path:
    """The checkpoint of an earlier run's first fold that its predictions were made with."""
    for file in sorted((run / "checkpoints").glob("r0f0-*.safetensors")):
        if read_metadata(file).get("kept") == "true":
            return file
    raise InputError(
        f"model.weights={run}: no finished checkpoint under its checkpoints/; "
        "give the directory of a finished run, or a weights file"
    )


def _input_format(model: str, path: Path, metadata: dict[str, str]) -> NetworkInput | None:
    """The input format from a file's metadata, completed by timm's description of the model."""
    published = _published(model)
    if published is None and "mean" not in metadata:
        return None
    default = published or Published("", 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear")
    return NetworkInput(
        input_size(path, metadata, default.size),
        channel_values(path, metadata, "mean", default.mean),
        channel_values(path, metadata, "std", default.std),
        interpolation(path, metadata, default.interpolation),
    )


def _published(model: str) -> Published | None:
    return None if find_builder(model) else published_weights(model)


def _imagenet_weights(model: str, required: bool) -> Weights:
    """Published weights from the hub's cache, a package or the hub, in this order, or none."""
    from fashion_exp.models.packaged_weights import (
        PACKAGES,
        VERSION,
        advice,
        find_packaged_weights,
    )

    published = _published(model)
    repository = published.repository if published else ""
    if not repository:
        reason = f"no ImageNet weights of {model} are published"
    elif (path := _cached_hub_file(repository)) is not None:
        return _found(model, path, repository)
    elif (path := find_packaged_weights(model)) is not None:
        return _found(model, path, f"{PACKAGES[model].name} {VERSION}")
    else:
        path, reason = _download(repository)
        if path is not None:
            return _found(model, path, repository)
    if required:
        package = f"{advice(model)}; or " if model in PACKAGES else ""
        raise InputError(
            f"model.weights=imagenet: {reason}; {package}run once where the hub is reachable and "
            "copy its cache (HF_HOME), give a file (model.weights=FILE.safetensors), or start from "
            "random weights (model.weights=none)"
        )
    source = f"none: random initialisation, because {reason}"
    return Weights(source, None, "", None, advice=advice(model) if repository else "")


def _found(model: str, path: Path, origin: str) -> Weights:
    input_format = _input_format(model, path, read_metadata(path))
    return Weights(f"imagenet ({origin})", path, file_sha256(path), input_format)


_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def _cached_hub_file(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in _HUB_FILES:
        cached = try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return Path(cached)
    return None


def _download(repository: str) -> tuple[Path | None, str]:
    """The downloaded file, or the reason why there is none."""
    from huggingface_hub import constants, hf_hub_download

    if constants.HF_HUB_OFFLINE:
        return None, f"{repository} is not in the cache and HF_HUB_OFFLINE is set"
    if not _is_reachable(constants.ENDPOINT):
        return None, f"{repository} is not in the cache and the hub is not reachable"
    for name in _HUB_FILES:
        try:
            return Path(hf_hub_download(repository, name, etag_timeout=HUB_TIMEOUT_S)), ""
        except Exception as error:  # the client raises a dozen types
            reason = f"{repository} could not be downloaded ({str(error).splitlines()[0]})"
    return None, reason


def _is_reachable(url: str) -> bool:
    """Whether a server answers in time. Uses a thread because name resolution has no timeout."""
    answered = threading.Event()

    def request() -> None:
        try:
            urllib.request.urlopen(url, timeout=HUB_TIMEOUT_S).close()
        except urllib.error.HTTPError:
            pass  # an error status is an answer
        except OSError:
            return
        answered.set()

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(HUB_TIMEOUT_S)
    return answered.is_set()


def load_into(network: nn.Module, weights: Weights, channels: int) -> None:
    """Loads a weights file into a network without a last layer, ignoring the file's last layer.

    Raises `InputError` if the file is no checkpoint, if a weight is not finite, or if the weights
    belong to another network.
    """
    assert weights.path is not None
    state = read_state(network, weights.path, channels)
    if details := mismatches(network, state):
        raise _wrong_network(weights.path, details, channels)
    broken = {name for name, tensor in state.items() if not bool(tensor.isfinite().all())}
    if broken:
        raise InputError(
            f"model.weights={weights.path}: {len(broken)} of {len(state)} tensors are not finite "
            f"({_first(broken)}), as after a training that diverged; give other weights"
        )
    network.load_state_dict(state, strict=False)


def refuse_other_network(network: nn.Module, weights: Weights, channels: int) -> None:
    """Raises `InputError` if weights have what the network does not have; loads nothing.

    Weights of a network whose unused layers were removed may lack some.
    """
    if weights.path is not None:
        details = mismatches(network, read_state(network, weights.path, channels))
        if details.keys() - {"missing"}:
            raise _wrong_network(weights.path, details, channels)


def _wrong_network(path: Path, details: dict[str, str], channels: int) -> InputError:
    return InputError(
        f"model.weights={path}: weights of another network, they do not fit this model "
        f"({'; '.join(details.values())}); {_fitting_model(path, channels)}"
    )


def mismatches(network: nn.Module, state: StateDict) -> dict[str, str]:
    """In what way weights do not fit a network, its last layer aside; empty if they fit."""
    expected = network.state_dict()
    optional = {k for k in expected if k.endswith("num_batches_tracked")}  # absent in some formats
    problems = {
        "missing": expected.keys() - state.keys() - optional,
        "of another shape": {
            k for k in expected.keys() & state.keys() if expected[k].shape != state[k].shape
        },
        "unexpected": {k for k in state.keys() - expected.keys() if not _is_ignored(network, k)},
    }
    return {kind: f"{len(keys)} {kind}: {_first(keys)}" for kind, keys in problems.items() if keys}


COMMON_MODELS = (
    "resnet18", "resnet34", "resnet50", "resnet101", "vgg11", "vgg16", "vgg16_bn", "vgg19",
    "mobilenetv1_100", "mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv3_small_100",
    "efficientnet_b0", "tf_efficientnet_b0", "tf_efficientnet_lite0", "tf_efficientnet_lite1",
    "tf_efficientnet_lite2",
    "densenet121", "convnext_tiny", "convnext_small", "vit_tiny_patch16_224",
    "vit_small_patch16_224", "vit_base_patch16_224", "swin_tiny_patch4_window7_224",
    "regnety_040", "inception_v3",
)  # fmt: skip
"""Models of timm that weights of another network are tried on, to name the one that they fit."""


def _fitting_model(path: Path, channels: int) -> str:
    """Which model the weights fit, for a message."""
    timm = import_timm()

    for name in COMMON_MODELS:
        with torch.device("meta"):
            network = timm.create_model(name, pretrained=False, num_classes=0, in_chans=channels)
        try:
            if not mismatches(network, read_state(network, path, channels)):
                return f"they fit model.name={name}"
        except (InputError, RuntimeError, KeyError, ValueError, AttributeError):
            continue  # a converter of another network does not know these names
    return "give weights of the same architecture"


def _first(keys: set[str]) -> str:
    return ", ".join(sorted(keys)[:4]) + (", …" if len(keys) > 4 else "")


def _is_ignored(network: nn.Module, key: str) -> bool:
    """Whether a key belongs to the last layer or to a child removed from the network."""
    is_removed = isinstance(getattr(network, key.split(".")[0], None), nn.Identity)
    last_layers = _layer_names(network, "classifier") or ["fc"]
    return is_removed or key.startswith(tuple(f"{name}." for name in last_layers))


def _layer_names(network: nn.Module, role: str) -> list[str]:
    """The layers that timm lists under a role: "classifier" or "first_conv"."""
    names = (getattr(network, "pretrained_cfg", None) or {}).get(role) or []
    return [names] if isinstance(names, str) else list(names)


def read_state(network: nn.Module, path: Path, channels: int) -> StateDict:
    """The weights in a file, under the network's names. Raises `InputError` for a damaged file."""
    state = read_state_file(path)
    if read_metadata(path).get("fashion_exp"):
        return _read_own_checkpoint(network, path, state, channels)
    state = strip_prefixes(state, network.state_dict())
    with suppress(KeyError, AttributeError, IndexError, RuntimeError, ValueError):
        # The converter takes the names of its own network for granted.
        state = convert_checkpoint(state, network)
    return _adapt_channels(network, state, channels)


def _read_own_checkpoint(
    network: nn.Module, path: Path, state: StateDict, channels: int
) -> StateDict:
    """The network's part of our own checkpoint, combined with the file of its frozen backbone."""
    prefix = "network."
    trained = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    base = find_backbone(path)
    if base is None:
        return trained
    return read_state(network, base, channels) | trained


def _adapt_channels(network: nn.Module, state: StateDict, channels: int) -> StateDict:
    """Adapts the first convolution to the input channels; for grayscale timm sums the weights."""
    from timm.models import adapt_input_conv

    for name in _layer_names(network, "first_conv"):
        weight = state.get(f"{name}.weight")
        if weight is not None and weight.ndim == 4 and weight.shape[1] != channels:
            state[f"{name}.weight"] = adapt_input_conv(channels, weight)
    return state
