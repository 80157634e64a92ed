"""Looks at the same recipes on growing data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fashion_exp.comparison.comparison import Comparison
from fashion_exp.comparison.conclusions import conclusions
from fashion_exp.comparison.looks import (
    JOURNAL,
    begin_race,
    count_looks,
    recipe,
    record_race_look,
)
from fashion_exp.comparison.run_data import RunData
from fashion_exp.comparison.settings import ComparisonSettings
from tests.comparison.synthetic_runs import make_run, random_correctness


def trained(folder: Path, lr: float, models: int, images: int = 60) -> RunData:
    """A run of the recipe with this learning rate."""
    scores = random_correctness(int(lr), models, images, 0.8)
    options = {"optim.lr": lr, "repeats": models}
    name = f"{lr}-{models}-{images}"
    return make_run(folder / name, name, scores, scores, options=options)


def test_looks_count_growing_data_and_not_repeated_commands(tmp_path: Path) -> None:
    five, ten = ([trained(tmp_path, lr, n) for lr in (1.0, 2.0, 3.0)] for n in (5, 10))
    more_images = [trained(tmp_path, lr, 10, 80) for lr in (1.0, 2.0)]

    def look(runs: list[RunData], metric: str = "accuracy") -> int:
        return count_looks(runs, "validation", metric, tmp_path).number

    assert [look(five), look(five), look(five[:2])] == [1, 1, 1]
    assert [look(ten[:2]), look(more_images), look(ten[:2]), look(five)] == [2, 3, 2, 1]
    assert look(ten[1:]) == 2  # the same recipes had been looked at with five
    assert look(ten[:2], "loss") == 1 and look(ten[:1]) == 1
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 6


def test_own_code_belongs_to_the_recipe_by_its_content(tmp_path: Path) -> None:
    scores = random_correctness(0, 4, 60, 0.8)

    def run(file: str, code: str) -> RunData:
        facts = {"extensions": f"{Path(file).name} ({code})"}
        name = f"{len([*tmp_path.iterdir()])}"
        options = {"extensions": [file]}
        return make_run(tmp_path / name, name, scores, scores, options=options, facts=facts)

    here, moved, changed = run("here/a.py", "1"), run("there/b.py", "1"), run("here/a.py", "2")
    assert recipe(here) == recipe(moved) != recipe(changed)


def test_unwritable_place_does_not_stop_a_comparison(tmp_path: Path) -> None:
    runs = [trained(tmp_path, lr, 5) for lr in (1.0, 2.0)]
    (tmp_path / "file").write_text("")
    assert count_looks(runs, "validation", "accuracy", tmp_path / "file" / "outputs").number == 1


def test_later_look_tests_at_a_smaller_alpha_and_says_so(tmp_path: Path) -> None:
    comparisons = [
        Comparison([trained(tmp_path, lr, n) for lr in (1.0, 2.0)], ComparisonSettings())
        for n in (5, 10)
    ]
    first, second = (comparison.counted_in(tmp_path) for comparison in comparisons)
    assert first.settings.pair_alpha == 0.05 and second.settings.pair_alpha == 0.05 / 4
    (pair,), (corrected,) = comparisons[1].pairs, second.pairs
    assert pair.simultaneous is not None and corrected.simultaneous is not None
    assert np.isclose(corrected.simultaneous.level, 1 - 0.05 / 4)
    assert not any("look" in sentence for sentence in conclusions(first))
    (sentence,) = [text for text in conclusions(second) if "look 2" in text]
    assert sentence.endswith("The error rate over all looks is at most 0.082.")


def test_race_is_one_look_and_divides_its_share(tmp_path: Path) -> None:
    by_repeats = {n: [trained(tmp_path, lr, n) for lr in (1.0, 2.0)] for n in (3, 5, 6, 9)}
    recipes = (recipe(by_repeats[3][0]), recipe(by_repeats[3][1]))

    def look(repeats: int) -> tuple[int, float, str]:
        return count_looks(by_repeats[repeats], "validation", "accuracy", tmp_path)

    def number(race: str) -> int:
        return begin_race(recipes, "validation", "accuracy", tmp_path, race)

    assert look(3) == (1, 1.0, "")
    assert number("race") == 2
    for repeats, share in ((5, 0.01), (6, 0.02), (6, 0.02)):
        runs = by_repeats[repeats]
        record_race_look(runs, "validation", "accuracy", tmp_path, "race", share)
    assert [look(5), look(6), look(3)] == [(2, 0.01, "race"), (2, 0.02, "race"), (1, 1.0, "")]
    assert number("race") == 2 and number("other") == 3
    assert look(9) == (4, 1 / 16, "")  # the other race has begun, so it is look 3
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 6
    # Beside another run the runs of the race are an ordinary look, not at the share of the race.
    beside = [*by_repeats[6], trained(tmp_path, 3.0, 6)]
    assert count_looks(beside, "validation", "accuracy", tmp_path) == (5, 1 / 25, "")
    assert look(6) == (2, 0.02, "race")
