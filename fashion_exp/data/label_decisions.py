"""A file of decisions on labels, as a person has edited it or a page has exported it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.data.csv_lists import read_list
from fashion_exp.data.label_versions import Labels, State, spoken
from fashion_exp.data.sources.classes import normal
from fashion_exp.errors import InputError, suggest

KEEP, EXCLUDE, BETWEEN = "keep", "exclude", "|"
COLUMNS = ("image_id", "given", "decision")
"""The columns that are needed; others may stand beside them."""


@dataclass(frozen=True)
class Decision:
    """One row that says something: `where` is file and line, for messages."""

    where: str
    image_id: str
    given: str
    """The label that the person saw, as `spoken` has it."""
    decision: str
    """keep, exclude, a class, or several: "dress|shirt"."""


def read_decisions(file: Path) -> list[Decision]:
    """The rows of a CSV file whose decision is not empty.

    Raises `InputError` for a file that is none of decisions.
    """
    rows = ((row.where, *(row.cells[name] for name in COLUMNS)) for row in read_list(file, COLUMNS))
    return [
        Decision(where, image, normal(given), normal(decision))
        for where, image, given, decision in rows
        if decision
    ]


def data_named(file: Path) -> Path | None:
    """The folder or list that a file of decisions says it is about, in its column `data`.

    Raises `InputError` where it names several.
    """
    named = {row.cells.get("data", "") for row in read_list(file, ())} - {""}
    if len(named) > 1:
        raise InputError(f"{file}: is about {len(named)} data sets; apply a file for each")
    return Path(named.pop()) if named else None


def decided(
    decisions: Collection[Decision],
    given: Mapping[str, Labels],
    classes: Collection[str],
    place: str,
) -> dict[str, Labels]:
    """Image id → labels, of decisions on images whose labels are now as in `given`.

    What stands already as decided is no conflict. Raises `InputError`, with file and line, for an
    image that is not in `place`, for a class that is not in `classes`, for two different decisions
    on one image, and where the label is no longer the one that the person saw; and for a class
    called keep or exclude.
    """
    for word in (KEEP, EXCLUDE):
        if word in classes:
            raise InputError(f"{place}: a class is called '{word}', a word of decisions; rename it")
    found: dict[str, Labels] = {}
    first: dict[str, str] = {}
    for one in decisions:
        if one.image_id not in given:
            raise InputError(
                f"{one.where}: no image {one.image_id!r} in {place}; images go by their content, "
                "so a changed file is another image"
            )
        now = given[one.image_id]
        labels = now if one.decision == KEEP else _labels(one, classes)
        if found.setdefault(one.image_id, labels) != labels:
            raise InputError(
                f"{one.where}: a second decision on image {one.image_id}, another than in "
                f"{first[one.image_id]}; keep one of them"
            )
        first[one.image_id] = one.where
        if not (_same(one.given, now) or (labels == now and one.decision != KEEP)):
            raise InputError(
                f"{one.where}: image {one.image_id} is labelled {spoken(now)} now, not "
                f"{one.given or 'empty'}; look at it again, and mend 'given' if the decision stands"
            )
    return found


def _same(given: str, now: Labels) -> bool:
    return given == spoken(now) or tuple(sorted(given.split(BETWEEN))) == now


def _labels(one: Decision, classes: Collection[str]) -> Labels:
    if one.decision == EXCLUDE:
        return ()
    whole = [one.decision] if one.decision in classes else one.decision.split(BETWEEN)
    names = sorted({name.strip() for name in whole})
    for name in names:
        if name in (KEEP, EXCLUDE):
            raise InputError(f"{one.where}: '{name}' stands alone; several classes by |")
        if name not in classes:
            words = [*classes, KEEP, EXCLUDE]
            hint = suggest(name, words) or "several are separated by |"
            raise InputError(
                f"{one.where}: no class '{name}'; {hint}; a new one needs --new-class '{name}'"
            )
    return tuple(names)


def counts(state: State, own: Mapping[str, Labels]) -> dict[str, int]:
    """How many of the decisions in force relabel, name several, exclude, or keep."""
    kinds = dict.fromkeys(("relabelled", "several", "excluded", "kept"), 0)
    for image, labels in state.items():
        if len(labels) == 1:
            kinds["kept" if own.get(image) == labels else "relabelled"] += 1
        else:
            kinds["several" if labels else "excluded"] += 1
    return kinds
