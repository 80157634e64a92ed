"""CSV files of label decisions, edited by a person or exported by the review page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.data.csv_lists import read_csv_rows
from fashion_exp.data.label_shares import SEPARATOR, label_names
from fashion_exp.data.label_versions import LabelOverrides, Labels, format_labels
from fashion_exp.data.sources.classes import normalize_name
from fashion_exp.errors import InputError, suggest

KEEP, EXCLUDE = "keep", "exclude"
DECISION_COLUMNS = ("image_id", "given", "decision")
"""Required columns; others are ignored."""


@dataclass(frozen=True)
class Decision:
    """A row with a decision."""

    location: str
    """File and line, for messages."""
    image_id: str
    given: str
    """The label that the person saw, in the form of `format_labels`."""
    decision: str
    """keep, exclude, a class, or several classes: "dress|shirt"."""


def read_decisions(file: Path) -> list[Decision]:
    """The rows whose decision is not empty; raises `InputError` for an invalid file."""
    return [
        Decision(
            row.location,
            row.cells["image_id"],
            normalize_name(row.cells["given"]),
            normalize_name(row.cells["decision"]),
        )
        for row in read_csv_rows(file, DECISION_COLUMNS)
        if row.cells["decision"]
    ]


def read_data_path(file: Path) -> Path | None:
    """The folder or manifest that the column `data` names; raises `InputError` for several."""
    paths = {row.cells.get("data", "") for row in read_csv_rows(file, ())} - {""}
    if len(paths) > 1:
        raise InputError(f"{file}: names {len(paths)} data sets; use one file for each")
    return Path(paths.pop()) if paths else None


def resolve_decisions(
    decisions: Collection[Decision],
    current: Mapping[str, Labels],
    classes: Collection[str],
    data: str,
) -> dict[str, Labels]:
    """{image id: labels} from decisions on images whose labels are now `current`.

    A decision that is already in force is no conflict. Raises `InputError`, with file and line, for
    an image that is not in `data`, a class that is not in `classes`, conflicting decisions on one
    image, and a label that is no longer the one the person saw; and for a class named keep or
    exclude.
    """
    for keyword in (KEEP, EXCLUDE):
        if keyword in classes:
            raise InputError(
                f"{data}: the class name '{keyword}' is reserved for decisions; rename the class"
            )
    resolved: dict[str, Labels] = {}
    locations: dict[str, str] = {}
    for decision in decisions:
        image = decision.image_id
        if image not in current:
            raise InputError(
                f"{decision.location}: no image {image!r} in {data}; image ids are hashes of the "
                "content, so a changed file is a new image"
            )
        labels = current[image] if decision.decision == KEEP else _parse(decision, classes)
        if resolved.setdefault(image, labels) != labels:
            raise InputError(
                f"{decision.location}: the decision on image {image} differs from the one in "
                f"{locations[image]}; keep one of them"
            )
        locations[image] = decision.location
        is_in_force = labels == current[image] and decision.decision != KEEP
        if not is_in_force and not _is_same_label(decision.given, current[image]):
            raise InputError(
                f"{decision.location}: image {image} is labeled {format_labels(current[image])} "
                f"now, not {decision.given or 'empty'}; review it again, and correct 'given' if "
                "the decision stands"
            )
    return resolved


def _is_same_label(given: str, labels: Labels) -> bool:
    names = {name for label in labels for name in label_names(label)}
    return given == format_labels(labels) or {*label_names(given)} == names


def _parse(decision: Decision, classes: Collection[str]) -> Labels:
    text = decision.decision
    if text == EXCLUDE:
        return ()
    # A class name may contain the separator.
    parts = [text] if text in classes else text.split(SEPARATOR)
    names = sorted({part.strip() for part in parts})
    for name in names:
        if name in (KEEP, EXCLUDE):
            raise InputError(
                f"{decision.location}: '{name}' cannot be combined with a class; use it alone"
            )
        if name not in classes:
            hint = suggest(name, [*classes, KEEP, EXCLUDE]) or "separate several classes by |"
            raise InputError(
                f"{decision.location}: no class '{name}'; {hint}; a new one needs "
                f"--new-class '{name}'"
            )
    return tuple(names)


def count_changes(overrides: LabelOverrides, original: Mapping[str, Labels]) -> dict[str, int]:
    """Number of overrides that relabel, assign several labels, exclude, or keep."""
    counts = dict.fromkeys(("relabelled", "several", "excluded", "kept"), 0)
    for image, labels in overrides.items():
        if len(labels) == 1:
            counts["kept" if original.get(image) == labels else "relabelled"] += 1
        else:
            counts["several" if labels else "excluded"] += 1
    return counts
