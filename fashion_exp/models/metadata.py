"""The metadata of a .safetensors file: untrusted strings."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

from safetensors import SafetensorError, safe_open

from fashion_exp.configuration.schema import Interpolation
from fashion_exp.errors import InputError

SIZES = range(8, 4097)
"""Sides of an input image, px."""


def read_metadata(path: Path) -> dict[str, str]:
    """Empty for other files. Raises `InputError` for a damaged one."""
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"model.weights={path}: no readable .safetensors file ({reason})"
        ) from None


def network_metadata(path: Path) -> list[dict[str, str]]:
    """The metadata of each network of our own checkpoint: one, or several side by side."""
    metadata = read_metadata(path)
    if "networks" not in metadata:
        return [metadata]
    try:
        networks = json.loads(metadata["networks"])
    except (ValueError, RecursionError):
        networks = None
    if not isinstance(networks, list) or not networks or not all(map(_are_texts, networks)):
        raise _damaged(path, "networks", "a JSON list of texts by name")
    return networks


def _are_texts(entry: object) -> bool:
    return isinstance(entry, dict) and all(isinstance(value, str) for value in entry.values())


def training_images(path: Path, metadata: dict[str, str]) -> frozenset[str]:
    """Ids of the images that the weights were trained on. Raises `InputError`."""
    try:
        ids = json.loads(metadata.get("trained_on", "[]"))
    except (ValueError, RecursionError):
        ids = None
    if not isinstance(ids, list) or not all(isinstance(image, str) for image in ids):
        raise _damaged(path, "trained_on", "a JSON list of image ids")
    return frozenset(ids)


def input_size(path: Path, metadata: dict[str, str], default: int) -> int:
    text = metadata.get("size", str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) in SIZES):
        raise _damaged(path, "size", f"a number of pixels from {SIZES[0]} to {SIZES[-1]}")
    return int(text)


def channel_values(
    path: Path, metadata: dict[str, str], name: str, default: tuple[float, ...]
) -> tuple[float, ...]:
    """The mean or the std of each channel, for pixels in [0, 1]."""
    if name not in metadata:
        return default
    try:
        values = tuple(map(float, metadata[name].split()))
    except ValueError:
        values = ()
    is_valid = all(math.isfinite(value) and (value > 0 or name == "mean") for value in values)
    if len(values) not in (1, 3) or not is_valid:
        expected = "numbers" if name == "mean" else "positive numbers"
        raise _damaged(path, name, f"1 or 3 {expected}")
    return values


def interpolation(path: Path, metadata: dict[str, str], default: str) -> str:
    name = metadata.get("interpolation", default)
    choices = [choice.value for choice in Interpolation]
    if "interpolation" in metadata and name not in choices:
        raise _damaged(path, "interpolation", " or ".join(choices))
    return name


def _damaged(path: Path, field: str, expected: str) -> InputError:
    return InputError(
        f"model.weights={path}: its metadata are damaged: {field} must be {expected}; give an "
        "intact copy of the file"
    )


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
