"""Dropout has the right rate, scale, gradient and randomness."""

from __future__ import annotations

import pytest
import torch

from fashion_exp.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rate_is_p_and_mean_is_preserved(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    output = Dropout(p)(torch.ones(101, 999, dtype=dtype)).float()
    noise = (p * (1 - p) / output.numel()) ** 0.5
    assert (output == 0).float().mean() == pytest.approx(p, abs=5 * noise)
    assert output.max() == pytest.approx(1 / (1 - p), rel=0.01)
    assert output.mean() == pytest.approx(1, abs=5 * noise / (1 - p) + 0.004)


def test_gradient_is_zero_where_dropped() -> None:
    inputs = torch.ones(7, 3, requires_grad=True)
    output = Dropout(0.5)(inputs)
    output.sum().backward()
    assert inputs.grad is not None and torch.equal(inputs.grad, output.detach())


def test_neighbors_are_dropped_independently() -> None:
    torch.manual_seed(1)
    dropped = (Dropout(0.5)(torch.ones(400_000)) == 0).float() - 0.5
    for lag in (1, 2, 3, 4):
        assert abs(float((dropped[lag:] * dropped[:-lag]).mean())) < 4 * 0.25 / 400_000**0.5


def test_mask_depends_on_the_seed() -> None:
    def mask(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return Dropout(0.3)(torch.ones(1000))

    assert torch.equal(mask(1), mask(1)) and not torch.equal(mask(1), mask(2))


def test_identity_in_evaluation_and_at_p_zero() -> None:
    inputs = torch.randn(50)
    assert torch.equal(Dropout(0.5).eval()(inputs), inputs)
    assert torch.equal(Dropout(0)(inputs), inputs)
