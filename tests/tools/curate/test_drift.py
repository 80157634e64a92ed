"""Parts of one source do not differ; parts that do are told, and by what."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from fashion_exp.tools.curate.drift import QUANTITIES, find_drift, sentences
from fashion_exp.tools.curate.duplicates import Found
from fashion_exp.tools.curate.image_tree import Place
from fashion_exp.tools.curate.inspection import Look, Sight


def _found(number: int, part: str, label: str, light: float = 0, edge: int = 300) -> Found:
    rng = np.random.default_rng(number)
    grey = (rng.normal(120, 30, (32, 32)) + rng.normal(0, 20) + light).clip(0, 255)
    red, green, blue = (grey.mean() + rng.normal(0, 10, 3)).tolist()
    sight = Sight(
        width=edge + int(rng.integers(0, 100)),
        height=edge,
        pixels=f"{number}",
        phash=0,
        mirrored=0,
        grey=base64.b64encode(grey.astype(np.uint8).tobytes()).decode(),
        colour=(red, green, blue),
        spread=float(grey.std()),
    )
    place = Place(f"{part}/{number}.png", f"{number}", label, part)
    return Found(place, Look(f"{number}", int(rng.integers(9_000, 11_000)), None, sight), sight)


def _part(part: str, first: int, count: int, **differing: float) -> list[Found]:
    return [
        _found(first + n, part, "dress" if n % 3 else "shirt", **differing)  # type: ignore[arg-type]
        for n in range(count)
    ]


def test_two_draws_of_one_source_do_not_differ() -> None:
    drift = find_drift([*_part("train", 0, 200), *_part("test", 1000, 80)])
    assert {one.what for one in drift} == {*QUANTITIES, "class shares", "told apart"}
    assert not any(one.differs for one in drift)
    assert sentences(drift) == ["train and test: none of 8 tests finds a difference at 0.05."]


@pytest.mark.parametrize(
    ("differing", "what"), [({"light": 40.0}, "brightness"), ({"edge": 350}, "shorter side")]
)
def test_what_differs_is_named(differing: dict[str, float], what: str) -> None:
    drift = find_drift([*_part("train", 0, 200), *_part("validation", 1000, 80, **differing)])
    named = {one.what for one in drift if one.differs}
    assert {what, "told apart"} <= named and "class shares" not in named
    assert what in sentences(drift)[0]


def test_other_class_shares_are_told() -> None:
    train, test = _part("train", 0, 200), _part("test", 1000, 80)
    dresses = [replace(one, place=replace(one.place, label="dress")) for one in test]
    assert {one.what for one in find_drift([*train, *dresses]) if one.differs} == {"class shares"}


def test_copies_count_once_and_one_part_is_not_compared() -> None:
    train, test = _part("train", 0, 200), _part("test", 1000, 80)
    assert find_drift([*train, *test, *test * 5]) == find_drift([*train, *test])
    assert find_drift(train) == [] and "no official parts" in sentences([])[0]


def test_three_parts_are_compared_two_by_two() -> None:
    parts = [*_part("train", 0, 90), *_part("validation", 1000, 30), *_part("test", 2000, 30)]
    assert len({one.parts for one in find_drift(parts)}) == 3
    assert len(sentences(find_drift(parts))) == 3
