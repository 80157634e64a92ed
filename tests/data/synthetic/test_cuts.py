"""The classes overlap in every measure; an ambiguous cut lies between two."""

from __future__ import annotations

from dataclasses import fields
from itertools import combinations

import numpy as np
import pytest

from fashion_exp.data.synthetic.cuts import CUTS, PARTS, Cut, interpolate

MEASURES = [field.name for field in fields(Cut) if field.name not in PARTS]


@pytest.fixture(scope="module")
def cuts() -> list[list[Cut]]:
    rng = np.random.default_rng(0)
    return [[random_cut(rng) for _ in range(400)] for random_cut in CUTS]


@pytest.mark.parametrize("name", MEASURES)
def test_no_single_measure_separates_two_classes(name: str, cuts: list[list[Cut]]) -> None:
    for first, second in combinations(cuts, 2):
        a, b = ([getattr(cut, name) for cut in group] for group in (first, second))
        assert min(a) <= max(b) and min(b) <= max(a)


@pytest.mark.parametrize("name", sorted(PARTS - {"hem_band", "waistline"}))
def test_every_class_varies_in_its_parts(name: str, cuts: list[list[Cut]]) -> None:
    assert all(len({getattr(cut, name) for cut in group}) > 1 for group in cuts)


def test_interpolated_cut_lies_between_its_two_classes(cuts: list[list[Cut]]) -> None:
    rng = np.random.default_rng(1)
    for dress, shirt in zip(cuts[0][:50], cuts[2][:50], strict=True):
        mixed = interpolate(dress, shirt, 0.4, rng)
        for name in MEASURES:
            a, b = getattr(dress, name), getattr(shirt, name)
            assert getattr(mixed, name) == pytest.approx(0.6 * a + 0.4 * b)
        for name in PARTS - {"neck"}:
            assert getattr(mixed, name) in (getattr(dress, name), getattr(shirt, name))
        assert mixed.neck != "strap"
