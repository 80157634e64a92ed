"""The image table: the common form of all data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd

COLUMNS = ("image_id", "group_id", "path", "label", "part", "copies")
LEFT_OUT_COLUMNS = ("path", "reason")
SHARE_COLUMN = "y_"
"""Begins the name of a column with the share of a class in the label of each image."""
THRESHOLD = "t_"
"""Begins the name of a column of predictions with the probability from which on a class is
predicted, if an image may have several."""


def share_names(frame: pd.DataFrame) -> list[str]:
    """The columns of shares, in the order of the classes; none if each image has one class."""
    return [name for name in frame.columns if name.startswith(SHARE_COLUMN)]


class ImageReader(Protocol):
    """Reads the pixels of a row; must be picklable, because loader processes receive it."""

    def __call__(self, row: int) -> np.ndarray:
        """The upright image as uint8: (height, width, 3) RGB or (height, width) grayscale.

        Raises `UnreadableImageError` if it cannot be read.
        """
        ...


class UnreadableImageError(Exception):
    """An image that cannot be read; the message is a short reason."""


class SourceUnavailableError(UnreadableImageError):
    """An image whose bytes are unavailable now but may be readable later."""


def left_out_table(files: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """The table of unused files from pairs of (path, reason)."""
    return pd.DataFrame(list(files), columns=list(LEFT_OUT_COLUMNS), dtype=str)


@dataclass(frozen=True)
class ImageTable:
    """Labeled images, one row per distinct image, and a reader of their pixels.

    `rows` has the columns `COLUMNS` and the index 0 … n-1. It is sorted by class and image id, so
    it does not depend on the order in which the source lists its files:

    * image_id: stable id of the content (hash of the file's bytes; generator, seed and index for
      drawings)
    * group_id: source of the image; a split never divides a group
    * path: path relative to the root of the data set
    * label: index into `classes`
    * part: official part: "train", "validation", "test", or "" if there is none
    * copies: number of files with this content (at least 1); only the first is used

    Unless the targets are single, it also has a column y_<class> for each class: its share in the
    label. The shares of an image sum to 1, and `label` is the class with the largest.
    """

    name: str
    rows: pd.DataFrame
    classes: tuple[str, ...]
    read: ImageReader
    native_size: int
    """Default edge of the network input, px."""
    left_out: pd.DataFrame
    """Files that are not used: path, reason; a row per file, however often it is listed."""
    notes: tuple[str, ...] = ()
    """Sentences about the data for readers of the results."""
    excluded_paths: frozenset[str] = frozenset()
    """Paths in `left_out` that a person excluded; they do not indicate damaged data."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Facts that a run records besides the fingerprint: the version of the labels."""
    read_options: str = ""
    """Options that determine the pixels besides the image id: "drawn_size=128, ambiguous=0.1"."""
    source_files: tuple[str, ...] = ()
    """Modules of this package that draw the images; empty if they are read from image files."""
    copy_paths: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """{image id: paths of all files with this content} of images with copies."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def file_count(self) -> int:
        """Number of distinct files listed: used ones, their copies, and those left out."""
        return int(self.rows["copies"].sum()) + len(self.left_out)

    @property
    def unusable(self) -> pd.DataFrame:
        """The rows of `left_out` that no person excluded."""
        return self.left_out[~self.left_out["path"].isin(self.excluded_paths)]

    @property
    def labels(self) -> np.ndarray:
        """(n,) int64, indices into `classes`."""
        return self.rows["label"].to_numpy(np.int64)

    @property
    def shares(self) -> np.ndarray | None:
        """(n, classes) float64; None if the targets are single."""
        names = share_names(self.rows)
        return self.rows[names].to_numpy(np.float64) if names else None

    def class_names(self) -> list[list[str]]:
        """The classes in the label of each image."""
        shares, names = self.shares, np.asarray(self.classes, dtype=object)
        if shares is None:
            return [[name] for name in names[self.labels]]
        return [list(names[row > 0]) for row in shares]

    @property
    def class_counts(self) -> dict[str, int]:
        """Number of images of each class; one with a label of several counts for each."""
        shares = self.shares
        if shares is None:
            counts = np.bincount(self.labels, minlength=len(self.classes))
        else:
            counts = (shares > 0).sum(axis=0)
        return dict(zip(self.classes, counts.tolist(), strict=True))

    @property
    def part_counts(self) -> dict[str, int]:
        """Number of images of each official part; "" for those in none."""
        return {str(part): int(count) for part, count in self.rows["part"].value_counts().items()}

    @cached_property
    def fingerprint(self) -> str:
        """Hash of image ids, labels, groups and parts; independent of paths."""
        names = ["image_id", "group_id", "label", "part", *share_names(self.rows)]
        columns = self.rows[names].sort_values("image_id")
        text = repr(self.classes) + columns.to_csv(index=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def take(self, rows: Sequence[int] | np.ndarray, left_out: pd.DataFrame) -> ImageTable:
        """The table of these rows; `left_out` (path, reason; a row per file) is appended."""
        rows = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            rows=self.rows.iloc[rows].reset_index(drop=True),
            read=SubsetReader(self.read, rows),
            left_out=pd.concat([self.left_out, left_out], ignore_index=True),
        )


@dataclass(frozen=True)
class SubsetReader:
    """Reads a subset of another reader's rows: row i is row `rows[i]` of `read`."""

    read: ImageReader
    rows: np.ndarray

    def __call__(self, row: int) -> np.ndarray:
        return self.read(int(self.rows[row]))
