"""The logistic regression is scikit-learn's, and C is what a plain loop over its folds chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from fashion_exp.training import logistic_problems
from fashion_exp.training.logistic import NotConverged, Solution, choose_c, solve_logistic
from fashion_exp.training.logistic_problems import LogisticRows, Problems
from fashion_exp.training.standardize import Standardization, nearest_class_mean


def problem(n: int, width: int, classes: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Standardized rows of overlapping classes, of correlated features."""
    rng = np.random.default_rng(n + width)
    labels = np.arange(n) % classes
    rows = rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) / np.sqrt(width)
    rows += spread * rng.normal(size=(classes, width))[labels]
    return (rows - rows.mean(0)) / rows.std(0), labels


def solve(x: np.ndarray, y: np.ndarray, c: float, weights: np.ndarray | None = None) -> Solution:
    return solve_logistic(logistic_rows(x, y, weights), c)


def logistic_rows(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> LogisticRows:
    given = None if weights is None else torch.from_numpy(weights)
    return LogisticRows.of(torch.from_numpy(x), torch.from_numpy(y), int(y.max()) + 1, given)


def reference(c: float) -> LogisticRegression:
    return LogisticRegression(C=c, tol=1e-10, max_iter=100_000)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "width", "classes"), [(200, 12, 3), (60, 150, 4), (150, 20, 2)])
@pytest.mark.parametrize("c", [1e-3, 1.0])
def test_solution_is_that_of_scikit_learn(
    n: int, width: int, classes: int, c: float, weighted: bool
) -> None:
    x, y = problem(n, width, classes)
    weights = np.random.default_rng(1).uniform(0.2, 3, n) if weighted else None
    expected = reference(c).fit(x, y, weights)
    solution = solve(x, y, c, weights)
    weight, bias = solution.weight.numpy(), solution.bias.numpy()
    if classes == 2:  # scikit-learn has the difference of the two
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    else:  # a constant in all intercepts changes nothing
        bias = bias - bias.mean() + expected.intercept_.mean()
    tolerance = 1e-5 * max(1.0, float(np.linalg.norm(expected.coef_)))
    assert np.linalg.norm(weight - expected.coef_) < tolerance
    assert np.abs(bias - expected.intercept_).max() < tolerance
    logits = torch.from_numpy(x) @ solution.weight.T + solution.bias
    assert np.abs(logits.softmax(1).numpy() - expected.predict_proba(x)).max() < 1e-5


@pytest.mark.parametrize("c", [1e-4, 1e4])
@pytest.mark.slow
def test_separable_classes_have_a_finite_solution(c: float) -> None:
    x, y = problem(90, 30, 3, spread=30)
    solution = solve(x, y, c)
    expected = reference(c).fit(x, y)
    difference = np.linalg.norm(solution.weight.numpy() - expected.coef_)
    assert difference < 1e-4 * max(1.0, float(np.linalg.norm(expected.coef_)))


def test_features_that_repeat_or_do_not_vary_change_no_probability() -> None:
    x, y = problem(80, 6, 3)
    doubled = torch.from_numpy(np.c_[x, x[:, :2], np.zeros(len(x))])
    solution = solve(doubled.numpy(), y, 0.1)
    expected = reference(0.1).fit(doubled.numpy(), y).predict_proba(doubled.numpy())
    actual = (doubled @ solution.weight.T + solution.bias).softmax(1)
    assert np.abs(actual.numpy() - expected).max() < 1e-5


def test_solution_repeats_bit_for_bit() -> None:
    first, second = (solve(*problem(100, 40, 3), 0.1) for _ in range(2))
    assert torch.equal(first.weight, second.weight) and torch.equal(first.bias, second.bias)


def test_unreached_tolerance_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic_problems, "MAX_EVALUATIONS", 3)
    with pytest.raises(NotConverged, match=r"C = 1: the gradient is .* times its tolerance"):
        solve(*problem(100, 40, 3), 1.0)


def test_gradient_slightly_above_the_tolerance_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    x, y = problem(100, 40, 3)
    exact = solve(x, y, 1.0)
    monkeypatch.setattr(logistic_problems, "MAX_NEWTON_STEPS", 2)
    rough = solve(x, y, 1.0)
    assert "C = 1: the gradient is" in caplog.text
    assert torch.linalg.norm(rough.weight - exact.weight) < 0.01 * torch.linalg.norm(exact.weight)


@pytest.mark.parametrize("share", [0.0, 0.1, -3.0, float("nan")])
def test_useless_steps_of_single_precision_are_replaced(
    share: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    newton_step = Problems._newton_step

    def stub(problems: Problems, *arguments: Any) -> tuple[torch.Tensor, int]:
        step, products = newton_step(problems, *arguments)
        return step * (share if problems.rows.dtype is torch.float32 else 1), products

    x, y = problem(100, 40, 3)
    monkeypatch.setattr(Problems, "_newton_step", stub)
    expected = reference(1.0).fit(x, y).coef_
    assert np.linalg.norm(solve(x, y, 1.0).weight.numpy() - expected) < 1e-4
    assert not caplog.text


def test_steps_that_are_too_long_are_halved(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    newton_step = Problems._newton_step

    def stub(problems: Problems, *arguments: Any) -> tuple[torch.Tensor, int]:
        step, products = newton_step(problems, *arguments)
        return 4 * step, products

    x, y = problem(100, 40, 3)
    monkeypatch.setattr(Problems, "_newton_step", stub)
    expected = reference(1.0).fit(x, y).coef_
    assert np.linalg.norm(solve(x, y, 1.0).weight.numpy() - expected) < 1e-4
    assert not caplog.text


def test_optimizer_that_stops_early_hands_its_best_model_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    minimize = Problems.minimize

    def stub(problems: Problems, *arguments: Any) -> tuple[torch.Tensor, int, float]:
        coefficients, evaluations, _ = minimize(problems, *arguments)
        return 0.99 * coefficients, evaluations, 1.3

    x, y = problem(100, 40, 3)
    monkeypatch.setattr(Problems, "minimize", stub)
    expected = reference(1.0).fit(x, y).coef_
    assert np.linalg.norm(solve(x, y, 1.0).weight.numpy() - expected) < 1e-4
    assert not caplog.text


def test_path_ends_where_the_models_do_not_converge(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    minimize = Problems.minimize

    def stub(problems: Problems, start: torch.Tensor, c: float) -> tuple[torch.Tensor, int, float]:
        coefficients, evaluations, excess = minimize(problems, start, c)
        return coefficients, evaluations, 2.0 if c > 1e-3 else excess

    rows, folds = logistic_rows(*problem(100, 10, 3)), torch.arange(100) // 3 % 5
    monkeypatch.setattr(Problems, "minimize", stub)
    choice = choose_c(rows, GRID, folds)
    assert [point.c for point in choice.path] == GRID[:2] and choice.c in GRID[:2]
    assert "C = 0.01: the gradient is 2 times its tolerance" in caplog.text
    with pytest.raises(NotConverged):
        choose_c(rows, GRID[2:], folds)


@pytest.mark.parametrize("c", [1e-2, 10.0])
def test_solution_does_not_depend_on_where_it_starts(c: float) -> None:
    rows = logistic_rows(*problem(100, 40, 3))
    choice = choose_c(rows, [c], torch.arange(100) // 3 % 5)
    started, plain = solve_logistic(rows, c, choice.start), solve_logistic(rows, c)
    assert started.evaluations < plain.evaluations
    difference = torch.linalg.norm(started.weight - plain.weight)
    assert difference < 2 * logistic_problems.TOLERANCE * torch.linalg.norm(plain.weight)


def test_more_directions_than_the_preconditioner_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic_problems, "MAX_DIRECTIONS", 10)
    x, y = problem(120, 60, 3)
    expected = reference(0.1).fit(x, y).coef_
    assert np.linalg.norm(solve(x, y, 0.1).weight.numpy() - expected) < 1e-5


GRID = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]


@pytest.mark.parametrize(("n", "width", "spread"), [(120, 10, 0.5), (90, 120, 0.3), (90, 60, 2.0)])
@pytest.mark.slow
def test_c_is_that_of_a_plain_loop_over_the_folds(n: int, width: int, spread: float) -> None:
    x, y = problem(n, width, 3, spread)
    folds = np.random.default_rng(0).permutation(n) % 5
    choice = choose_c(logistic_rows(x, y), GRID, torch.from_numpy(folds))
    losses = {}
    for value in GRID:
        probabilities = np.empty((n, 3))
        for fold in range(5):
            training, held_out = x[folds != fold], x[folds == fold]
            mean, scale = training.mean(0), training.std(0)
            model = reference(value).fit((training - mean) / scale, y[folds != fold])
            probabilities[folds == fold] = model.predict_proba((held_out - mean) / scale)
        losses[value] = log_loss(y, probabilities)
    assert choice.c == min(losses, key=losses.__getitem__)
    assert {point.c: point.loss for point in choice.path} == pytest.approx(
        {point.c: losses[point.c] for point in choice.path}, rel=2e-3
    )


def test_ties_go_to_the_stronger_regularization() -> None:
    rows, folds = logistic_rows(*problem(60, 5, 3)), torch.arange(60) % 5
    choice = choose_c(rows, [1e6, 1e4, 1e5], folds)  # by 1e4 the penalty is nothing
    assert choice.c == 1e4 and [point.c for point in choice.path][:2] == [1e4, 1e5]
    assert choice.path[1].loss != choice.path[0].loss


def test_rows_without_weight_decide_nothing() -> None:
    x, y = problem(90, 20, 3)
    few = solve(x[:60], y[:60], 0.1)
    weighted = solve(x, y, 0.1, (np.arange(90) < 60).astype(float))
    assert torch.allclose(few.weight, weighted.weight, atol=1e-4)


def test_folded_layer_equals_standardizing_first() -> None:
    torch.manual_seed(0)
    features = torch.randn(50, 7) * torch.tensor([1, 10, 0.1, 1, 1, 1, 0]) + 100
    standardization = Standardization.of(features)
    weight, bias = torch.randn(3, 7).double(), torch.randn(3).double()
    standardized = standardization(features)
    assert torch.allclose(standardized.mean(0), torch.zeros(7).double(), atol=1e-6)
    assert standardized[:, 6].abs().max() < 1e-6 and standardization.scale[6] == 1
    folded_weight, folded_bias = standardization.fold_into(weight, bias)
    expected = standardized @ weight.T + bias
    assert torch.allclose(features.double() @ folded_weight.T + folded_bias, expected)


def test_largest_logit_is_that_of_the_nearest_class_mean() -> None:
    x, y = problem(90, 8, 3, spread=0.5)
    weight, bias = nearest_class_mean(torch.from_numpy(x), torch.from_numpy(y), 3)
    means = np.stack([x[y == label].mean(0) for label in range(3)])
    nearest = ((x[:, None] - means) ** 2).sum(2).argmin(1)
    logits = x @ weight.numpy().T + bias.numpy()
    assert np.array_equal(logits.argmax(1), nearest)


def test_scale_of_class_means_is_the_posterior_of_normal_classes() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40_000) % 2
    x = np.c_[rng.normal(size=40_000) * 0.5 + y, 0.05 * rng.normal(size=40_000)]
    weight, _ = nearest_class_mean(torch.from_numpy(x), torch.from_numpy(y), 2)
    # The log odds of two normal densities with means 0 and 1 and variance 1/4 have the slope 4.
    assert float(weight[1, 0] - weight[0, 0]) == pytest.approx(4, rel=0.05)


def test_shares_count_like_weighted_rows_of_each_class() -> None:
    x, _ = problem(80, 6, 3)
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 80)
    shares[::2] = np.eye(3)[np.arange(40) % 3]
    features, labels = torch.from_numpy(x), torch.zeros(80, dtype=torch.int64)
    rows = LogisticRows.of(features, labels, 3, shares=torch.from_numpy(shares))
    solution = solve_logistic(rows, 0.1)
    expected = reference(0.1).fit(x.repeat(3, 0), np.tile([0, 1, 2], 80), shares.ravel())
    assert np.abs(solution.weight.numpy() - expected.coef_).max() < 1e-5
