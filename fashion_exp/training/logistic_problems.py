"""The objective of logistic regression, and the steps that minimize it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import torch

from fashion_exp.training.compat import without_compiler

TOLERANCE = 1e-5
"""Bound of ‖∂J/∂W‖ / ‖W‖ at a solution, and of ‖∂J/∂b‖ divided by the curvature of J in b. The
penalty makes J strongly convex in W with constant 1, so this also bounds the distance of W to the
minimum, relative to its norm; the distance of b it bounds about."""
PATH_TOLERANCE = 3e-3
"""The same for the models that are only compared with each other to choose C, and for those that a
solution is improved from."""
MAX_EVALUATIONS = 3000
MAX_NEWTON_STEPS = 40
MAX_HALVINGS = 10
"""Of a Newton step that does not lower the gradient."""
MAX_DIRECTIONS = 64
"""Principal directions that the preconditioner knows one by one."""
_HISTORY = 12


@dataclass(frozen=True)
class LogisticRows:
    """The rows that models are fitted to, and what all fits of them share."""

    features: torch.Tensor
    """(n, width), float64, standardized."""
    labels: torch.Tensor
    """(n,)"""
    classes: int
    weights: torch.Tensor
    """(n,), float64."""
    directions: torch.Tensor
    """(width, m): the first principal directions, about."""
    eigenvalues: torch.Tensor
    """(m,) of the Gram matrix, ascending, about."""
    shares: torch.Tensor | None = None
    """(n, classes), float64: the targets, if they are no single classes."""

    @classmethod
    def of(
        cls, features: torch.Tensor, labels: torch.Tensor, classes: int,
        weights: torch.Tensor | None = None, shares: torch.Tensor | None = None,
    ) -> LogisticRows:  # fmt: skip
        """`weights` are 1 by default; `shares` take the place of `labels`."""
        x = features.double()
        weights = x.new_ones(len(x)) if weights is None else weights.to(x)
        return cls(x, labels, classes, weights, *_principal_directions(x.float()), shares)


def _principal_directions(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`directions` and `eigenvalues` of rows (n, width), by one step of subspace iteration.

    N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM Review 53
    (2011). The random matrix is always the same.
    """
    count = min(MAX_DIRECTIONS, *x.shape)
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(x.shape[1], count, generator=generator).to(x.device)
    basis, _ = torch.linalg.qr((x.T @ (x @ random)).double())
    projected = (x @ basis.float()).double()
    eigenvalues, vectors = torch.linalg.eigh(projected.T @ projected)
    return basis @ vectors, eigenvalues.clamp(min=0)


@dataclass(frozen=True)
class Problems:
    """Problems with the same rows that differ in the weights of rows and in the standardization.

    Coefficients are (problems, classes, width + 1), the intercept last. Rows are the last dimension
    of everything else: a product of few columns with many rows takes ten times as long.
    """

    rows: torch.Tensor
    """(n, width)"""
    targets: torch.Tensor
    """(1, classes, n): one-hot, or shares that sum to 1."""
    weights: torch.Tensor
    """(problems, 1, n)"""
    mean: torch.Tensor
    """(problems, 1, width) of the features in the problem's rows."""
    scale: torch.Tensor
    """(problems, 1, width): their standard deviation, or 1 where they do not vary."""
    directions: torch.Tensor
    eigenvalues: torch.Tensor
    rest: torch.Tensor
    """(): an upper bound, about, of the eigenvalues of all other directions."""

    @classmethod
    def of(
        cls, rows: LogisticRows, weights: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor
    ) -> Problems:
        """`weights` are (problems, n), `mean` and `scale` (problems, width)."""
        x = rows.features
        one_hot = torch.nn.functional.one_hot(rows.labels, rows.classes)
        targets = (one_hot if rows.shares is None else rows.shares).T[None].to(x)
        has_all = len(rows.eigenvalues) == min(x.shape)
        return cls(
            x, targets, weights[:, None], mean[:, None], scale[:, None], rows.directions,
            rows.eigenvalues, rows.eigenvalues.new_zeros(()) if has_all else rows.eigenvalues[0],
        )  # fmt: skip

    def to(self, dtype: torch.dtype) -> Problems:
        return Problems(*(tensor.to(dtype) for tensor in vars(self).values()))

    def zeros(self) -> torch.Tensor:
        shape = len(self.weights), self.targets.shape[1], self.rows.shape[1] + 1
        return self.rows.new_zeros(shape)

    def logits(self, coefficients: torch.Tensor) -> torch.Tensor:
        """(problems, classes, n)"""
        weight = coefficients[..., :-1] / self.scale
        bias = coefficients[..., -1:] - (self.mean * weight).sum(2, keepdim=True)
        columns = weight.flatten(0, 1)
        if len(self.weights) > 1:  # of a dozen columns: takes half the time
            product = (self.rows @ columns.T).T.contiguous()
        else:  # of few columns: takes a third of the time
            product = columns @ self.rows.T
        return product.view(*bias.shape[:2], -1) + bias

    def gradient(self, residuals: torch.Tensor) -> torch.Tensor:
        """That of Σ residuals · logits (problems, classes, n) in the coefficients."""
        bias = residuals.sum(2, keepdim=True)
        weight = (residuals.flatten(0, 1) @ self.rows).view(*bias.shape[:2], -1)
        return torch.cat([(weight - self.mean * bias) / self.scale, bias], 2)

    def minimize(self, start: torch.Tensor, c: float) -> tuple[torch.Tensor, int, float]:
        """Coefficients within `PATH_TOLERANCE` of the minima, the number of evaluations, and how
        many times `PATH_TOLERANCE` the gradient is. Above 1 it did not converge, and these are the
        best coefficients that it found."""
        factors = self._factors(c)
        scaling = _Scaling.of(self, self.logits(start).softmax(1), factors)
        scaled = scaling(start, inverse=True).contiguous().requires_grad_()
        optimizer = without_compiler(torch.optim.LBFGS)(
            [scaled], max_iter=MAX_EVALUATIONS, max_eval=MAX_EVALUATIONS, history_size=_HISTORY,
            tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe",
        )  # type: ignore[call-arg]  # fmt: skip
        best, lowest, evaluations = start, float("inf"), 0

        def objective() -> float:
            nonlocal best, lowest, evaluations
            evaluations += 1
            coefficients = scaling(scaled.detach())
            log_probabilities = self.logits(coefficients).log_softmax(1)
            residuals = (log_probabilities.exp() - self.targets) * factors
            gradient, distance = self._total_gradient(coefficients, residuals, scaling)
            if distance / PATH_TOLERANCE < lowest:
                best, lowest = coefficients, distance / PATH_TOLERANCE
            if lowest <= 1:
                raise _Converged
            scaled.grad = scaling(gradient)
            # In float32 the sums would be too coarse for the line search.
            loss = -(log_probabilities * self.targets * factors).sum(dtype=torch.float64)
            penalty = 0.5 * (coefficients[..., :-1] ** 2).sum(dtype=torch.float64)
            return float(loss + penalty)

        with suppress(_Converged):
            optimizer.step(objective)
        return best, evaluations, lowest

    def improve(
        self, start: torch.Tensor, fast: Problems, c: float
    ) -> tuple[torch.Tensor, int, float]:
        """Coefficients within `TOLERANCE` of the minimum from some near it, by Newton's method.

        The gradient has the precision of these problems. Each step is solved for in that of `fast`,
        which is enough, since what a step lacks is in the next gradient. A step that does not lower
        the gradient is solved for again in full precision, then halved. Returns the number of
        products with the rows, and how many times `TOLERANCE` the gradient is. Above 1 it did not
        converge, and these are the best coefficients that it found.
        """
        factors, coefficients, products = self._factors(c), start, 0
        best, lowest, careful, halvings = start, float("inf"), False, 0
        step: torch.Tensor | None = None
        for _ in range(MAX_NEWTON_STEPS):
            probabilities = self.logits(coefficients).softmax(1)
            residuals = (probabilities - self.targets) * factors
            scaling = _Scaling.of(self, probabilities, factors)
            gradient, distance = self._total_gradient(coefficients, residuals, scaling)
            excess, products = distance / TOLERANCE, products + 1
            if step is None or excess < lowest:
                if excess > lowest / 2:  # single precision brings it hardly nearer
                    fast = self
                best, lowest, halvings = coefficients, excess, 0
                origin = [probabilities, factors, gradient]
            elif not careful:
                fast, careful = self, True
            elif halvings < MAX_HALVINGS:
                step, halvings = step / 2, halvings + 1
                coefficients = best + step
                continue
            else:
                break
            if lowest <= 1 or products >= MAX_EVALUATIONS:
                break
            accuracy = 1e-6 if careful else min(0.1, max(0.03 / lowest, 1e-4))
            at = [part.to(fast.rows) for part in origin]
            step_found, count = fast._newton_step(at[0], at[1], at[2], accuracy)
            step, products = step_found.double(), products + count
            coefficients = best + step
        return best, products, lowest

    def _factors(self, c: float) -> torch.Tensor:
        """What the cross-entropy of each row is multiplied by, (problems, 1, n)."""
        return (c / 2 if self.targets.shape[1] == 2 else c) * self.weights

    def _total_gradient(
        self, coefficients: torch.Tensor, residuals: torch.Tensor, scaling: _Scaling
    ) -> tuple[torch.Tensor, float]:
        """The gradient of the objective, and what `TOLERANCE` bounds, of the worst problem."""
        gradient = self.gradient(residuals)
        of_loss = _norms(gradient[..., :-1])
        gradient[..., :-1] += coefficients[..., :-1]
        # Both are equal at the minimum; the second is 0 at the start.
        size = torch.maximum(of_loss, _norms(coefficients[..., :-1]))
        distance = torch.maximum(
            _norms(gradient[..., :-1]) / size.clamp(min=1e-30),
            _norms(gradient[..., -1:] / scaling.curvature),
        )
        return gradient, float(distance.max())

    def _newton_step(
        self, probabilities: torch.Tensor, factors: torch.Tensor, gradient: torch.Tensor,
        accuracy: float,
    ) -> tuple[torch.Tensor, int]:  # fmt: skip
        """The step to where the gradient would be 0 if the Hessian were the same everywhere, of a
        single problem, by conjugate gradients. Returns the number of products with the rows too."""
        scaling = _Scaling.of(self, probabilities, factors)

        def hessian(vector: torch.Tensor) -> torch.Tensor:
            change = probabilities * self.logits(vector)
            change -= probabilities * change.sum(1, keepdim=True)
            product = self.gradient(change * factors)
            product[..., :-1] += vector[..., :-1]
            return product

        remainder = -scaling(gradient)
        step, direction = torch.zeros_like(remainder), remainder
        size = goal = remainder.square().sum()
        products = 0
        while size > accuracy**2 * goal and products < MAX_EVALUATIONS:
            product, products = scaling(hessian(scaling(direction))), products + 1
            length = size / (direction * product).sum()
            step, remainder = step + length * direction, remainder - length * product
            previous, size = size, remainder.square().sum()
            direction = remainder + size / previous * direction
        return scaling(step), products


@dataclass(frozen=True)
class _Scaling:
    """Coefficients from scaled ones, in which the curvature is about the same everywhere.

    The Hessian is about 1 + s λ along a principal direction with eigenvalue λ, where s is the mean
    of w p(1 - p) over all rows. Directions that are not known have the smallest λ of the others.
    """

    directions: torch.Tensor
    first: torch.Tensor
    """(problems, 1, m): the factors of these directions."""
    others: torch.Tensor
    """(problems, 1, 1)"""
    curvature: torch.Tensor
    """(problems, 1, 1) of the objective in the intercepts."""

    @classmethod
    def of(cls, problems: Problems, probabilities: torch.Tensor, factors: torch.Tensor) -> _Scaling:
        variance = (probabilities * (1 - probabilities)).mean(1, keepdim=True)
        mean = (variance * factors).mean(2, keepdim=True)
        return cls(
            problems.directions,
            (1 + mean * problems.eigenvalues).rsqrt(),
            (1 + mean * problems.rest).rsqrt(),
            mean * factors.shape[2],
        )

    def __call__(self, coefficients: torch.Tensor, inverse: bool = False) -> torch.Tensor:
        """The same linear map for coefficients and, as it is symmetric, for gradients."""
        factors = self.first, self.others, self.curvature.rsqrt()
        first, others, bias = (1 / factor for factor in factors) if inverse else factors
        weight = coefficients[..., :-1]
        along = (first - others) * (weight @ self.directions)
        return torch.cat(
            [others * weight + along @ self.directions.T, bias * coefficients[..., -1:]], 2
        )


def _norms(coefficients: torch.Tensor) -> torch.Tensor:
    """(problems,)"""
    return coefficients.norm(dim=(1, 2))


class _Converged(Exception):
    """Ends the optimizer's step."""
