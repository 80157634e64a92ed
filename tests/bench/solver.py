"""Logistic regression with C chosen by cross-validation, ours vs. scikit-learn, on one problem."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegressionCV

from fashion_exp.training.logistic import choose_c, solve_logistic
from fashion_exp.training.logistic_problems import LogisticRows
from tests.bench.runner import Figure, alternate, ratio_figure

GRID = tuple(10 ** (exponent / 2) for exponent in range(-8, -1))
FOLDS = 5


def measure(quick: bool) -> list[Figure]:
    rows, width, classes = (300, 400, 3) if quick else (700, 1024, 3)
    x, y = problem(rows, width, classes)
    numbers = np.arange(rows) // classes % FOLDS
    tensors, folds = (torch.from_numpy(x), torch.from_numpy(y)), torch.from_numpy(numbers)
    parts = [(np.flatnonzero(numbers != f), np.flatnonzero(numbers == f)) for f in range(FOLDS)]

    def ours() -> None:
        rows = LogisticRows.of(*tensors, classes)
        choice = choose_c(rows, GRID, folds)
        solve_logistic(rows, choice.c, choice.start)

    def reference() -> None:
        LogisticRegressionCV(
            Cs=GRID,
            cv=parts,
            scoring="neg_log_loss",
            max_iter=10_000,
            l1_ratios=(0,),
            use_legacy_attributes=False,
        ).fit(x, y)

    ours()  # imports, and the first call of the linear algebra
    seconds = alternate({"scikit-learn, s": reference, "ours, s": ours}, 1 if quick else 3)
    what = f"logistic regression, {rows} rows, {width} features, {len(GRID)} values of C"
    return [ratio_figure(what, seconds, at_least=None if quick else 1.0)]


def problem(rows: int, width: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Standardized, correlated features of overlapping classes, as those of a frozen backbone."""
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % classes
    mixing = rng.normal(size=(width, width)) / np.arange(1, width + 1) ** 0.5
    x = (
        rng.normal(size=(rows, width)) + 0.3 * rng.normal(size=(classes, width))[labels]
    ) @ mixing.T
    return (x - x.mean(0)) / x.std(0), labels
