"""Identifies the code and hardware that produced a cached result."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


@cache
def source_hash(*paths: str) -> str:
    """Hash of the text of our modules and packages, such as "data/decode.py" and "models"."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted((_PACKAGE / path).rglob("*.py")) or [_PACKAGE / path]:
            digest.update(file.relative_to(_PACKAGE).as_posix().encode() + b"\0")
            digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def library_versions(*packages: str) -> dict[str, str]:
    """Versions of Python and of installed packages."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def hardware_id(device: str) -> str:
    """The hardware that determines a result's last digits: vector instructions, or the GPU."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    if device != "cpu":
        return platform.machine()
    features = torch.cpu.get_capabilities()
    return " ".join(sorted(name for name, available in features.items() if available is True))
