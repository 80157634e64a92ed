"""Which predictions belong to one training, fold and repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from fashion_exp.errors import InputError
from fashion_exp.judging.columns import Predictions


@dataclass(frozen=True)
class Models:
    """The scores of a tool's models, with a row per model and a column per item."""

    keys: tuple[tuple[int, int], ...]
    """Repeat and fold of each model, sorted."""
    scores: np.ndarray
    """(models, items); nan: not predicted."""
    has_own_items: bool
    """Whether the folds of a repeat, or the repeats, judged items of their own."""
    redrawn: bool
    """Whether each repeat has its own split."""
    train_sizes: Sequence[int] | None
    """Training items of each model, if the folds of a repeat are a partition."""
    notes: tuple[str, ...] = ()

    @property
    def judged(self) -> np.ndarray:
        """(items,) whether any model predicted it."""
        return np.asarray(~np.isnan(self.scores).all(axis=0))

    def select(self, items: np.ndarray) -> Models:
        return replace(self, scores=self.scores[:, items])


def arrange_models(
    name: str,
    tables: Sequence[Predictions],
    codes: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    items: pd.Index,
    unit: str | None,
) -> Models:
    """The models of one tool, from the rows of its tables.

    `codes` are the items and `scores` the scores of the rows, by table. Raises `InputError` if a
    model has two predictions of an item, or if nothing says what several tables are.
    """
    repeat, fold = _numbers(name, tables, unit)
    rows = np.concatenate(codes) if len(codes) > 1 else codes[0]
    values = np.concatenate(scores) if len(scores) > 1 else scores[0]
    pairs = repeat * (int(fold.max()) + 1) + fold
    model, distinct = pd.factorize(pairs, sort=True)
    matrix = np.full((len(distinct), len(items)), np.nan)
    matrix[model, rows] = values
    if np.count_nonzero(~np.isnan(matrix)) < len(rows):
        raise _duplicate_error(name, tables, rows, model, items)
    width = int(fold.max()) + 1
    keys = tuple((int(pair) // width, int(pair) % width) for pair in distinct)
    return _design(name, keys, matrix)


def _numbers(
    name: str, tables: Sequence[Predictions], unit: str | None
) -> tuple[np.ndarray, np.ndarray]:
    """The repeat and the fold of each row of all tables."""
    if len(tables) > 1 and unit is None:
        raise InputError(
            f"{name}: {len(tables)} files; --unit repeat says that they are trainings that judged "
            "the same items, --unit fold that they are the folds of one cross-validation"
        )
    repeats, folds = [], []
    for position, table in enumerate(tables):
        zeros = np.zeros(len(table), dtype=np.int64)
        repeat = table.design.get("repeat", table.design.get("seed", zeros))
        fold = table.design.get("fold", zeros)
        if len(tables) > 1:
            own = repeat if unit == "repeat" else fold
            if own.max() > 0:
                raise InputError(
                    f"{table.source}: it has several {unit}s itself; give it alone, or another "
                    "--unit"
                )
            repeat = zeros + position if unit == "repeat" else repeat
            fold = zeros + position if unit == "fold" else fold
        repeats.append(repeat)
        folds.append(fold)
    return np.concatenate(repeats), np.concatenate(folds)


def _duplicate_error(
    name: str,
    tables: Sequence[Predictions],
    rows: np.ndarray,
    model: np.ndarray,
    items: pd.Index,
) -> InputError:
    """Says that a model has several predictions of an item."""
    copies = pd.DataFrame({"model": model, "row": rows}).duplicated()
    item = rows[int(np.flatnonzero(copies)[0])]
    has = sorted({role for table in tables for role in table.design})
    known = f" (it has {', '.join(has)})" if has else ""
    return InputError(
        f"{name}: {copies.sum():,} rows repeat an item, such as {items[item]} "
        f"({(rows == item).sum()} times); if they are of several trainings or folds, name the "
        f"column that tells them apart{known}: --columns repeat=COLUMN or fold=COLUMN; else remove "
        "the copies"
    )


def _design(name: str, keys: tuple[tuple[int, int], ...], matrix: np.ndarray) -> Models:
    valid = ~np.isnan(matrix)
    judged = valid.any(axis=0)
    if (valid == judged).all():  # every model judged every item
        return Models(keys, matrix, False, False, None)
    repeats = np.array([repeat for repeat, _ in keys])
    by_repeat = [valid[repeats == repeat] for repeat in np.unique(repeats)]
    total = int(judged.sum())
    if all((own.sum(axis=0)[judged] == 1).all() for own in by_repeat):
        first = by_repeat[0]
        redrawn = any(own.shape != first.shape or (own != first).any() for own in by_repeat[1:])
        sizes = [total - int(row.sum()) for row in valid]
        note = f"{name}: every fold counts as trained on the items of the other folds of its repeat"
        return Models(keys, matrix, True, redrawn, sizes, (f"{note}.",) if redrawn else ())
    if len(by_repeat) == 1:  # folds that share items are splits of their own
        keys = tuple((fold, 0) for _, fold in keys)
        note = f"{name}: the folds share items, so each counts as a split of its own."
        return Models(keys, matrix, True, True, None, (note,))
    return Models(keys, matrix, True, True, None)
