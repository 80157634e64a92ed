"""What lies below `outputs/cache`: what it holds, what it takes, and making room."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from fashion_exp.cache.array_store import (
    ABOUT,
    DATA,
    INDEX,
    LEAVING,
    ArrayStore,
    in_use,
    read_key_fields,
    remove,
    store_lock,
)

KINDS = ("pixels", "features")
"""Of stores of records, by their folders."""

TRAININGS = "trainings"
"""The folder of the index of trainings, a small file each."""


def store_key(about: Mapping[str, Any]) -> str:
    """The folder of a store: a hash of all that its records depend on."""
    text = json.dumps(about, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Store:
    """A folder of records, or the index of trainings, as it lies there."""

    kind: str
    folder: Path
    described: str
    entries: int
    size: int
    """Bytes."""
    last_used: float
    """Seconds since 1970."""

    def clear(self) -> bool:
        """Removes it unless a process uses it."""
        if self.kind != TRAININGS:
            return remove(self.folder)
        for file in self.folder.glob("*.json"):
            file.unlink(missing_ok=True)
        return True

    def verify(self, tick: Callable[[int], None]) -> int:
        """Reads everything; gives how many entries are damaged: made again when next needed."""
        damaged = 0
        if self.kind == TRAININGS:
            for done, file in enumerate(sorted(self.folder.glob("*.json")), 1):
                damaged += not _is_json(file)
                tick(done)
            return damaged
        records = ArrayStore.open_existing(self.folder)
        names = list(records.places) if records else []
        for done, name in enumerate(names, 1):
            assert records is not None
            damaged += records.read(name) is None
            tick(done)
        os.utime(self.folder / ABOUT, (self.last_used, self.last_used))  # this was no use of it
        return damaged


def list_stores(cache: Path) -> list[Store]:
    """Least recently used first; the index of trainings last."""
    found = [
        _store(kind, folder)
        for kind in KINDS
        for folder in (cache / kind).glob("[!.]*")
        if (folder / ABOUT).is_file()
    ]
    index = [_index(cache / TRAININGS)] if any((cache / TRAININGS).glob("*.json")) else []
    return [*sorted(found, key=lambda store: store.last_used), *index]


def _store(kind: str, folder: Path) -> Store:
    files = [folder / name for name in (DATA, INDEX) if (folder / name).exists()]
    index = folder / INDEX
    return Store(
        kind,
        folder,
        "damaged" if (about := read_key_fields(folder)) is None else _described(about),
        index.read_bytes().count(b"\n") if index.exists() else 0,
        sum(file.stat().st_size for file in files),
        (folder / ABOUT).stat().st_mtime,
    )


def _index(folder: Path) -> Store:
    files = [file.stat() for file in folder.glob("*.json")]
    return Store(
        TRAININGS,
        folder,
        "runs that have done them",
        len(files),
        sum(file.st_size for file in files),
        max(file.st_mtime for file in files),
    )


def _described(about: Mapping[str, Any]) -> str:
    """In a few words, what the records are of."""
    if geometry := about.get("geometry"):
        words = [f"{geometry['size']} px", geometry["fit"], geometry["interpolation"]]
        words += ["grey"] if geometry["channels"] == 1 else []
        return ", ".join([*words, *(["drawn"] if "drawn" in about.get("reading", "") else [])])
    if model := about.get("model"):
        told = [str(model[0]), str(about["weights"]).split()[0][:8], about["arithmetic"][1]]
        return ", ".join([*told, "views"] if "operations" in about else told)
    return ""


def _is_json(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_text()), dict)
    except (OSError, ValueError):
        return False


def is_used(store: Store) -> bool:
    """Whether a living process has it open."""
    if store.kind == TRAININGS:
        return False
    with store_lock(store.folder):
        return in_use(store.folder)


def remove_leftovers(cache: Path) -> None:
    """Removes what a clearing that was killed has left."""
    for kind in KINDS:
        for folder in (cache / kind).glob(f".*{LEAVING}"):
            shutil.rmtree(folder, ignore_errors=True)


def trim_cache(cache: Path, limit: float) -> list[Store]:
    """Removes the least recently used stores until all take at most `limit` bytes.

    None that a process uses. Gives those removed.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".trim.lock"):
        listed = [store for store in list_stores(cache) if store.kind in KINDS]
        total = sum(store.size for store in listed)
        gone = []
        for store in listed:
            if total <= limit:
                break
            if store.clear():
                gone.append(store)
                total -= store.size
    return gone
