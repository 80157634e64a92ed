"""The stores below `outputs/cache`: what they hold, what they take, and making room."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from fashion_exp.cache.records import ABOUT, DATA, INDEX, in_use, locked, remove

KINDS = ("pixels", "features")
"""Of stores of records, by their folders."""


def key_of(about: Mapping[str, Any]) -> str:
    """The folder of a store: a hash of all that its records depend on."""
    text = json.dumps(about, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Store:
    """A folder of records as it lies there."""

    kind: str
    folder: Path
    about: dict[str, Any]
    entries: int
    size: int
    """Bytes."""
    last_used: float
    """Seconds since 1970."""


def stores(cache: Path) -> list[Store]:
    """Least recently used first."""
    found = [
        _store(kind, folder)
        for kind in KINDS
        for folder in (cache / kind).glob("[!.]*")
        if (folder / ABOUT).is_file()
    ]
    return sorted(found, key=lambda store: store.last_used)


def _store(kind: str, folder: Path) -> Store:
    files = [folder / name for name in (DATA, INDEX) if (folder / name).exists()]
    index = folder / INDEX
    return Store(
        kind,
        folder,
        json.loads((folder / ABOUT).read_text()),
        index.read_bytes().count(b"\n") if index.exists() else 0,
        sum(file.stat().st_size for file in files),
        (folder / ABOUT).stat().st_mtime,
    )


def is_used(store: Store) -> bool:
    """Whether a living process has it open."""
    with locked(store.folder):
        return in_use(store.folder)


def trim(cache: Path, limit: float) -> list[Store]:
    """Removes the least recently used stores until all take at most `limit` bytes.

    None that a process uses. Gives those removed.
    """
    with FileLock(_made(cache) / ".trim.lock"):
        listed = stores(cache)
        total = sum(store.size for store in listed)
        gone = []
        for store in listed:
            if total <= limit:
                break
            if remove(store.folder):
                gone.append(store)
                total -= store.size
    return gone


def _made(cache: Path) -> Path:
    os.makedirs(cache, exist_ok=True)
    return cache
