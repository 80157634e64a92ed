"""How long the logistic regression of `logistic` takes."""

from __future__ import annotations

import time

import torch

_PATH_EVALUATIONS, _SOLUTION_EVALUATIONS = 40, 120
"""More than a value of C, and a solution, usually take."""


def seconds_to_solve(
    rows: int, width: int, classes: int, values: int, folds: int, device: torch.device
) -> float:
    """About what `solve_logistic` takes at most, after `choose_c` among so many values of C.

    One evaluation of the objective is timed, in float64; what is computed beside it takes less than
    what most evaluations save in float32.
    """
    features = torch.rand(rows, width, dtype=torch.float64, device=device)

    def evaluate(problems: int) -> float:
        weight = features.new_ones(problems, classes, width)
        started = time.perf_counter()
        logits = (weight.flatten(0, 1) @ features.T).view(problems, classes, rows)
        residuals = logits.softmax(1).flatten(0, 1)
        float((residuals @ features).sum())  # waits for a GPU
        return time.perf_counter() - started

    evaluate(1)  # the first call is slow
    seconds = _SOLUTION_EVALUATIONS * evaluate(1)
    if values:
        seconds += _PATH_EVALUATIONS * values * evaluate(folds)
    return seconds
