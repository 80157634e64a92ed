"""Multinomial logistic regression, solved to convergence instead of trained for some epochs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from fashion_exp.training.compat import without_compiler

TOLERANCE = 1e-5
"""Bound of ‖∂J/∂W‖ / ‖W‖ at a solution, and of ‖∂J/∂b‖ divided by the curvature of J in b. The
penalty makes J strongly convex in W with constant 1, so this also bounds the distance of W to the
minimum, relative to its norm; the distance of b it bounds about."""
PATH_TOLERANCE = 3e-3
"""The same for the models that are only compared with each other to choose C."""
TIE = 1e-3
"""Relative differences of the held-out loss below this one are ties: they are within what
`PATH_TOLERANCE` leaves open."""
END_OF_PATH = 1.05
"""Weaker regularization is no longer tried once the held-out loss is so many times the lowest."""
SINGLE_PRECISION_UP_TO = 1.0
"""The path is solved in float32 up to this C, in half the time, and in float64 above it, where
rounding would exceed the tolerance. Solutions are always solved in float64."""
MAX_EVALUATIONS = 3000
_HISTORY = 30
_PATH_EVALUATIONS, _SOLUTION_EVALUATIONS = 40, 120
"""More than a value of C, and a solution, usually take; to estimate their time."""
_PROBE = 256
"""Rows of the matrix whose decomposition is timed."""

Tick = Callable[[int], None]
"""Takes the number of values of C that are done."""


class NotConverged(ArithmeticError):
    """The gradient is above the tolerance after `MAX_EVALUATIONS` evaluations."""


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


def solve_logistic(
    features: torch.Tensor, labels: torch.Tensor, classes: int, c: float,
    row_weights: torch.Tensor | None = None,
) -> Solution:  # fmt: skip
    """The minimum of J(W, b) = C · Σᵢ wᵢ · cross-entropyᵢ + ½‖W‖², as scikit-learn defines it.

    `features` (n, width) are standardized, `labels` (n,), `row_weights` (n,) are 1 by default. The
    intercept is not penalized. With two classes scikit-learn penalizes one vector, the difference
    of ours, which is C / 2 here; `c` is always scikit-learn's. The result is deterministic.

    Raises `NotConverged`.
    """
    problem = _Problem.of(features, labels, classes, row_weights)
    weights = problem.row_weights[:, None]
    rough, evaluations = problem.minimize(problem.zeros(1), weights, c, PATH_TOLERANCE)
    # Started there, the minimization is scaled by the curvature near the minimum.
    coefficients, further = problem.minimize(rough, weights, c, TOLERANCE)
    return Solution(*problem.weight_and_bias(coefficients), evaluations + further)


def choose_c(
    features: torch.Tensor, labels: torch.Tensor, classes: int, grid: Sequence[float],
    folds: torch.Tensor, row_weights: torch.Tensor | None = None, tick: Tick = lambda done: None,
) -> tuple[float, list[PathPoint]]:  # fmt: skip
    """The C with the lowest held-out cross-entropy, and the losses along the path.

    `folds` (n,) is the fold that holds a row out. The cross-entropy decides, not the accuracy: it
    uses every probability, so it differs less between folds by chance, and it is what the model
    minimizes. All folds of one C are solved as one batch, from the strongest regularization to the
    weakest, each C from the solution of the one before. Ties go to the stronger regularization.
    """
    exact = _Problem.of(features, labels, classes, row_weights)
    single = exact.to(torch.float32)
    numbers = folds.unique()
    is_held_out = folds[:, None] == numbers[None, :]
    held_out, training = (exact.row_weights[:, None] * rows for rows in (is_held_out, ~is_held_out))
    coefficients, path = exact.zeros(len(numbers)), list[PathPoint]()
    for done, c in enumerate(sorted(grid), start=1):
        problem = single if c <= SINGLE_PRECISION_UP_TO else exact
        start, weights = coefficients.to(problem.rows), training.to(problem.rows)
        coefficients, _ = problem.minimize(start, weights, c, PATH_TOLERANCE)
        losses = problem.losses(problem.logits(coefficients)).double()
        path.append(PathPoint(c, float((losses * held_out).sum() / held_out.sum())))
        tick(done)
        if path[-1].loss > END_OF_PATH * min(point.loss for point in path):
            break
    lowest = min(point.loss for point in path)
    return next(point.c for point in path if point.loss <= (1 + TIE) * lowest), path


@dataclass(frozen=True)
class _Problem:
    """The rows in the basis of their own principal directions.

    A minimum lies in the space that the rows span, so n rows of more than n features lose nothing
    by n coordinates. In this basis the Hessian's upper bound is diagonal, which preconditions
    L-BFGS: 30 evaluations instead of 100.
    """

    rows: torch.Tensor
    """(n, rank + 1): coordinates, and a 1 for the intercept."""
    eigenvalues: torch.Tensor
    """(rank,) of the Gram matrix, in the order of the coordinates."""
    basis: torch.Tensor
    """(width, rank): orthonormal directions of the coordinates."""
    targets: torch.Tensor
    """(n, 1, classes), one-hot."""
    row_weights: torch.Tensor

    @classmethod
    def of(
        cls, features: torch.Tensor, labels: torch.Tensor, classes: int,
        row_weights: torch.Tensor | None,
    ) -> _Problem:  # fmt: skip
        x = features.double()
        n, width = x.shape
        eigenvalues, vectors = torch.linalg.eigh(x @ x.T if n < width else x.T @ x)
        kept = eigenvalues > eigenvalues[-1].clamp(min=0) * n * torch.finfo(x.dtype).eps
        eigenvalues, vectors = eigenvalues[kept], vectors[:, kept]
        basis = x.T @ vectors / eigenvalues.sqrt() if n < width else vectors
        rows = torch.cat([x @ basis, x.new_ones(n, 1)], 1)
        targets = torch.nn.functional.one_hot(labels, classes)[:, None, :].to(x)
        weights = x.new_ones(n) if row_weights is None else row_weights.to(x)
        return cls(rows, eigenvalues, basis, targets, weights)

    def to(self, dtype: torch.dtype) -> _Problem:
        return _Problem(*(tensor.to(dtype) for tensor in vars(self).values()))

    def zeros(self, problems: int) -> torch.Tensor:
        return self.rows.new_zeros(self.rows.shape[1], problems, self.targets.shape[2])

    def logits(self, coefficients: torch.Tensor) -> torch.Tensor:
        """(n, problems, classes) for coefficients (rank + 1, problems, classes)."""
        return (self.rows @ coefficients.flatten(1)).view(-1, *coefficients.shape[1:])

    def losses(self, logits: torch.Tensor) -> torch.Tensor:
        """Cross-entropies (n, problems)."""
        return -(logits.log_softmax(2) * self.targets).sum(2)

    def gradient(self, logits: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
        """(rank + 1, problems, classes): of the losses, summed with `factors` (n, problems)."""
        residuals = (logits.softmax(2) - self.targets) * factors[:, :, None]
        return (self.rows.T @ residuals.flatten(1)).view(-1, *logits.shape[1:])

    def weight_and_bias(self, coefficients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (self.basis @ coefficients[:-1, 0]).T, coefficients[-1, 0]

    def minimize(
        self, start: torch.Tensor, row_weights: torch.Tensor, c: float, tolerance: float
    ) -> tuple[torch.Tensor, int]:
        """Minima of several problems that differ in their row weights (n, problems), as one.

        Returns coefficients and the number of evaluations. Raises `NotConverged`.
        """
        classes = self.targets.shape[2]
        factors = (c / 2 if classes == 2 else c) * row_weights
        penalty = self.rows.new_ones(self.rows.shape[1], 1, 1)
        penalty[-1] = 0
        scale = self._curvature(start, factors).sqrt()
        scaled = (start * scale).contiguous().requires_grad_()
        optimizer = without_compiler(torch.optim.LBFGS)(
            [scaled], max_iter=MAX_EVALUATIONS, max_eval=MAX_EVALUATIONS, history_size=_HISTORY,
            tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
        )  # type: ignore[call-arg]  # fmt: skip
        evaluations, excess = 0, float("inf")

        def objective() -> float:
            nonlocal evaluations, excess
            evaluations += 1
            coefficients = scaled.detach() / scale
            logits = self.logits(coefficients)
            of_loss = self.gradient(logits, factors)
            gradient = of_loss + penalty * coefficients
            # Both are equal at the minimum; the second is 0 at the start.
            size = torch.maximum(_norms(of_loss[:-1]), _norms(coefficients[:-1]))
            distance = torch.maximum(
                _norms(gradient[:-1]) / size.clamp(min=1e-30),
                _norms(gradient[-1:] / scale[-1:] ** 2),
            )
            excess = float(distance.max()) / tolerance
            if excess <= 1:
                raise _Converged
            scaled.grad = gradient / scale
            loss = (self.losses(logits) * factors).sum()
            return float(loss + 0.5 * (penalty * coefficients**2).sum())

        try:
            optimizer.step(objective)
        except _Converged:
            return scaled.detach() / scale, evaluations
        raise NotConverged(
            f"logistic regression with C = {c:g}: the gradient is {excess:.2g} times its "
            f"tolerance after {evaluations} evaluations"
        )

    def _curvature(self, coefficients: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
        """(rank + 1, problems, 1): the diagonal of the Hessian, if every row had the mean p(1 - p)
        of all rows."""
        probabilities = self.logits(coefficients).softmax(2)
        variance = (probabilities * (1 - probabilities)).mean(2)
        total = (variance * factors).sum(0)
        bends = 1 + self.eigenvalues[:, None] * total / len(factors)
        return torch.cat([bends, total[None]])[:, :, None]


def seconds_to_solve(
    rows: int, width: int, classes: int, values: int, folds: int, device: torch.device
) -> float:
    """About what `solve_logistic` takes at most, after `choose_c` among so many values of C.

    One evaluation of the objective and the decomposition of a small matrix are timed; the time of a
    decomposition grows with the third power of the size.
    """
    rank = min(rows, width)
    numbers = torch.rand(rows, rank + 1, dtype=torch.float64, device=device)
    ones = numbers.new_ones(rows)
    labels = torch.arange(rows, device=device) % classes
    targets = torch.nn.functional.one_hot(labels, classes)[:, None, :].to(numbers)
    problem = _Problem(numbers, numbers[0, :rank], numbers, targets, ones)

    def evaluate(problems: int) -> float:
        coefficients, weights = problem.zeros(problems), ones[:, None].expand(-1, problems)
        started = time.perf_counter()
        float(problem.gradient(problem.logits(coefficients), weights).sum())  # waits for a GPU
        return time.perf_counter() - started

    probe = numbers.new_ones(_PROBE, _PROBE).tril()
    torch.linalg.eigh(probe[:2, :2])  # the first call is slow
    started = time.perf_counter()
    float(torch.linalg.eigh(probe @ probe.T)[0].sum())
    decomposition = (time.perf_counter() - started) * (rank / _PROBE) ** 3
    evaluate(1)
    seconds = decomposition + _SOLUTION_EVALUATIONS * evaluate(1)
    if values:
        seconds += decomposition + _PATH_EVALUATIONS * values * evaluate(folds)
    return seconds


def _norms(coefficients: torch.Tensor) -> torch.Tensor:
    """(problems,)"""
    return coefficients.norm(dim=(0, 2))


class _Converged(Exception):
    """Ends the optimizer's step."""
