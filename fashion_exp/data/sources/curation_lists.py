"""What was found out of a folder's photos: which to leave out, and which belong together.

Both stand in CSV files beside the photos, written by `data check` and `data duplicates` and edited
by people: quarantine.csv (path, reason) and groups.csv (path, group).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.configuration.schema import DatasetConfig
from fashion_exp.data.csv_lists import Row, read_list
from fashion_exp.data.image_files import printable
from fashion_exp.data.sources.assemble import merged_groups
from fashion_exp.data.sources.classes import normal
from fashion_exp.data.sources.walk import existing_folder, files_directly_in
from fashion_exp.errors import InputError, suggest

QUARANTINE, GROUPS = "quarantine.csv", "groups.csv"
REASON, GROUP = "reason", "group"
"""The column beside `path` of each."""

FINE = "fine"
"""The reason of a photo that a person has looked at and keeps."""

_TOLD = 3
"""Lines named in a note; of more, only the count is told."""


@dataclass(frozen=True)
class Curated:
    """What the lists say, by the place of a photo."""

    root: Path = Path()
    reasons: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def applied(self, listed: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
        """The files listed (`LISTED_COLUMNS`) with their groups, without those in quarantine; and
        those (path, reason). A file with a group of the list's and one of ours joins the two."""
        places = [place_of(self.root, path) for path in listed["path"]]
        away = np.array([place in self.reasons for place in places], dtype=bool)
        left_out = [
            (path, f"quarantined: {self.reasons[place]}")
            for path, place in zip(listed["path"], places, strict=True)
            if place in self.reasons
        ]
        ours = np.array([self.groups.get(place, "") for place in places], dtype=object)
        grouped = listed.assign(group_id=_joined(listed["group_id"].to_numpy(object), ours))
        return grouped[~away].reset_index(drop=True), left_out


def _joined(stated: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """The group of each file after joining the groups that have a file in common; "" for none."""
    files = np.arange(len(stated))
    both = pd.DataFrame(
        {"image_id": np.concatenate([files, files]), "group_id": np.concatenate([stated, ours])},
    )
    both = both[both["group_id"] != ""]
    joined = both.assign(group_id=merged_groups(both)).drop_duplicates("image_id")
    groups = np.full(len(stated), "", dtype=object)
    groups[joined["image_id"].to_numpy(int)] = joined["group_id"].to_numpy(object)
    return groups


def place_of(root: Path, path: str) -> str:
    """What two spellings of one path have in common; `path` is relative to `root` or absolute."""
    return normal(printable(os.path.normpath(os.path.join(os.path.abspath(root), path))))


def read_curated(cfg: DatasetConfig, root: Path) -> Curated:
    """The lists that `cfg` names, else those of their usual names in `root`.

    Raises `InputError` for a list that is named and not there, or ill-formed.
    """
    quarantine = _list_file("dataset.quarantine", cfg.quarantine, root / QUARANTINE)
    groups = _list_file("dataset.groups", cfg.groups, root / GROUPS)
    reasons, no_photo = _read("dataset.quarantine", quarantine, REASON, root)
    together, no_member = _read("dataset.groups", groups, GROUP, root)
    fine = {place for place, reason in reasons if reason.casefold() == FINE}
    members = {place: group for place, group in together if group}
    return Curated(
        root,
        {place: reason for place, reason in reversed(reasons) if place not in fine},
        members,
        tuple(note for note in (no_photo, no_member, _grouped(groups, members)) if note),
    )


def read_lines(key: str, file: Path, column: str) -> list[Row]:
    """The rows of quarantine.csv or groups.csv; none where there is no such file."""
    if not file.exists():
        return []
    rows = read_list(file, ("path", column), ("by",), key)
    for row in rows:
        if not row.cells["path"]:
            raise InputError(f"{row.where} has no path; fill it in or delete the line")
    return rows


def _list_file(key: str, named: str | None, usual: Path) -> Path:
    if named is None:
        return usual
    file = Path(named).expanduser()
    folder = existing_folder(key, str(file.parent))
    if not file.is_file():
        hint = suggest(file.name, files_directly_in(folder)) or "name a CSV file"
        raise InputError(f"{key}: there is no file '{file}'; {hint}")
    return file


def _read(key: str, file: Path, column: str, root: Path) -> tuple[list[tuple[str, str]], str]:
    """(place, cell) of every line, and a note on those that name nothing."""
    rows = read_lines(key, file, column)
    lines = [(place_of(root, row.cells["path"]), row.cells[column]) for row in rows]
    gone = [
        row.cells["path"]
        for row, (place, _) in zip(rows, lines, strict=True)
        if not os.path.lexists(place) and "\\x" not in place
    ]
    return lines, _gone(file, gone)


def _grouped(file: Path, members: Mapping[str, str]) -> str:
    if not members:
        return ""
    count = len(set(members.values()))
    return (
        f"{file.name} puts {len(members)} files into {count} groups, each on one side of a split."
    )


def _gone(file: Path, paths: Sequence[str]) -> str:
    if not paths:
        return ""
    shown = ", ".join(paths[:_TOLD]) + (", …" if len(paths) > _TOLD else "")
    return f"{file.name} names {len(paths)} files that are not there: {shown}."
