"""What a user has written about a run: its name, a note and tags."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from fashion_exp.atomic_io import read_json, write_json

ANNOTATIONS_FILE = "annotations.json"


@dataclass(frozen=True)
class Annotations:
    name: str = ""
    """Shown instead of the name that the run made from its options; empty: none was given."""
    note: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    untracked: bool = False
    """Whether the tracking store lacks a change, because it could not be used."""
    removed_tags: list[str] = field(default_factory=list)
    """Tags that are still to be removed from the tracking store."""


def load_annotations(run: Path) -> Annotations:
    """Empty if the run has none. Raises `InputError` if the file is damaged."""
    file = run / ANNOTATIONS_FILE
    if not file.exists():
        return Annotations()
    content = read_json(file)
    names = {item.name for item in fields(Annotations)}
    return Annotations(**{name: content[name] for name in content if name in names})


def save_annotations(run: Path, annotations: Annotations) -> None:
    write_json(run / ANNOTATIONS_FILE, asdict(annotations))
