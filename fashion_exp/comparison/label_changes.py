"""Compares runs that used different versions of the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from fashion_exp.errors import InputError

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData
    from fashion_exp.comparison.scored_run import ScoredRun


def conflicting_images(runs: Sequence[ScoredRun], part: str) -> pd.Index:
    """Ids of the images that do not have the same label in all runs."""
    if len({run.data_fingerprint for run in runs}) == 1:
        return pd.Index([])
    labels = pd.concat([run.labels(part) for run in runs])
    counts = labels.groupby(level=0).nunique()
    return counts.index[counts > 1]


def refuse_other_targets(runs: Sequence[RunData]) -> None:
    """Raises `InputError` for runs of which some predict one class and others several at once."""
    first = runs[0]
    for run in runs[1:]:
        if _predicts_several(run) != _predicts_several(first):
            several, other = (run, first) if _predicts_several(run) else (first, run)
            raise InputError(
                f"{several.name} was trained with training.targets=several and {other.name} was "
                "not: the accuracy of the one counts exact matches, that of the other single "
                "classes; compare runs of one kind"
            )


def _predicts_several(run: RunData) -> bool:
    return bool(run.options.get("training.targets") == "several")


def describe_label_versions(
    runs: Sequence[RunData], names: Sequence[str], part: str
) -> Iterator[str]:
    """A sentence if the runs used different versions of the labels."""
    names_by_version: dict[str, list[str]] = {}
    for run, name in zip(runs, names, strict=True):
        names_by_version.setdefault(run.label_version, []).append(name)
    count = len(conflicting_images(runs, part))
    if len(names_by_version) < 2 and not count:
        return
    versions = "; ".join(f"{v}: {', '.join(names)}" for v, names in names_by_version.items())
    what = f"versions of the labels ({versions})" if len(names_by_version) > 1 else "labels"
    yield (
        f"These runs used different {what}. They are compared on the "
        f"images whose label is the same in all runs; {count} {part} images with different labels "
        "are excluded. The accuracy of each run is measured with its own labels."
    )
