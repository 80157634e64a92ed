"""Cached pixels, features and training results that no run can use anymore."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fashion_exp.cache.array_store import read_key_fields
from fashion_exp.cache.manager import KINDS, TRAININGS, Store, list_stores
from fashion_exp.cache.provenance import library_versions
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.reporting.formats import data_size
from fashion_exp.tools.doctor.finding import Finding


def findings(cache: Path) -> Iterator[Finding]:
    for store in list_stores(cache):
        if store.kind in KINDS and _is_unusable(store):
            yield Finding(
                f"cached {store.kind} of other library versions, or damaged",
                f"{store.folder} ({data_size(store.size)})",
                "delete them unless a process uses them",
                store.clear,
            )
    for entry in sorted((cache / TRAININGS).glob("*.json")):
        if not _run_exists(entry):
            yield Finding(
                "a cached training whose run is gone",
                str(entry),
                "delete the entry",
                partial(entry.unlink, missing_ok=True),
            )


def _is_unusable(store: Store) -> bool:
    """Whether the store is damaged or was written with other library versions."""
    key_fields = read_key_fields(store.folder)
    if key_fields is None:
        return True
    versions = key_fields.get("versions", {})
    libraries = [name for name in versions if name != "python"]
    return bool(libraries) and library_versions(*libraries) != versions


def _run_exists(entry: Path) -> bool:
    try:
        run = RunDir(entry.parent / json.loads(entry.read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError):
        return False
    return run.result_file.is_file()
