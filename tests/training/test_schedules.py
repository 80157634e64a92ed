"""Schedules have the values that their formulas give."""

from __future__ import annotations

import math

import pytest

from fashion_exp.errors import InputError
from fashion_exp.training.schedules import SCHEDULES, Factor, build_schedule


def schedule(name: str, warmup: int = 0) -> Factor:
    return build_schedule(
        name, 4 + warmup, warmup_epochs=warmup,
        final_factor=0.0 if name == "cosine" else None,
        step_epochs=2 if name == "step" else None,
        gamma={"step": 0.1, "exponential": 0.5}.get(name),
    )  # fmt: skip


EXPECTED = {
    "constant": [1, 1, 1, 1],
    "cosine": [1, (1 + math.cos(math.pi / 4)) / 2, 0.5, (1 - math.cos(math.pi / 4)) / 2],
    "step": [1, 1, 0.1, 0.1],
    "exponential": [1, 0.5, 0.25, 0.125],
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_at_whole_epochs(name: str) -> None:
    assert [schedule(name)(t) for t in range(4)] == pytest.approx(EXPECTED[name])
    after_warmup = [schedule(name, warmup=3)(t + 3) for t in range(4)]
    assert after_warmup == pytest.approx(EXPECTED[name])


def test_warmup_rises_from_above_zero_to_the_full_rate() -> None:
    factors = [schedule("constant", warmup=2)(t / 10) for t in range(25)]
    assert 0 < factors[0] < 0.3 and factors == sorted(factors) and factors[20:] == [1.0] * 5


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean cosine"):
        build_schedule("cosin", 4, warmup_epochs=0, final_factor=0, step_epochs=None, gamma=None)
