"""How far a collection has come, by what its manifest says and its folder holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fashion_exp.tools.collect.manifest import Entry, Manifest
from fashion_exp.tools.collect.plan import Plan, target


@dataclass(frozen=True)
class Tally:
    """Of one class."""

    label: str
    wanted: int
    looked_at: int
    accepted: int
    """Pictures that are there, of this class alone."""
    copies: int
    conflicts: int
    """Pictures that are under another class too: no training uses them until one is removed."""
    rejected: dict[str, int] = field(default_factory=dict)
    """By kind of reason."""
    failed: dict[str, int] = field(default_factory=dict)
    """To be tried again by the next run, by kind of reason."""
    colours: dict[str, int] = field(default_factory=dict)
    """Of the accepted, by the plan's attribute; "" where none was asked for."""


Present = dict[str, dict[str, str]]
"""By SHA-256 the files that are there, each by its class."""


def tally(plan: Plan, manifest: Manifest, into: Path) -> list[Tally]:
    """One for each class of the plan, in its order."""
    there = present(manifest, into)
    entries: dict[str, list[Entry]] = {label: [] for label in plan.classes}
    for entry in manifest.entries:
        if entry.candidate.label in entries:
            entries[entry.candidate.label].append(entry)
    return [_of_class(plan, label, mine, there) for label, mine in entries.items()]


def present(manifest: Manifest, into: Path) -> Present:
    """What the manifest says was taken, as far as nobody has deleted it."""
    found = {}
    for sha256 in manifest.hashes:
        files = {label: one.file for label, one in manifest.classes_with(sha256).items()}
        there = {label: file for label, file in files.items() if (into / file).is_file()}
        if there:
            found[sha256] = there
    return found


def sound(there: Present, label: str) -> set[str]:
    """Of the pictures of a class and of no other the SHA-256."""
    return {sha256 for sha256, files in there.items() if list(files) == [label]}


def conflicts(there: Present) -> list[list[str]]:
    """The files of each picture that is there under several classes."""
    return [list(files.values()) for files in there.values() if len(files) > 1]


def kept(manifest: Manifest, into: Path) -> list[Entry]:
    """The entries that brought a file which is there, or brought it again."""
    return [
        entry
        for entry in manifest.entries
        if entry.outcome.file and (into / entry.outcome.file).is_file()
    ]


def _of_class(plan: Plan, label: str, mine: list[Entry], there: Present) -> Tally:
    statuses = Counter(entry.outcome.status for entry in mine)
    own = sound(there, label)
    brought = [e for e in mine if e.outcome.sha256 in own and e.outcome.status != "copy"]
    colours = Counter(entry.candidate.attributes.get(plan.attribute, "") for entry in brought)
    return Tally(
        label=label,
        wanted=target(plan, label),
        looked_at=len(mine),
        accepted=len(own),
        copies=statuses["copy"],
        conflicts=sum(label in files and len(files) > 1 for files in there.values()),
        rejected=_kinds(mine, "rejected"),
        failed=_kinds(mine, "failed"),
        colours=dict(sorted(colours.items())),
    )


def _kinds(entries: list[Entry], status: str) -> dict[str, int]:
    kinds = Counter(e.outcome.kind for e in entries if e.outcome.status == status)
    return dict(kinds.most_common())
