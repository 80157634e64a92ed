"""Folds inside a training part, for settings that are chosen without validation images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from fashion_exp.seeding import derive_seeds


def inner_folds(labels: np.ndarray, groups: Sequence[str], folds: int, seed: int) -> np.ndarray:
    """The fold of each row, (n,): groups undivided, and each class spread over the folds.

    Groups are dealt out class by class in an order that depends on `seed` and their names alone,
    each to the fold with the fewest rows of its class. A group of several classes counts as one of
    the first of them. `labels` are (n,).
    """
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    order = dict(zip(members, derive_seeds(("inner folds", seed), members), strict=True))
    numbers = np.empty(len(labels), dtype=np.int64)
    counts = np.zeros((labels.max() + 1, folds), dtype=np.int64)
    for group in sorted(members, key=order.__getitem__):
        rows = members[group]
        label = labels[rows].min()
        # Ties go to the smallest fold, so that small classes do not all start in the first.
        fold = min(range(folds), key=lambda f: (counts[label, f], counts[:, f].sum(), f))
        numbers[rows] = fold
        np.add.at(counts[:, fold], labels[rows], 1)
    return numbers
