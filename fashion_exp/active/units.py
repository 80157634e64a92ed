"""Photos by groups of copies: what is labeled at once, and counts once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Units:
    """Images by groups of copies."""

    rows: Sequence[np.ndarray]
    """Rows of the image table of each unit."""
    labels: np.ndarray
    """(units,): the class of the first image."""

    @classmethod
    def of(cls, rows: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> Units:
        """The units of `rows`; `labels` and `groups` have an entry for every row of the table."""
        order = rows[np.argsort(groups[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(groups[order])) + 1
        members = np.split(order, starts)
        return cls(members, labels[[images[0] for images in members]])

    @property
    def first(self) -> np.ndarray:
        """(units,): the row of each unit's first image."""
        return np.array([images[0] for images in self.rows])

    def images(self, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(rows, shares) of all images of some units; those of a unit share its weight of 1."""
        members = [self.rows[unit] for unit in units]
        sizes = np.array([len(images) for images in members])
        return np.concatenate(members), np.repeat(1 / sizes, sizes)
