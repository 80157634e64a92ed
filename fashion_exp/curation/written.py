"""quarantine.csv and groups.csv written anew, with every line kept that a person wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fashion_exp.curation.copies import Group, Hand
from fashion_exp.curation.findings import Finding
from fashion_exp.data.curated import FINE, GROUP, REASON, read_lines
from fashion_exp.data.decode import reason
from fashion_exp.data.lists import write_list
from fashion_exp.errors import InputError

CHECK, DUPLICATES = "check", "duplicates"
"""What `by` says of a line of ours; any other, or none, is a person's."""

Cells = Mapping[str, str]


def write_quarantine(file: Path, findings: Sequence[Finding]) -> tuple[int, int]:
    """Puts what must not be trained on into the list; gives the counts of ours and of theirs.

    A file that a person's line names is left to it. Raises `InputError` for a list that is
    ill-formed, which stays as it is, or that cannot be written.
    """
    before = [row.cells for row in read_lines("quarantine", file, REASON)]
    theirs = [c for c in before if c.get("by") != CHECK or c[REASON].casefold() == FINE]
    named = {cells["path"] for cells in theirs}
    reasons = {f.place.path: f.detail for f in reversed(findings) if f.leaves_out}
    ours = [
        {"path": path, REASON: why, "by": CHECK}
        for path, why in sorted(reasons.items())
        if path not in named
    ]
    _write(file, REASON, before, [*theirs, *ours])
    return len(ours), len(theirs)


def read_hand(file: Path) -> tuple[list[Cells], Hand]:
    """The lines of groups.csv that people wrote, and what they say.

    Raises `InputError` for a list that is ill-formed.
    """
    rows = [row.cells for row in read_lines("groups", file, GROUP)]
    theirs = [cells for cells in rows if cells.get("by") != DUPLICATES or not cells[GROUP]]
    together = {cells["path"]: cells[GROUP] for cells in theirs if cells[GROUP]}
    return theirs, Hand(together, frozenset(c["path"] for c in theirs if not c[GROUP]))


def write_groups(file: Path, groups: Sequence[Group]) -> None:
    """Puts the files of each group into the list; raises `InputError` as `write_quarantine`."""
    before = [row.cells for row in read_lines("groups", file, GROUP)]
    theirs, _ = read_hand(file)
    named = {cells["path"] for cells in theirs}
    ours = [
        {"path": member.place.path, GROUP: group.name, "by": DUPLICATES}
        for group in groups
        for member in group.members
        if member.place.path not in named
    ]
    _write(file, GROUP, before, [*theirs, *ours])


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
