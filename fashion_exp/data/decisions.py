"""A file of decisions on labels, as a person has edited it or a page has exported it."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.data.classes import normal
from fashion_exp.data.decode import reason
from fashion_exp.data.label_versions import Labels, State, spoken
from fashion_exp.errors import InputError, nearest

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
    """The rows of a CSV file (UTF-8, commas) whose decision is not empty.

    Raises `InputError` for a file that is none of decisions.
    """
    try:
        # utf-8-sig: spreadsheets put a byte-order mark in front
        with file.open(encoding="utf-8-sig", newline="") as opened:
            return list(_decisions(csv.DictReader(opened, strict=True), file))
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8; save it as that") from None
    except csv.Error as error:
        raise InputError(f"{file}: not a CSV file: {error}") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {reason(error)}") from None


def data_named(file: Path) -> Path | None:
    """The folder or list that a file of decisions says it is about, in its column `data`.

    Raises `InputError` where it names several.
    """
    with file.open(encoding="utf-8-sig", newline="") as opened:
        named = {(row.get("data") or "").strip() for row in csv.DictReader(opened)} - {""}
    if len(named) > 1:
        raise InputError(f"{file}: is about {len(named)} data sets; apply a file for each")
    return Path(named.pop()) if named else None


def _decisions(rows: csv.DictReader[str], file: Path) -> Iterator[Decision]:
    columns = [name.strip() for name in rows.fieldnames or ()]
    for name in COLUMNS:
        if columns.count(name) != 1:
            hint = nearest(name, columns) or "columns are separated by commas"
            wrong = "twice; keep one" if name in columns else f"not; {hint}"
            raise InputError(f"{file}: has the column '{name}' {wrong}")
    rows.fieldnames = columns
    for row in rows:
        where = f"{file}, line {rows.line_num}"
        if None in row:
            raise InputError(f"{where}: more fields than columns; quote a text with a comma")
        image, given, decision = ((row[name] or "").strip() for name in COLUMNS)
        if decision:
            yield Decision(where, image, normal(given), normal(decision))


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
        if name not in classes:
            words = [*classes, KEEP, EXCLUDE]
            hint = nearest(name, words) or "several are separated by |"
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
