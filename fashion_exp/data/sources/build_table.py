"""The image table from a source's items: copies, label conflicts, official parts and groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from fashion_exp.data.table import (
    COLUMNS,
    SHARE_COLUMN,
    ImageReader,
    ImageTable,
    SubsetReader,
    left_out_table,
    share_names,
)

ITEM_COLUMNS = ("path", "file", "label", "part", "image_id", "group_id")
"""Columns of a source's items. An item is a path that leads to an image; `file` distinguishes
several paths to one file from copies (the real path); `label` is the class name; the other columns
are those of the image table."""

_DTYPES = dict.fromkeys(COLUMNS, str) | {"label": np.int64, "copies": np.int64}
_PART_PRIORITY = {"test": 0, "validation": 1, "train": 2, "": 3}


def build_table(
    name: str,
    items: pd.DataFrame,
    classes: Sequence[str],
    read: ImageReader,
    native_size: int,
    left_out: Iterable[tuple[str, str]] = (),
    notes: Sequence[str] = (),
    read_options: str = "",
    source_files: tuple[str, ...] = (),
) -> ImageTable:
    """The image table of `items` (`ITEM_COLUMNS`), whose i-th row is row i of `read`.

    Items may have a further column `shares`, ((class, share), …), of which `label` is the largest.
    Copies within a class become one row. An image with several classes is left out completely. An
    image in several official parts stays in one: test before validation before train. Groups that
    share an image are merged. `left_out` has (path, reason) of further files.
    """
    items = items.assign(group_id=merge_groups(items), position=np.arange(len(items)))
    copies = items.groupby("image_id")["file"].nunique()
    label = "shares" if "shares" in items else "label"
    is_conflict = items.groupby("image_id")[label].transform("nunique") > 1
    usable = items[~is_conflict].sort_values("path", kind="stable")
    usable = usable.sort_values("part", key=lambda part: part.map(_PART_PRIORITY), kind="stable")
    images = usable.drop_duplicates("image_id")
    images = images.assign(
        label=images["label"].map({name: label for label, name in enumerate(classes)}),
        copies=images["image_id"].map(copies),
    )
    images = images.astype(_DTYPES).sort_values(["label", "image_id"])
    if "shares" in images:
        images = images.join(share_columns(images["shares"], classes))
    return ImageTable(
        name=name,
        rows=images[[*COLUMNS, *share_names(images)]].reset_index(drop=True),
        classes=tuple(classes),
        read=SubsetReader(read, images["position"].to_numpy()),
        native_size=native_size,
        left_out=left_out_table([*left_out, *_label_conflicts(items[is_conflict])]),
        notes=(*notes, *_notes(usable, images, classes)),
        read_options=read_options,
        source_files=source_files,
        copy_paths=_copy_paths(usable[usable["image_id"].map(copies) > 1]),
    )


def share_columns(shares: pd.Series, classes: Sequence[str]) -> pd.DataFrame:
    """The columns y_<class> of images with ((class, share), …)."""
    columns = {f"{SHARE_COLUMN}{name}": [dict(row).get(name, 0.0) for row in shares]
               for name in classes}  # fmt: skip
    return pd.DataFrame(columns, index=shares.index, dtype=np.float64)


def _copy_paths(items: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """{image id: paths of its files}."""
    files = items.drop_duplicates("file").sort_values("path", kind="stable")
    return {str(image): tuple(paths) for image, paths in files.groupby("image_id")["path"]}


def merge_groups(items: pd.DataFrame) -> pd.Series:
    """The group of each row after merging groups that share an image, named by the first of them.

    Merging is transitive (union-find): if one image joins a and b, and another b and c, all three
    become one group.
    """
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while (next_group := parent.get(group, group)) != group:
            group = next_group
        return group

    pairs = items[["image_id", "group_id"]].drop_duplicates()
    shared = pairs[pairs["image_id"].duplicated(keep=False)].sort_values("group_id")
    for _, groups in shared.groupby("image_id")["group_id"]:
        first, *others = sorted({root(group) for group in groups})
        parent.update(dict.fromkeys(others, first))
    return items["group_id"].map(root)


def _label_conflicts(items: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """(path, reason) of every file; all items show images with several classes."""
    ordered = items.sort_values("path", kind="stable")
    rows = list(zip(ordered["image_id"], ordered["label"], ordered["path"], strict=True))
    first_paths: dict[str, dict[str, str]] = {}
    for image, label, path in rows:
        first_paths.setdefault(image, {}).setdefault(label, path)
    is_first = ~ordered["file"].duplicated()
    for image, label, path in [row for row, first in zip(rows, is_first, strict=True) if first]:
        others = " and ".join(
            f"{other} in {other_path}"
            for other, other_path in first_paths[image].items()
            if other != label
        )
        yield path, f"label conflict: {label} here, {others}"


def _notes(usable: pd.DataFrame, images: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """Notes on copies and parts; `usable` has all items, `images` the one used of each image."""
    notes = []
    if copies := int(images["copies"].sum()) - len(images):
        notes.append(f"Exact copies of other images, counted but not used: {copies}.")
    moved = usable.merge(images[["image_id", "part"]], on="image_id", suffixes=("", "_used"))
    moved = moved[moved["part"] != moved["part_used"]].drop_duplicates(["image_id", "part"])
    for (part, part_used), rows in moved.groupby(["part", "part_used"]):
        notes.append(
            f"Images of {part} that are also in {part_used}, used only there: {len(rows)}."
        )
    for part in [part for part in _PART_PRIORITY if part and (images["part"] == part).any()]:
        present = set(images.loc[images["part"] == part, "label"])
        if missing := [name for label, name in enumerate(classes) if label not in present]:
            notes.append(f"The official part {part} has no image of {', '.join(missing)}.")
    return notes
