"""Lists, verifies and removes the contents of `outputs/cache`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from fashion_exp.atomic_io import is_locked
from fashion_exp.cache.array_store import (
    DATA_FILE,
    INDEX_FILE,
    KEY_FIELDS_FILE,
    REMOVAL_SUFFIX,
    USERS_FOLDER,
    ArrayStore,
    read_key_fields,
    remove_store,
)

KINDS = ("pixels", "features")
"""Kinds of array stores; also the names of their folders."""

TRAININGS = "trainings"
"""Folder of the training index, which has one small JSON file per training."""


@dataclass(frozen=True)
class Store:
    """An array store or the training index, as found on disk."""

    kind: str
    folder: Path
    description: str
    entries: int
    size: int
    """Bytes."""
    last_used: float
    """Seconds since 1970."""

    def clear(self) -> bool:
        """Removes the store; returns False if a process has it open."""
        if self.kind != TRAININGS:
            return remove_store(self.folder)
        for file in self.folder.glob("*.json"):
            file.unlink(missing_ok=True)
        return True

    def verify(self, tick: Callable[[int], None]) -> int:
        """Reads all entries; returns the number of damaged ones, which are recomputed when needed.

        Verifying does not count as a use.
        """
        damaged = 0
        if self.kind == TRAININGS:
            for count, file in enumerate(sorted(self.folder.glob("*.json")), 1):
                damaged += not _is_json_object(file)
                tick(count)
            return damaged
        store = ArrayStore.open_existing(self.folder)
        if store is not None:
            for count, name in enumerate(list(store.entries), 1):
                damaged += store.read(name) is None
                tick(count)
            store.close()
        os.utime(self.folder / KEY_FIELDS_FILE, (self.last_used, self.last_used))
        return damaged


def list_stores(cache: Path) -> list[Store]:
    """Array stores, least recently used first, followed by the training index."""
    stores = [
        _array_store(kind, folder)
        for kind in KINDS
        for folder in (cache / kind).glob("[!.]*")
        if (folder / KEY_FIELDS_FILE).is_file()
    ]
    stores.sort(key=lambda store: store.last_used)
    return [*stores, *_training_index(cache / TRAININGS)]


def _array_store(kind: str, folder: Path) -> Store:
    index, data = folder / INDEX_FILE, folder / DATA_FILE
    key_fields = read_key_fields(folder)
    return Store(
        kind,
        folder,
        "damaged" if key_fields is None else _describe(key_fields),
        index.read_bytes().count(b"\n") if index.exists() else 0,
        sum(file.stat().st_size for file in (data, index) if file.exists()),
        (folder / KEY_FIELDS_FILE).stat().st_mtime,
    )


def _training_index(folder: Path) -> list[Store]:
    """The training index; empty if it has no entries."""
    files = [file.stat() for file in folder.glob("*.json")]
    if not files:
        return []
    size, last_used = sum(f.st_size for f in files), max(f.st_mtime for f in files)
    return [Store(TRAININGS, folder, "index of finished trainings", len(files), size, last_used)]


def _describe(key_fields: Mapping[str, Any]) -> str:
    """A short description of what the arrays of a store depend on."""
    if geometry := key_fields.get("geometry"):
        terms = [f"{geometry['size']} px", geometry["fit"], geometry["interpolation"]]
        terms += ["grayscale"] if geometry["channels"] == 1 else []
        terms += ["synthetic"] if "drawn" in key_fields.get("reading", "") else []
    elif model := key_fields.get("model"):
        terms = [str(model[0]), str(key_fields["weights"]).split()[0][:8]]
        terms += [key_fields["arithmetic"][1]]
        terms += ["views"] if "operations" in key_fields else []
    else:
        return ""
    return ", ".join(terms)


def _is_json_object(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False


def is_used(store: Store) -> bool:
    """Whether a running process has the store open; the cache may be read-only."""
    return any(is_locked(user) for user in (store.folder / USERS_FOLDER).glob("*.lock"))


def remove_leftovers(cache: Path) -> None:
    """Deletes folders whose removal was interrupted."""
    for kind in KINDS:
        for folder in (cache / kind).glob(f".*{REMOVAL_SUFFIX}"):
            shutil.rmtree(folder, ignore_errors=True)


def trim_cache(cache: Path, limit: float) -> list[Store]:
    """Removes the least recently used array stores until all take at most `limit` bytes.

    Skips stores that a process has open. Returns the removed stores.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / ".trim.lock"):
        stores = [store for store in list_stores(cache) if store.kind in KINDS]
        total = sum(store.size for store in stores)
        removed = []
        for store in stores:
            if total <= limit:
                break
            if store.clear():
                removed.append(store)
                total -= store.size
    return removed
