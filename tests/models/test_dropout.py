"""It is dropout: the share, the scale, the gradient, the seed."""

from __future__ import annotations

import pytest
import torch

from fashion_exp.models.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_so_many_are_dropped_and_the_mean_stays(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    out = Dropout(p)(torch.ones(101, 999, dtype=dtype)).float()
    noise = (p * (1 - p) / out.numel()) ** 0.5
    assert (out == 0).float().mean() == pytest.approx(p, abs=5 * noise)
    assert out.max() == pytest.approx(1 / (1 - p), rel=0.01)
    assert out.mean() == pytest.approx(1, abs=5 * noise / (1 - p) + 0.004)


def test_what_is_dropped_gets_no_gradient() -> None:
    given = torch.ones(7, 3, requires_grad=True)
    out = Dropout(0.5)(given)
    out.sum().backward()
    assert given.grad is not None and torch.equal(given.grad, out.detach())


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(1)
    dropped = (Dropout(0.5)(torch.ones(400_000)) == 0).float() - 0.5
    for lag in (1, 2, 3, 4):
        assert abs(float((dropped[lag:] * dropped[:-lag]).mean())) < 4 * 0.25 / 400_000**0.5


def test_a_seed_is_a_mask_and_another_is_another() -> None:
    def mask(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return Dropout(0.3)(torch.ones(1000))

    assert torch.equal(mask(1), mask(1)) and not torch.equal(mask(1), mask(2))


def test_nothing_is_dropped_in_evaluation_nor_at_zero() -> None:
    given = torch.randn(50)
    assert torch.equal(Dropout(0.5).eval()(given), given)
    assert torch.equal(Dropout(0)(given), given)
