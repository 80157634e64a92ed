"""What code a kept result was made by: of ours by its text, of others by their versions."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


@cache
def source_hash(*places: str) -> str:
    """Of our modules and rooms: "data/decode.py", "models". Any change of their text changes it."""
    digest = hashlib.sha256()
    for place in places:
        files = sorted((_PACKAGE / place).rglob("*.py")) or [_PACKAGE / place]
        for file in files:
            digest.update(file.relative_to(_PACKAGE).as_posix().encode() + b"\0")
            digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def library_versions(*packages: str) -> dict[str, str]:
    """Of installed packages, and of Python."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def hardware_id(device: str) -> str:
    """What of a machine decides the last digits: its vector units, or its GPU."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    if device != "cpu":
        return platform.machine()
    abilities = torch.cpu.get_capabilities()
    return " ".join(sorted(name for name, there in abilities.items() if there is True))
