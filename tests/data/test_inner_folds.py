"""Folds inside a training part keep groups together and classes apart."""

from __future__ import annotations

import numpy as np

from fashion_exp.data.inner_folds import inner_folds


def example() -> tuple[np.ndarray, list[str]]:
    """100 rows of three classes, 60, 30 and 10, in groups of one to four."""
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    rng = np.random.default_rng(0)
    groups = [f"{label}-{rng.integers(count // 2)}" for label, count in
              zip(labels, np.bincount(labels)[labels], strict=True)]  # fmt: skip
    return labels, groups


def test_group_is_never_divided_and_every_row_has_a_fold() -> None:
    labels, groups = example()
    folds = inner_folds(labels, groups, 5, seed=0)
    assert set(folds) == set(range(5)) and len(folds) == 100
    for group in set(groups):
        assert len({fold for fold, own in zip(folds, groups, strict=True) if own == group}) == 1


def test_folds_have_the_shares_of_the_classes() -> None:
    labels, groups = example()
    folds = inner_folds(labels, groups, 5, seed=0)
    counts = np.array([np.bincount(labels[folds == fold], minlength=3) for fold in range(5)])
    assert (abs(counts - np.array([12, 6, 2])) <= [4, 4, 3]).all()


def test_ungrouped_rows_are_spread_evenly() -> None:
    labels = np.arange(100) % 4
    folds = inner_folds(labels, [str(row) for row in range(100)], 5, seed=0)
    counts = np.array([np.bincount(labels[folds == fold], minlength=4) for fold in range(5)])
    assert (counts == 5).all()


def test_fold_depends_on_the_seed_and_not_on_the_order_of_rows() -> None:
    labels, groups = example()
    folds = inner_folds(labels, groups, 5, seed=0)
    order = np.random.default_rng(1).permutation(100)
    shuffled = inner_folds(labels[order], [groups[row] for row in order], 5, seed=0)
    assert np.array_equal(shuffled, folds[order])
    assert not np.array_equal(folds, inner_folds(labels, groups, 5, seed=1))
