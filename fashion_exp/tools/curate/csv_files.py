"""quarantine.csv and groups.csv written anew, with every line kept that a person wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.data.csv_lists import write_list
from fashion_exp.data.decode import reason
from fashion_exp.data.sources.curation_lists import FINE, GROUP, REASON, place_of, read_lines
from fashion_exp.errors import InputError
from fashion_exp.tools.curate.duplicates import FEATURES, Group
from fashion_exp.tools.curate.findings import Finding
from fashion_exp.tools.curate.image_tree import Folder

CHECK, DUPLICATES, EMBEDDINGS = "check", "duplicates", "embeddings"
"""What `by` says of a line of ours; any other, or none, is a person's."""

Cells = Mapping[str, str]


@dataclass(frozen=True)
class Hand:
    """What people have written about groups, by the paths of the places found."""

    together: Mapping[str, str]
    """{path: name of its group}."""
    alone: frozenset[str]
    """Files that are in no group, whatever they look like."""


def write_quarantine(root: Path, file: Path, findings: Sequence[Finding]) -> tuple[int, int]:
    """Puts what must not be trained on into the list; gives the counts of ours and of theirs.

    A file that a person's line names is left to it. Raises `InputError` for a list that is
    ill-formed, which stays as it is, or that cannot be written.
    """
    before = [row.cells for row in read_lines("quarantine", file, REASON)]
    theirs = [c for c in before if c.get("by") != CHECK or c[REASON].casefold() == FINE]
    named = {place_of(root, cells["path"]) for cells in theirs}
    reasons = {f.place.path: f.detail for f in reversed(findings) if f.leaves_out}
    ours = [
        {"path": path, REASON: why, "by": CHECK}
        for path, why in sorted(reasons.items())
        if place_of(root, path) not in named
    ]
    _write(file, REASON, before, [*theirs, *ours])
    return len(ours), len(theirs)


def read_hand(folder: Folder, file: Path) -> Hand:
    """What people have written into groups.csv; raises `InputError` for a list that is ill-formed.

    However they spell a path.
    """
    paths = {place_of(folder.root, place.path): place.path for place in folder.pictures}
    said = {
        paths[place]: cells[GROUP]
        for cells in _of_people(file)
        if (place := place_of(folder.root, cells["path"])) in paths
    }
    together = {path: group for path, group in said.items() if group}
    return Hand(together, frozenset(said.keys() - together.keys()))


def _of_people(file: Path) -> list[Cells]:
    rows = [row.cells for row in read_lines("groups", file, GROUP)]
    ours = (DUPLICATES, EMBEDDINGS)
    return [cells for cells in rows if cells.get("by") not in ours or not cells[GROUP]]


def write_groups(root: Path, file: Path, groups: Sequence[Group]) -> int:
    """Puts the files of each group into the list; raises `InputError` as `write_quarantine`.

    Gives the count of files that were in a group by their features and are in none any more.
    """
    before = [row.cells for row in read_lines("groups", file, GROUP)]
    theirs = _of_people(file)
    named = {place_of(root, cells["path"]) for cells in theirs}
    ours = [
        {"path": member.place.path, GROUP: group.name, "by": by}
        for group in groups
        for by in [EMBEDDINGS if FEATURES in group.kinds else DUPLICATES]
        for member in group.members
        if place_of(root, member.place.path) not in named
    ]
    _write(file, GROUP, before, [*theirs, *ours])
    grouped = {cells["path"] for cells in ours}
    alike = {cells["path"] for cells in before if cells.get("by") == EMBEDDINGS}
    return len(alike - grouped)


def _write(file: Path, column: str, before: Sequence[Cells], rows: Sequence[Cells]) -> None:
    """Only where something changes: a folder without findings stays without a list."""
    if list(before) == list(rows):
        return
    try:
        write_list(file, ("path", column, "by"), rows)
    except OSError as error:
        raise InputError(
            f"'{file}' cannot be written: {reason(error)}; name another file by --list"
        ) from error
