"""The image table: what a data set is to everything after it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

COLUMNS = ("image_id", "group_id", "path", "label", "part", "copies")
LEFT_OUT_COLUMNS = ("path", "reason")


class Reader(Protocol):
    """Reads the pixels of one row; picklable, so that loader processes can have it."""

    def __call__(self, row: int) -> np.ndarray:
        """The picture as uint8, (height, width, 3) RGB or (height, width) grey, upright.

        Raises `UnreadableImage` if there is none.
        """
        ...


def left_out_table(listed: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Files that were found and not taken, from (path, reason)."""
    return pd.DataFrame(list(listed), columns=list(LEFT_OUT_COLUMNS), dtype=str)


class UnreadableImage(Exception):
    """A picture that cannot be read; the message says why in a few words."""


class OutOfReach(UnreadableImage):
    """One whose bytes could not be had: another time it may be readable."""


@dataclass(frozen=True)
class ImageTable:
    """Labelled images, one row a distinct picture, and the way to their pixels.

    `rows` has the columns of `COLUMNS` and the index 0 … n-1, sorted by class and image id, so
    that it does not depend on the order in which files were found:

    * image_id: stable name of the content (hash of the file's bytes; for drawings generator,
      seed and index)
    * group_id: the source photo; images of one group never stand on two sides of a split
    * path: where it was found, relative to the data set's root
    * label: index into `classes`
    * part: the official part it came in: "train", "validation", "test" or "" where there is none
    * copies: files with this very content (1 or more); only the first is kept
    """

    name: str
    rows: pd.DataFrame
    classes: tuple[str, ...]
    read: Reader
    native_size: int
    """Edge of the network input if nothing else states one, px."""
    left_out: pd.DataFrame
    """Files that were found and not taken: path, reason."""
    notes: tuple[str, ...] = ()
    """What a reader of the results should know about the data, a sentence each."""
    reading: str = ""
    """What decides a picture beside its id: "drawn_size=128, ambiguous=0.1"."""
    drawn_by: tuple[str, ...] = ()
    """The modules of this package that draw the pictures, where they are no files."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def found(self) -> int:
        """Files found: those kept, their copies, and those left out."""
        return int(self.rows["copies"].sum()) + len(self.left_out)

    @property
    def labels(self) -> np.ndarray:
        """(n,) int64, indices into `classes`."""
        return self.rows["label"].to_numpy(np.int64)

    @property
    def class_counts(self) -> dict[str, int]:
        """Images of each class, by its name."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    @property
    def fingerprint(self) -> str:
        """Hash of which images under which labels and groups; not of where they lie."""
        listed = self.rows[["image_id", "group_id", "label", "part"]].sort_values("image_id")
        text = repr(self.classes) + listed.to_csv(index=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def take(self, keep: Sequence[int] | np.ndarray, left_out: pd.DataFrame) -> ImageTable:
        """The table of some rows only, with more files left out (path, reason; a row per copy)."""
        keep = np.asarray(keep, dtype=np.int64)
        return ImageTable(
            self.name,
            self.rows.iloc[keep].reset_index(drop=True),
            self.classes,
            Selection(self.read, keep),
            self.native_size,
            pd.concat([self.left_out, left_out], ignore_index=True),
            self.notes,
            self.reading,
            self.drawn_by,
        )


@dataclass(frozen=True)
class Selection:
    """A reader of some rows of another: row i is its row `rows[i]`."""

    read: Reader
    rows: np.ndarray

    def __call__(self, row: int) -> np.ndarray:
        return self.read(int(self.rows[row]))
