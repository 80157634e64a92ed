"""Versions of a data set's labels: a journal next to the images, which are never changed.

Labels are stored by image content, so copies share them and moving a file changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import write_text
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.errors import InputError, suggest

ORIGINAL = "none"
"""Name of the labels given by the folders or the manifest."""
CURRENT = "current"
JOURNAL = "label_versions.jsonl"

Labels = tuple[str, ...]
"""The sorted classes of an image; empty if the image is excluded."""
LabelOverrides = Mapping[str, Labels]
"""{image id: labels} of images that a person decided on; all others have their original labels."""


@dataclass(frozen=True)
class LabelVersion:
    """A line of the journal: the changes from the previous version."""

    version: str
    """v1, v2, …"""
    parent: str
    """The previous version; `ORIGINAL` for the first."""
    fingerprint: str
    """`labels_fingerprint` of the overrides in force."""
    time: str
    """ISO 8601."""
    changes: Mapping[str, Labels | None]
    """{image id: new labels}; None: the original labels again."""
    counts: Mapping[str, int]
    """Overrides in force: relabelled, several, excluded, kept."""
    decisions: str = ""
    """Name of the applied file; empty if an earlier version was restored."""
    sha256: str = ""
    """Of the applied file."""
    restores: str = ""
    """The earlier version that this one restores."""
    by_name: bool = False
    """Whether the restored version was named, and not reached by undo."""


@dataclass(frozen=True)
class LabelHistory:
    """All versions of a data set's labels, oldest first."""

    file: Path
    versions: tuple[LabelVersion, ...] = ()

    @property
    def current(self) -> str:
        return self.versions[-1].version if self.versions else ORIGINAL

    def overrides_at(self, name: str) -> dict[str, Labels]:
        """The overrides in force at a version; raises `InputError` for an unknown one."""
        overrides: dict[str, Labels] = {}
        for version in self.versions[: self._index(name) + 1]:
            for image, labels in version.changes.items():
                overrides.pop(image, None)
                if labels is not None:
                    overrides[image] = labels
        return overrides

    def find(self, name: str) -> LabelVersion | None:
        """The version of this name; None for the original labels."""
        index = self._index(name)
        return None if index < 0 else self.versions[index]

    def undo_target(self, name: str) -> str | None:
        """The version that undo leads to, further back with each undo; None: nothing to undo."""
        version = self.find(name)
        if version is None:
            return None
        is_undo = version.restores and not version.by_name
        return self.undo_target(version.restores) if is_undo else version.parent

    def _index(self, name: str) -> int:
        """-1 for the original labels."""
        names = [version.version for version in self.versions]
        if name == ORIGINAL:
            return -1
        if name not in names:
            hint = suggest(name, [ORIGINAL, *names])
            raise InputError(f"{self.file}: no version '{name}' of the labels; {hint}")
        return names.index(name)


def journal_path(data: Path) -> Path:
    """Path of the label versions of an image folder or a manifest."""
    return data / JOURNAL if data.is_dir() else data.with_name(f"{data.stem}.{JOURNAL}")


def read_history(file: Path) -> LabelHistory:
    """Read a journal; a missing file is an empty history, a damaged one raises `InputError`."""
    if not file.exists():
        return LabelHistory(file)
    versions = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            versions.append(_parse_version(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InputError(
                f"{file}, line {number}: not a version of labels; restore the file from a backup, "
                f"or read the data with dataset.labels={ORIGINAL}"
            ) from None
    return LabelHistory(file, tuple(versions))


def _parse_version(entry: dict[str, Any]) -> LabelVersion:
    changes = {
        image: None if labels is None else tuple(sorted(set(map(normalize_name, labels))))
        for image, labels in entry["changes"].items()
    }
    return LabelVersion(**entry | {"changes": changes})


def write_history(file: Path, versions: Sequence[LabelVersion]) -> None:
    """Write the journal atomically."""
    write_text(file, "".join(json.dumps(asdict(version)) + "\n" for version in versions))


def labels_fingerprint(overrides: LabelOverrides) -> str:
    """Hash of the overrides; empty if there are none."""
    text = json.dumps(sorted(overrides.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if overrides else ""


def format_labels(labels: Labels) -> str:
    """Labels as written in a file of decisions: "dress", "dress|shirt", "exclude"."""
    return "|".join(labels) or "exclude"
