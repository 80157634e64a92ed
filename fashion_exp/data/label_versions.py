"""Versions of a data set's labels: a journal beside the photos, which are never touched.

Labels are kept by the content of the image, so that copies follow and moving a file changes
nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import write_text
from fashion_exp.errors import InputError, suggest

ORIGINAL = "none"
"""The name of the labels as the folders or the list have them."""
CURRENT = "current"
JOURNAL = "label_versions.jsonl"

Labels = tuple[str, ...]
"""The classes of an image, sorted; none: the image is excluded."""
State = Mapping[str, Labels]
"""Image id → labels, of the images that a person has decided on; all others keep their own."""


@dataclass(frozen=True)
class Version:
    """A line of the journal: what it changed against the line before."""

    version: str
    """v1, v2, …"""
    parent: str
    """The version before; `ORIGINAL` for the first."""
    fingerprint: str
    """Of all labels decided on, see `fingerprint`."""
    time: str
    changes: Mapping[str, Labels | None]
    """Image id → its labels from here on; None: its own again."""
    counts: Mapping[str, int]
    """Of the decisions in force: relabelled, several, excluded, kept."""
    decisions: str = ""
    """The file that was applied; empty where an earlier version was taken up again."""
    sha256: str = ""
    """Of that file."""
    restores: str = ""
    """The earlier version that this one takes up again."""
    by_name: bool = False
    """Whether a person named that version, and did not undo another."""


@dataclass(frozen=True)
class History:
    """All versions of one data set, oldest first."""

    file: Path
    versions: tuple[Version, ...] = ()

    @property
    def current(self) -> str:
        return self.versions[-1].version if self.versions else ORIGINAL

    def state(self, name: str) -> dict[str, Labels]:
        """The decisions in force at a version. Raises `InputError` if there is no such one."""
        state: dict[str, Labels] = {}
        for version in self.versions[: self._place(name) + 1]:
            for image, labels in version.changes.items():
                state.pop(image, None)
                if labels is not None:
                    state[image] = labels
        return state

    def find(self, name: str) -> Version | None:
        """A version by its name; None for the original labels."""
        place = self._place(name)
        return None if place < 0 else self.versions[place]

    def before(self, name: str) -> str | None:
        """What undoing a version leads to, past what was undone already; None: nothing is left."""
        version = self.find(name)
        if version is None:
            return None
        undid = version.restores and not version.by_name
        return self.before(version.restores) if undid else version.parent

    def _place(self, name: str) -> int:
        names = [version.version for version in self.versions]
        if name == ORIGINAL:
            return -1
        if name not in names:
            hint = suggest(name, [ORIGINAL, *names])
            raise InputError(f"{self.file}: no version '{name}' of the labels; {hint}")
        return names.index(name)


def journal_of(data: Path) -> Path:
    """Where the versions of a folder of photos, or of a list of them, are kept."""
    return data / JOURNAL if data.is_dir() else data.with_name(f"{data.stem}.{JOURNAL}")


def read_history(file: Path) -> History:
    """Raises `InputError` for a journal that is damaged: nothing is guessed about labels."""
    if not file.exists():
        return History(file)
    versions = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            versions.append(_version(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InputError(
                f"{file}, line {number}: not a version of labels; put back the file as it was, or "
                f"read the data with dataset.labels={ORIGINAL}"
            ) from None
    return History(file, tuple(versions))


def _version(told: dict[str, Any]) -> Version:
    changes = {
        image: None if labels is None else tuple(labels)
        for image, labels in told["changes"].items()
    }
    return Version(**told | {"changes": changes})


def write_history(file: Path, versions: Sequence[Version]) -> None:
    """The journal, whole or as it was before."""
    write_text(file, "".join(json.dumps(asdict(version)) + "\n" for version in versions))


def fingerprint(state: State) -> str:
    """Hash of which images are decided on and how; empty where none is."""
    listed = json.dumps(sorted(state.items()))
    return hashlib.sha256(listed.encode()).hexdigest()[:16] if state else ""


def spoken(labels: Labels) -> str:
    """Labels as a file of decisions has them: "dress", "dress|shirt", "exclude"."""
    return "|".join(labels) or "exclude"
