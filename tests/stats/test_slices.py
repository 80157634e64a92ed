"""Slices: bins that partition, verdicts that hold jointly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.proportions import independent_difference, wilson
from fashion_exp.stats.slices import (
    MIN_SLICE,
    bin_of,
    compare_slices,
    interval_texts,
    quantile_edges,
)

VALUES = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=60)


@given(VALUES, st.integers(2, 6))
def test_bins_partition_the_values(values: list[float], bins: int) -> None:
    numbers = np.array(values)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        with pytest.raises(ValueError, match="no finite value"):
            quantile_edges(numbers, bins)
        return
    edges = quantile_edges(numbers, bins)
    codes = bin_of(numbers, edges)
    assert ((codes == -1) == np.isnan(numbers)).all()
    assert set(codes[codes >= 0]) <= set(range(max(len(edges) - 1, 1)))
    for code in set(codes[codes >= 0]):
        inside = numbers[codes == code]
        assert inside.min() >= edges[code] and inside.max() <= edges[min(code + 1, len(edges) - 1)]


def test_bins_of_distinct_values_have_equal_sizes() -> None:
    values = np.random.default_rng(0).permutation(100).astype(float)
    counts = np.bincount(bin_of(values, quantile_edges(values, 4)))
    assert counts.max() - counts.min() <= 2


def test_texts_tell_the_ends_apart() -> None:
    assert interval_texts(np.array([0.0, 10.0, 100.0])) == ["0 to 10", "10 to 100"]
    assert interval_texts(np.array([0.121, 0.124])) == ["0.121 to 0.124"]
    assert interval_texts(np.array([5.0])) == ["5"]


def test_difference_is_newcombes_at_the_joint_level() -> None:
    correct = np.array([1.0] * 45 + [0.0] * 5 + [1.0] * 30 + [0.0] * 20)
    first = np.arange(100) < 50
    members = {"a": first, "b": ~first, "few": np.arange(100) < MIN_SLICE - 1}
    results = compare_slices(correct, np.arange(100), members)
    expected = independent_difference(wilson(45, 50, 0.975), wilson(30, 50, 0.975))
    assert results["a"].difference == expected
    assert [results[name].verdict for name in members] == ["better", "worse", "too few images"]
    assert results["few"].accuracy.estimate == 1.0


def test_copies_count_once_for_the_number_of_images() -> None:
    correct = np.tile([1.0, 0.0], 60)
    first = np.arange(120) < 60
    groups = np.where(first, np.arange(120) // 6, np.arange(120))
    result = compare_slices(correct, groups, {"copies": first})["copies"]
    assert (result.images, result.groups, result.verdict) == (60, 10, "too few images")
