"""The levels of a series of decisions."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.stats.series import next_level


def test_levels_without_a_rejection_sum_to_alpha() -> None:
    levels = [next_level([False] * count) for count in range(400)]
    assert levels == sorted(levels, reverse=True)
    rest = 0.05 * 400**-0.6 / 0.6 / 2.2858  # integral of the levels that follow
    assert sum(levels) + rest == pytest.approx(0.05, rel=1e-3)
    assert [round(levels[k], 4) for k in (0, 1, 2)] == [0.0219, 0.0072, 0.0038]


def test_a_rejection_gives_its_level_to_the_next() -> None:
    first, second, third = (next_level([False] * count) for count in range(3))
    assert next_level([True]) == pytest.approx(second + first)
    assert next_level([True, True]) == pytest.approx(third + second + first)
    assert next_level([True, False]) == pytest.approx(third)


@pytest.mark.slow
def test_any_wrong_rejection_among_50_is_rare() -> None:
    """The p-values of true hypotheses, among others that are rejected and pass their level on."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(1000):
        rejected: list[bool] = []
        is_null = rng.random(50) < 0.5
        p_values = np.where(is_null, rng.random(50), 0)
        for p in p_values:
            rejected.append(bool(p < next_level(rejected)))
        wrong += bool((np.array(rejected) & is_null).any())
    assert 0.005 < wrong / 1000 < 0.05 + 2 * (0.05 * 0.95 / 1000) ** 0.5


def test_alpha_must_be_a_share() -> None:
    with pytest.raises(ValueError, match="alpha"):
        next_level([], 1.0)
