"""Kept pixels, features and trainings that no run can use any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fashion_exp.cache.array_store import read_key_fields
from fashion_exp.cache.manager import KINDS, TRAININGS, Store, list_stores
from fashion_exp.cache.provenance import library_versions
from fashion_exp.tools.doctor import Finding


def findings(cache: Path) -> Iterator[Finding]:
    for store in list_stores(cache):
        if store.kind in KINDS and _is_of_other_versions(store):
            what = f"{store.kind} that other versions of the libraries made, or damaged"
            where = f"{store.folder} ({store.size / 1e6:,.1f} MB)"
            yield Finding(what, where, "delete them, if no process uses them", store.clear)
    for entry in sorted((cache / TRAININGS).glob("*.json")):
        if not _is_there(entry):
            mend = partial(entry.unlink, missing_ok=True)
            yield Finding("a training whose run is gone", str(entry), "forget it", mend)


def _is_of_other_versions(store: Store) -> bool:
    about = read_key_fields(store.folder)
    if about is None:  # nobody can use what is damaged either
        return True
    made_by = about.get("versions", {})
    names = [name for name in made_by if name != "python"]
    return bool(names) and library_versions(*names) != made_by


def _is_there(entry: Path) -> bool:
    try:
        run = entry.parent / json.loads(entry.read_text())["run"]
    except (OSError, ValueError, KeyError):
        return False
    return (run / "result.json").is_file()
