"""Runs that read different versions of the labels: what of them can still be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from fashion_exp.comparison.run_data import RunData


def contested(members: Sequence[RunData], part: str) -> pd.Index:
    """Ids of the images that some of the runs were judged on by another label than others."""
    found: set[str] = set()
    if len({member.result.facts.get("data_fingerprint") for member in members}) == 1:
        return pd.Index([])
    known, *others = [member.labels(part) for member in members]
    for labels in others:
        shared = known.index.intersection(labels.index)
        found |= set(shared[(known[shared] != labels[shared]).to_numpy()])
        known = pd.concat([known, labels[~labels.index.isin(known.index)]])
    return pd.Index(sorted(found))


def versions_told(members: Sequence[RunData], names: Sequence[str], part: str) -> Iterator[str]:
    """A sentence where the runs read different versions of the labels."""
    read: dict[str, list[str]] = {}
    for member, name in zip(members, names, strict=True):
        read.setdefault(member.label_version, []).append(name)
    if len(read) < 2:
        return
    told = "; ".join(f"{version}: {', '.join(runs)}" for version, runs in read.items())
    count = len(contested(members, part))
    yield (
        f"These runs read different versions of the labels ({told}). They are compared on images "
        f"whose label they agree on; {count} {part} images with another label in some run are left "
        "out. Each run's own accuracy is by its own labels."
    )
