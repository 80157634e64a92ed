"""The photos of a user that a run has never seen, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fashion_exp.data.image_files import content_ids
from fashion_exp.errors import InputError
from fashion_exp.inference.sources import list_photos
from fashion_exp.reporting.formats import pluralize

if TYPE_CHECKING:
    from fashion_exp.inference.trained_run import TrainedRun


@dataclass(frozen=True)
class NewPhotos:
    paths: Mapping[str, str]
    """{image id: path} of the photos that are new to all runs, in the order given."""
    all_ids: frozenset[str]
    """Image ids of all readable photos, those of the runs too."""
    own: int
    """Photos of the runs themselves."""
    copies: int
    """Further files with the content of a new photo."""
    unreadable: int

    def notes(self, undecodable: int = 0) -> list[str]:
        """What was left out, also the new photos that turned out to be `undecodable`."""
        counts = (
            (self.own, "photo", "of the run itself"),
            (self.copies, "further file", "with the content of another"),
            (self.unreadable + undecodable, "photo", "that cannot be read"),
        )
        return [f"Left out: {pluralize(n, noun)} {what}." for n, noun, what in counts if n]


def new_photos(runs: Sequence[TrainedRun], sources: Sequence[str | Path]) -> NewPhotos:
    """The photos of `list_photos(sources)` that are in none of the runs' splits.

    Raises `InputError` if there is none.
    """
    paths = list_photos(sources)
    ids, reasons = content_ids(paths)
    own: set[str] = set()
    for run in runs:
        split = pd.read_csv(run.run.split_file, dtype=str, keep_default_na=False)
        own |= set(split["image_id"])
    first: dict[str, str] = {}
    for path in paths:
        if path in ids and ids[path] not in own:
            first.setdefault(ids[path], path)
    known = sum(image in own for image in ids.values())
    if not first:
        raise InputError(f"{sources[0]}: no photo that is not one of the run's own")
    copies = len(ids) - known - len(first)
    return NewPhotos(first, frozenset(ids.values()), known, copies, len(reasons))
