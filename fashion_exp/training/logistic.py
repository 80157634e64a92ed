"""Multinomial logistic regression, solved to convergence instead of trained for some epochs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from fashion_exp.training.logistic_problems import (
    PATH_TOLERANCE,
    TOLERANCE,
    LogisticRows,
    Problems,
)

log = logging.getLogger(__name__)

TIE = 1e-3
"""Relative differences of the held-out loss below this one are ties: they are within what
`PATH_TOLERANCE` leaves open."""
END_OF_PATH = 1.01
"""Weaker regularization is no longer tried once the held-out loss is so many times the lowest."""
SINGLE_PRECISION_UP_TO = 1.0
"""Float32 is used up to this C, in half the time; above it rounding would exceed the tolerance.
The gradient that decides about a solution is always computed in float64."""

Tick = Callable[[int], None]
"""Takes the number of values of C that are done."""


class NotConverged(ArithmeticError):
    """The gradient stays above `PATH_TOLERANCE`."""


@dataclass(frozen=True)
class Solution:
    """A model of standardized features: logits = weight · x + bias."""

    weight: torch.Tensor
    """(classes, width), float64."""
    bias: torch.Tensor
    """(classes,), float64."""
    evaluations: int
    """Evaluations of the objective and its gradient."""


@dataclass(frozen=True)
class PathPoint:
    c: float
    loss: float
    """Mean cross-entropy of the held-out rows."""


@dataclass(frozen=True)
class Choice:
    c: float
    path: list[PathPoint]
    """In the order of C, as far as it was tried."""
    start: torch.Tensor
    """(1, classes, width + 1): where to start solving with `c`, the mean of the folds' models."""


def solve_logistic(rows: LogisticRows, c: float, start: torch.Tensor | None = None) -> Solution:
    """The minimum of J(W, b) = C · Σᵢ wᵢ · cross-entropyᵢ + ½‖W‖², as scikit-learn defines it.

    The intercept is not penalized. With two classes scikit-learn penalizes one vector, the
    difference of ours, which is C / 2 here; `c` is always scikit-learn's. The result is
    deterministic. It does not depend on `start`, beyond the tolerance.

    If rounding leaves the gradient above the tolerance, the best model is used with a warning.
    Raises `NotConverged` if it is above `PATH_TOLERANCE` too.
    """
    x = rows.features
    exact = Problems.of(
        rows, rows.weights[None], x.new_zeros(1, x.shape[1]), x.new_ones(1, x.shape[1])
    )
    single = exact.to(torch.float32)
    coefficients = exact.zeros() if start is None else start
    coefficients, evaluations, _ = _minimize(exact, single, coefficients, c)
    fast = single if c <= SINGLE_PRECISION_UP_TO else exact
    coefficients, further, excess = exact.improve(coefficients.double(), fast, c)
    evaluations += further
    if not excess <= PATH_TOLERANCE / TOLERANCE:
        raise NotConverged(_report(c, excess, evaluations))
    if excess > 1:
        log.warning("%s; no step lowers it further", _report(c, excess, evaluations))
    return Solution(coefficients[0, :, :-1], coefficients[0, :, -1], evaluations)


def choose_c(
    rows: LogisticRows, grid: Sequence[float], folds: torch.Tensor, tick: Tick = lambda done: None
) -> Choice:
    """The C with the lowest held-out cross-entropy, and the losses along the path.

    `folds` (n,) is the fold that holds a row out. Each fold standardizes the features by its own
    rows. The cross-entropy decides, not the accuracy: it uses every probability, so it differs less
    between folds by chance, and it is what the model minimizes. All folds of one C are solved as
    one batch, from the strongest regularization to the weakest, each C from the solution of the one
    before. Ties go to the stronger regularization. A C whose models do not converge ends the path
    with a warning, since rounding is worse for a weaker one.

    Raises `NotConverged` if the first C does not converge.
    """
    numbers = folds.unique()
    is_held_out = folds[None, :] == numbers[:, None]
    exact = Problems.of(rows, rows.weights * ~is_held_out, *_moments(rows, ~is_held_out))
    single = exact.to(torch.float32)
    held_out = rows.weights * is_held_out
    coefficients, path, means = exact.zeros(), list[PathPoint](), list[torch.Tensor]()
    for done, c in enumerate(sorted(grid), start=1):
        coefficients, evaluations, excess = _minimize(exact, single, coefficients, c)
        if not excess <= 1:
            report = _report(c, excess, evaluations)
            if not path:
                raise NotConverged(report)
            log.warning("%s; the choice is among the smaller values of C", report)
            break
        logits = exact.logits(coefficients.double())
        losses = -(logits.log_softmax(1) * exact.targets).sum(1)
        path.append(PathPoint(c, float((losses * held_out).sum() / held_out.sum())))
        means.append(coefficients.mean(0, keepdim=True))
        tick(done)
        if path[-1].loss > END_OF_PATH * min(point.loss for point in path):
            break
    lowest = min(point.loss for point in path)
    chosen = next(i for i, point in enumerate(path) if point.loss <= (1 + TIE) * lowest)
    return Choice(path[chosen].c, path, means[chosen])


def _minimize(
    exact: Problems, single: Problems, start: torch.Tensor, c: float
) -> tuple[torch.Tensor, int, float]:
    """As `minimize`, in float32 if that is enough."""
    evaluations = 0
    if c <= SINGLE_PRECISION_UP_TO:
        start, evaluations, excess = single.minimize(start.float(), c)
        if excess <= 1:
            return start, evaluations, excess
    coefficients, further, excess = exact.minimize(start.double(), c)
    return coefficients, evaluations + further, excess


def _report(c: float, excess: float, count: int) -> str:
    gradient = f"the gradient is {excess:.2g} times its tolerance after {count} evaluations"
    return f"logistic regression with C = {c:g}: {gradient}"


def _moments(rows: LogisticRows, included: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (problems, width) of the features in the rows that a problem
    includes, (problems, n); 1 instead of the deviation of features that do not vary there."""
    x, shares = rows.features, included / included.sum(1, keepdim=True)
    shares = shares.to(x)
    mean = shares @ x
    deviation = (shares @ x.square() - mean.square()).clamp(min=0).sqrt()
    varies = deviation > 1e-6 * x.abs().amax(0)
    return mean, torch.where(varies, deviation, 1.0)
