"""Applies decisions as a new version of a data set's labels, and restores versions.

Images are not changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock

from fashion_exp.atomic_io import timestamp
from fashion_exp.configuration.schema import Layout
from fashion_exp.data.label_decisions import count_changes, read_decisions, resolve_decisions
from fashion_exp.data.label_shares import with_names
from fashion_exp.data.label_versions import (
    LabelHistory,
    LabelOverrides,
    Labels,
    LabelVersion,
    journal_path,
    labels_fingerprint,
    read_history,
    write_history,
)
from fashion_exp.data.labels import original_labels
from fashion_exp.data.sources.classes import lookalike_key
from fashion_exp.data.sources.csv_manifest import list_manifest
from fashion_exp.data.sources.folder import list_folder
from fashion_exp.data.sources.layout import OptionNames
from fashion_exp.data.sources.walk import existing_folder
from fashion_exp.errors import InputError, os_error_reason


def apply_decisions(
    file: Path,
    data: Path,
    root: Path | None = None,
    new_classes: Collection[str] = (),
    layout: Layout = Layout.auto,
) -> LabelVersion | None:
    """The new version, or None if the current labels already match the decisions.

    `data` is a folder of photos, or a CSV list with paths relative to `root`. Raises `InputError`
    if a decision does not fit the data; nothing is written then.
    """
    decisions = read_decisions(file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    original = original_labels(_list_images(data, root, layout))

    def change(history: LabelHistory) -> tuple[LabelOverrides, dict[str, Any]]:
        state = history.overrides_at(history.current)
        current = original | {image: state[image] for image in state if image in original}
        labels = (*original.values(), *current.values())
        classes = with_names(label for several in labels for label in several)
        _refuse_lookalikes(new_classes, classes)
        changes = resolve_decisions(decisions, current, classes | {*new_classes}, str(data))
        return state | changes, {"decisions": file.name, "sha256": sha256}

    return _append_version(data, original, change)


def restore_version(
    data: Path, version: str | None, root: Path | None = None, layout: Layout = Layout.auto
) -> LabelVersion | None:
    """Appends a version with the labels of an earlier one; None if they are current already.

    Without `version`, restores the version before the current one. Raises `InputError` if there is
    no such version.
    """
    original = original_labels(_list_images(data, root, layout))

    def change(history: LabelHistory) -> tuple[LabelOverrides, dict[str, Any]]:
        target = history.undo_target(history.current) if version is None else version
        if target is None:
            raise InputError(f"{data}: nothing to undo, the labels are the original ones")
        return history.overrides_at(target), {"restores": target, "by_name": version is not None}

    return _append_version(data, original, change)


def _refuse_lookalikes(new_classes: Collection[str], classes: Collection[str]) -> None:
    for name in new_classes:
        for other in classes:
            if name != other and lookalike_key(name) == lookalike_key(other):
                raise InputError(
                    f"--new-class '{name}': differs from the class '{other}' only in case or "
                    f"blanks; decide for '{other}', or choose another name"
                )


def _list_images(data: Path, root: Path | None, layout: Layout) -> pd.DataFrame:
    if data.is_file():
        return list_manifest(data, root or data.parent)[0]
    folder = existing_folder("data", str(data))
    if root is not None:
        raise InputError(f"--root {root}: needs a list of photos, but '{data}' is a folder")
    return list_folder(folder, layout, OptionNames("--data", "--layout="))[0]


def _append_version(
    data: Path,
    original: dict[str, Labels],
    change: Callable[[LabelHistory], tuple[LabelOverrides, dict[str, Any]]],
) -> LabelVersion | None:
    """Appends the version that `change` computes, under a lock against other processes."""
    journal = journal_path(data)
    with _lock(journal):
        history = read_history(journal)
        before = history.overrides_at(history.current)
        after, source = change(history)
        if after == before:
            return None
        version = LabelVersion(
            version=f"v{len(history.versions) + 1}",
            parent=history.current,
            fingerprint=labels_fingerprint(after),
            time=timestamp(),
            changes={
                image: after.get(image)
                for image in sorted({*before, *after})
                if after.get(image) != before.get(image)
            },
            counts=count_changes(after, original),
            **source,
        )
        write_history(journal, [*history.versions, version])
    return version


@contextmanager
def _lock(journal: Path) -> Iterator[None]:
    try:
        with FileLock(journal.with_name(f".{journal.name}.lock")):
            yield
    except OSError as error:
        raise InputError(
            f"{journal}: cannot be written ({os_error_reason(error)}); if the data set is "
            "read-only, train with dataset.labels=FILE, the file of decisions"
        ) from None
