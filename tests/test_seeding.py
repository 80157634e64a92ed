"""Seeds are functions of their parts."""

from __future__ import annotations

import pytest

from fashion_exp.seeding import derive_seed, derive_seeds


def test_seed_depends_on_its_parts_alone() -> None:
    assert derive_seed("order", 0, 1) == derive_seed("order", 0, 1)
    seeds = {derive_seed(*parts) for parts in (("a", 1), ("a", 2), ("b", 1), ("a", "1"), ("a1",))}
    assert len(seeds) == 5 and all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed("order", 0, 1) == 8556750900509299915, "in every process and version"


@pytest.mark.parametrize("prefix", [("test", 0), ("validation", 3, 1), ("one",)])
def test_seeds_of_many_equal_the_seed_of_each(prefix: tuple[object, ...]) -> None:
    names = ["a", "it's", 'a"b', "é", 7]
    assert derive_seeds(prefix, names) == [derive_seed(*prefix, name) for name in names]
