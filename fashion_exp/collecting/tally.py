"""How far a collection has come, by what its manifest says and its folder holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fashion_exp.collecting.manifest import Entry, Manifest
from fashion_exp.collecting.plan import Plan, target


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


def tally(plan: Plan, manifest: Manifest, into: Path) -> list[Tally]:
    """One for each class of the plan, in its order."""
    return [_of_class(plan, manifest, into, label) for label in plan.classes]


def sound_files(manifest: Manifest, into: Path, label: str) -> set[str]:
    """The SHA-256 of the files that are there for a class and for no other."""
    found = set()
    for sha256 in manifest.hashes:
        outcomes = manifest.classes_with(sha256)
        if label in outcomes:
            there = [name for name, outcome in outcomes.items() if (into / outcome.file).is_file()]
            if there == [label]:
                found.add(sha256)
    return found


def conflicts(manifest: Manifest, into: Path) -> list[list[str]]:
    """The files of each picture that is there under several classes."""
    found = []
    for sha256 in manifest.hashes:
        files = [outcome.file for outcome in manifest.classes_with(sha256).values()]
        there = [file for file in files if (into / file).is_file()]
        if len(there) > 1:
            found.append(there)
    return found


def kept(manifest: Manifest, into: Path) -> list[Entry]:
    """The entries that brought a file which is there, or brought it again."""
    return [
        entry
        for entry in manifest.entries
        if entry.outcome.file and (into / entry.outcome.file).is_file()
    ]


def _of_class(plan: Plan, manifest: Manifest, into: Path, label: str) -> Tally:
    mine = [entry for entry in manifest.entries if entry.candidate.label == label]
    by_status = Counter(entry.outcome.status for entry in mine)
    sound = sound_files(manifest, into, label)
    brought = [e for e in mine if e.outcome.sha256 in sound and e.outcome.status != "copy"]
    colours = Counter(entry.candidate.attributes.get(plan.attribute, "") for entry in brought)
    in_conflict = [files for files in conflicts(manifest, into) if _has(files, label)]
    return Tally(
        label=label,
        wanted=target(plan, label),
        looked_at=len(mine),
        accepted=len(sound),
        copies=by_status["copy"],
        conflicts=len(in_conflict),
        rejected=_kinds(mine, "rejected"),
        failed=_kinds(mine, "failed"),
        colours=dict(sorted(colours.items())),
    )


def _has(files: list[str], label: str) -> bool:
    return any(file.rpartition("/")[0] == label for file in files)


def _kinds(entries: list[Entry], status: str) -> dict[str, int]:
    kinds = Counter(e.outcome.kind for e in entries if e.outcome.status == status)
    return dict(kinds.most_common())
