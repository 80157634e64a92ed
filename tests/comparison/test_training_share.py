"""Which runs compete for the best one."""

from __future__ import annotations

from typing import Any

import pytest

from fashion_exp.comparison.training_share import candidates_note, winner_candidates


def options(ratio: float | None = None, folds: int | None = None, test: float = 0.2) -> Any:
    return {"split.train_ratio": ratio, "split.folds": folds, "split.test_share": test}


@pytest.mark.parametrize(
    ("runs", "candidates"),
    [
        ([options(0.5), options(0.8), options(0.8)], [1, 2]),
        ([options(0.8), options(folds=5)], [0, 1]),
        ([options(folds=2), options(folds=10)], [1]),
        ([options(), options(0.5), options(0.8)], [0, 2]),
        ([options(), options()], [0, 1]),
        ([options(0.8, test=0.1), options(0.8, test=0.4)], [0]),
    ],
)
def test_only_the_largest_training_share_competes(runs: Any, candidates: list[int]) -> None:
    assert winner_candidates(runs) == candidates
    assert bool(candidates_note(runs)) == (len(candidates) < len(runs))


def test_note_names_the_share_and_counts_the_others() -> None:
    single = candidates_note([options(0.5), options(0.8)])
    assert "(split.train_ratio=0.8). 1 run with a smaller share has other" in single
    two = candidates_note([options(folds=2), options(folds=3), options(folds=5)])
    assert "(split.folds=5). 2 runs with a smaller share have other" in two
