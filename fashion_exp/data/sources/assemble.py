"""From what a source has found to the image table: copies, conflicts and official parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from fashion_exp.data.table import COLUMNS, ImageTable, Reader, Selection, left_out_table

FOUND_COLUMNS = ("path", "file", "label", "part", "image_id", "group_id")
"""One row per place where a picture was found. `file` tells places of one file from copies of it
(its real path); `label` is the class by name; the rest is as in the image table."""

PARTS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
"""Accepted names of official parts, and what they mean."""

_TYPES = dict.fromkeys(COLUMNS, str) | {"label": np.int64, "copies": np.int64}
_RANK = {"test": 0, "validation": 1, "train": 2, "": 3}


def assemble(
    name: str,
    found: pd.DataFrame,
    classes: Sequence[str],
    read: Reader,
    native_size: int,
    left_out: Iterable[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    reading: str = "",
    drawn_by: tuple[str, ...] = (),
) -> ImageTable:
    """The image table of `found` (columns `FOUND_COLUMNS`), whose i-th row `read` can read.

    Copies within a class become one row. A picture under two classes is left out wherever it is.
    A picture in two official parts stays in one of them: test before validation before train.
    Groups that share a picture become one group. `left_out`: (path, reason).
    """
    found = found.assign(group_id=merged_groups(found), position=np.arange(len(found)))
    copies = found.groupby("image_id")["file"].nunique()
    conflict = found.groupby("image_id")["label"].transform("nunique") > 1
    sound = found[~conflict].sort_values("path", kind="stable")
    sound = sound.sort_values("part", key=lambda part: part.map(_RANK), kind="stable")
    kept = sound.drop_duplicates("image_id")
    kept = kept.assign(
        label=kept["label"].map({name: label for label, name in enumerate(classes)}),
        copies=kept["image_id"].map(copies),
    )
    kept = kept.astype(_TYPES).sort_values(["label", "image_id"])
    return ImageTable(
        name=name,
        rows=kept[list(COLUMNS)].reset_index(drop=True),
        classes=tuple(classes),
        read=Selection(read, kept["position"].to_numpy()),
        native_size=native_size,
        left_out=left_out_table([*left_out, *_conflicts(found[conflict])]),
        notes=(*notes, *_notes(sound, kept, classes)),
        reading=reading,
        drawn_by=drawn_by,
    )


def merged_groups(found: pd.DataFrame) -> pd.Series:
    """The group of each row after joining groups that share a picture, named by the first of them.

    Joining is transitive: a~b by one picture and b~c by another give one group.
    """
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while (above := parent.get(group, group)) != group:
            group = above
        return group

    pairs = found[["image_id", "group_id"]].drop_duplicates()
    shared = pairs[pairs["image_id"].duplicated(keep=False)].sort_values("group_id")
    for _, groups in shared.groupby("image_id")["group_id"]:
        first, *others = sorted({root(group) for group in groups})
        parent.update(dict.fromkeys(others, first))
    return found["group_id"].map(root)


def _conflicts(found: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """(path, reason) of every row; all are of pictures under several classes."""
    ordered = found.sort_values("path", kind="stable")
    places = list(zip(ordered["image_id"], ordered["label"], ordered["path"], strict=True))
    first: dict[str, dict[str, str]] = {}
    for image, label, path in places:
        first.setdefault(image, {}).setdefault(label, path)
    for image, label, path in places:
        others = [(other, place) for other, place in first[image].items() if other != label]
        elsewhere = " and ".join(f"{other} in {place}" for other, place in others)
        yield path, f"label conflict: {label} here, {elsewhere}"


def _notes(sound: pd.DataFrame, kept: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """`sound`: all places without conflicts, `kept`: the one of each picture that was taken."""
    notes = []
    if spare := int(kept["copies"].sum()) - len(kept):
        notes.append(f"Exact copies of other images, counted and not used twice: {spare}.")
    moved = sound.merge(kept[["image_id", "part"]], on="image_id", suffixes=("", "_kept"))
    moved = moved[moved["part"] != moved["part_kept"]].drop_duplicates(["image_id", "part"])
    for (part, winner), images in moved.groupby(["part", "part_kept"]):
        notes.append(
            f"Pictures of {part} that are also in {winner}, used there only: {len(images)}."
        )
    for part in [part for part in _RANK if part and (kept["part"] == part).any()]:
        there = set(kept.loc[kept["part"] == part, "label"])
        if lacking := [name for label, name in enumerate(classes) if label not in there]:
            notes.append(f"The official part {part} has no image of {', '.join(lacking)}.")
    return notes
