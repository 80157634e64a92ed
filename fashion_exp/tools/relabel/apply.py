"""Decisions made a new version of a data set's labels, and taken back; no photo is touched."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from fashion_exp.data.decode import reason
from fashion_exp.data.label_decisions import counts, decided, read_decisions
from fashion_exp.data.label_versions import (
    History,
    Labels,
    State,
    Version,
    fingerprint,
    journal_of,
    read_history,
    write_history,
)
from fashion_exp.data.labels import own_labels
from fashion_exp.data.sources.csv_manifest import list_manifest
from fashion_exp.data.sources.folder import list_folder
from fashion_exp.data.sources.walk import existing_folder
from fashion_exp.errors import InputError


def apply_decisions(
    file: Path, data: Path, root: Path | None = None, new_classes: Collection[str] = ()
) -> Version | None:
    """The version that the decisions of a file make of the current one; None: they stand already.

    `data` is a folder of photos, or a CSV list of them with paths below `root`. Raises `InputError`
    where a decision does not fit the data; nothing is written then.
    """
    decisions = read_decisions(file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    own = own_labels(_listed(data, root))

    def change(history: History) -> tuple[State, dict[str, Any]]:
        state = history.state(history.current)
        now = own | {image: labels for image, labels in state.items() if image in own}
        classes = {name for labels in [*own.values(), *now.values()] for name in labels}
        found = decided(decisions, now, classes | {*new_classes}, str(data))
        return state | found, {"decisions": file.name, "sha256": sha256}

    return _next_version(data, own, change)


def restore(data: Path, version: str | None, root: Path | None = None) -> Version | None:
    """An earlier version taken up again as a new one; None: the labels are as then already.

    Without a version that which the current one replaced. Raises `InputError` where there is none.
    """
    own = own_labels(_listed(data, root))

    def change(history: History) -> tuple[State, dict[str, Any]]:
        to = history.before(history.current) if version is None else version
        if to is None:
            raise InputError(f"{data}: nothing to undo, its labels are the original ones")
        return history.state(to), {"restores": to, "by_name": version is not None}

    return _next_version(data, own, change)


def _listed(data: Path, root: Path | None) -> pd.DataFrame:
    if data.is_dir():
        if root is not None:
            raise InputError(f"--root {root}: acts for a list of photos only; '{data}' is a folder")
        return list_folder(data)[0]
    if data.is_file():
        return list_manifest(data, root or data.parent)[0]
    existing_folder("data", str(data))
    raise AssertionError("a folder that is there was none")


def _next_version(
    data: Path, own: dict[str, Labels], change: Callable[[History], tuple[State, dict[str, Any]]]
) -> Version | None:
    """Appends what `change` makes of the history, one process at a time."""
    journal = journal_of(data)
    with _held(journal):
        history = read_history(journal)
        before = history.state(history.current)
        after, told = change(history)
        if after == before:
            return None
        changed = {image: after.get(image) for image in sorted({*before, *after})}
        version = Version(
            version=f"v{len(history.versions) + 1}",
            parent=history.current,
            fingerprint=fingerprint(after),
            time=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            changes={
                image: labels for image, labels in changed.items() if labels != before.get(image)
            },
            counts=counts(after, own),
            **told,
        )
        write_history(journal, [*history.versions, version])
    return version


@contextmanager
def _held(journal: Path) -> Iterator[None]:
    try:
        with FileLock(journal.with_name(f".{journal.name}.lock")):
            yield
    except OSError as error:
        raise InputError(
            f"{journal}: cannot be written ({reason(error)}); where the photos must stay as they "
            "are, train with dataset.labels=FILE on the file of decisions itself"
        ) from None
