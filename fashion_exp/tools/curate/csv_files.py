"""Updates quarantine.csv and groups.csv without changing lines that a person wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.data.csv_lists import write_csv_rows
from fashion_exp.data.sources.curation_lists import (
    FINE,
    GROUP_COLUMN,
    REASON_COLUMN,
    canonical_path,
    read_curation_list,
)
from fashion_exp.errors import InputError, os_error_reason
from fashion_exp.inspection.duplicates import FEATURES, Group
from fashion_exp.inspection.image_tree import ImageTree
from fashion_exp.tools.curate.findings import Finding

CHECK, DUPLICATES, EMBEDDINGS = "check", "duplicates", "embeddings"
"""Values of the column `by` in generated lines; any other value marks a manual line."""

CsvRow = Mapping[str, str]


@dataclass(frozen=True)
class ManualGroups:
    """Manual lines of groups.csv, by paths as in `ImageFile.path`."""

    groups: Mapping[str, str]
    """{path: group name}."""
    excluded: frozenset[str]
    """Paths with an empty group: these images join no group."""


def write_quarantine(root: Path, list_file: Path, findings: Sequence[Finding]) -> tuple[int, int]:
    """Replaces the generated lines of the list; returns the numbers of generated and manual lines.

    A file with a manual line gets no generated one. Raises `InputError` for a malformed list, which
    stays unchanged, or if the list cannot be written.
    """
    old_rows = [row.cells for row in read_curation_list("quarantine", list_file, REASON_COLUMN)]
    manual = [r for r in old_rows if r.get("by") != CHECK or r[REASON_COLUMN].casefold() == FINE]
    manual_paths = {canonical_path(root, row["path"]) for row in manual}
    reasons = {f.file.path: f.detail for f in reversed(findings) if f.is_quarantined}
    generated = [
        {"path": path, REASON_COLUMN: detail, "by": CHECK}
        for path, detail in sorted(reasons.items())
        if canonical_path(root, path) not in manual_paths
    ]
    _write_if_changed(list_file, REASON_COLUMN, old_rows, [*manual, *generated])
    return len(generated), len(manual)


def read_manual_groups(tree: ImageTree, list_file: Path) -> ManualGroups:
    """Matches paths in any spelling. Raises `InputError` for a malformed list."""
    paths = {canonical_path(tree.root, image.path): image.path for image in tree.images}
    groups = {
        paths[key]: row[GROUP_COLUMN]
        for row in _manual_group_rows(list_file)
        if (key := canonical_path(tree.root, row["path"])) in paths
    }
    named = {path: group for path, group in groups.items() if group}
    return ManualGroups(named, frozenset(groups.keys() - named.keys()))


def _manual_group_rows(list_file: Path) -> list[CsvRow]:
    rows = [row.cells for row in read_curation_list("groups", list_file, GROUP_COLUMN)]
    return [r for r in rows if r.get("by") not in (DUPLICATES, EMBEDDINGS) or not r[GROUP_COLUMN]]


def write_groups(root: Path, list_file: Path, groups: Sequence[Group]) -> int:
    """Replaces the generated lines of the list; raises `InputError` like `write_quarantine`.

    Returns the number of files that were grouped by network features and no longer are.
    """
    old_rows = [row.cells for row in read_curation_list("groups", list_file, GROUP_COLUMN)]
    manual = _manual_group_rows(list_file)
    manual_paths = {canonical_path(root, row["path"]) for row in manual}
    generated = [
        {
            "path": member.path,
            GROUP_COLUMN: group.name,
            "by": EMBEDDINGS if FEATURES in group.kinds else DUPLICATES,
        }
        for group in groups
        for member in group.members
        if canonical_path(root, member.path) not in manual_paths
    ]
    _write_if_changed(list_file, GROUP_COLUMN, old_rows, [*manual, *generated])
    old_paths = {row["path"] for row in old_rows if row.get("by") == EMBEDDINGS}
    return len(old_paths - {row["path"] for row in generated})


def _write_if_changed(
    list_file: Path, column: str, old_rows: Sequence[CsvRow], rows: Sequence[CsvRow]
) -> None:
    """A folder without findings thus gets no list."""
    if list(old_rows) == list(rows):
        return
    try:
        write_csv_rows(list_file, ("path", column, "by"), rows)
    except OSError as error:
        raise InputError(
            f"'{list_file}' cannot be written: {os_error_reason(error)}; choose another file "
            "with --list FILE"
        ) from error
