"""BBC-CV: the score of the winner of a sweep, corrected for the selection."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.checks import Floats
from fashion_exp.stats.proportions import wilson
from fashion_exp.stats.selection import bbc_cv
from tests.stats.helpers import PROPERTY, limits, simulated_answers, width

EXPECTED_MAX_OF_50_NORMALS = 2.24907  # Teichroew 1956, Ann. Math. Stat. 27:410-426


def simulated_hits(configs: int, images: int, seed: int = 0, rate: float = 0.85) -> Floats:
    return (np.random.default_rng(seed).random((configs, images)) < rate).astype(float)


@pytest.mark.slow
def test_optimism_of_best_of_equal_configs_matches_theory() -> None:
    hits = simulated_hits(50, 480)
    result = bbc_cv(hits, np.ones_like(hits))
    assert result.winner == hits.mean(1).argmax()
    assert result.apparent_score == hits.mean(1).max()
    expected = EXPECTED_MAX_OF_50_NORMALS * math.sqrt(0.85 * 0.15 / 480)
    assert result.optimism == pytest.approx(expected, abs=0.012)
    low, high = limits(result.interval)
    assert low < 0.85 < high and result.interval.note.startswith("conservative")


def test_clear_winner_has_no_optimism() -> None:
    hits = np.vstack([simulated_hits(9, 500, rate=0.5), simulated_hits(1, 500, rate=0.95)])
    result = bbc_cv(hits, np.ones_like(hits))
    assert result.winner == 9 and result.optimism == pytest.approx(0, abs=0.002)


def test_single_config_has_no_optimism() -> None:
    single = bbc_cv(simulated_hits(1, 300), np.ones((1, 300)))
    assert single.optimism == 0 and single.interval.note == "nothing was selected"
    assert single.interval.estimate == single.apparent_score and single.candidates == 1


def test_identical_configs_have_no_optimism() -> None:
    hits = np.tile(simulated_hits(1, 400), (20, 1))
    many, single = bbc_cv(hits, np.ones_like(hits)), bbc_cv(hits[:1], np.ones((1, 400)))
    assert many.winner == 0 and many.optimism == pytest.approx(0, abs=0.002)
    assert limits(many.interval) == pytest.approx(limits(single.interval))


def test_images_without_prediction_are_ignored() -> None:
    hits, counts = simulated_hits(6, 400), np.ones((6, 400))
    counts[2, :200] = 0
    hits[2, :200] = 0
    result = bbc_cv(hits, counts)
    assert 0.8 < result.apparent_score < 0.93 and result.interval.status == "ok"
    expected = hits[2].sum() / counts[2].sum()
    assert bbc_cv(hits[2:3], counts[2:3]).apparent_score == pytest.approx(expected)


def test_repeats_are_weighted_by_their_counts() -> None:
    hits, counts = simulated_hits(4, 300), np.ones((4, 300))
    twice, once = bbc_cv(2 * hits, 2 * counts), bbc_cv(hits, counts)
    assert twice.interval.estimate == pytest.approx(once.interval.estimate)


def test_copies_of_an_image_in_one_group_add_no_information() -> None:
    hits, counts = simulated_hits(8, 200), np.ones((8, 200))
    copied_hits, copied_counts = (np.repeat(values, 5, axis=1) for values in (hits, counts))
    copied = bbc_cv(copied_hits, copied_counts, np.repeat(np.arange(200), 5))
    plain = bbc_cv(hits, counts)
    assert copied.interval.estimate == pytest.approx(plain.interval.estimate)
    assert width(copied.interval) == pytest.approx(width(plain.interval))
    assert copied.interval.unit == "groups"


def test_no_variance_is_degenerate_and_falls_back_on_wilson() -> None:
    result = bbc_cv(np.ones((3, 50)), np.ones((3, 50)))
    assert result.interval.status == "degenerate" and result.optimism == 0
    assert result.interval.fallback == wilson(50, 50, fractional=True)


def test_one_unit_is_undefined_and_few_groups_warn() -> None:
    single = bbc_cv([[1], [0]], [[1], [1]])
    assert (single.interval.status, single.resamples) == ("undefined", 0)
    hits, counts = simulated_hits(3, 9), np.ones((3, 9))
    assert "2 groups" in bbc_cv(hits, counts, np.zeros(9)).interval.note
    assert "G=3 groups" in bbc_cv(hits, counts, np.arange(9) // 3).interval.note


def test_seed_determines_result() -> None:
    hits = simulated_hits(10, 100)
    results = [bbc_cv(hits, np.ones_like(hits), seed=s).interval.estimate for s in (3, 3, 4)]
    assert results[0] == results[1] != results[2]


@PROPERTY
@given(st.integers(1, 6), st.integers(3, 40), st.integers(0, 1000))
def test_corrected_score_and_limits_are_in_0_1(configs: int, images: int, seed: int) -> None:
    hits = simulated_answers(configs, images, seed)
    result = bbc_cv(hits, np.ones_like(hits), resamples=100)
    low, high = limits(result.interval)
    assert result.interval.estimate is not None
    assert 0 <= low <= high <= 1 and 0 <= result.interval.estimate <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bbc_cv(np.ones((2, 3)), np.ones((2, 4))), "shape"),
        (lambda: bbc_cv(np.ones((2, 3)), np.zeros((2, 3))), "hits must be"),
        (lambda: bbc_cv(np.zeros((2, 3)), [[1, 1, 1], [0, 0, 0]]), "no predictions"),
        (lambda: bbc_cv([[1, math.nan]], [[1, 1]]), "incomplete"),
        (lambda: bbc_cv(np.ones((2, 3)), np.ones((2, 3)), resamples=9), "resamples"),
        (lambda: bbc_cv(np.ones((2, 3)), np.ones((2, 3)), ["a"]), "one group label each"),
        (lambda: bbc_cv(np.ones((2, 3)), np.ones((2, 3)), level=95), "level"),
    ],
)
def test_rejects_invalid_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_corrected_score_is_at_most_the_apparent_one() -> None:
    for seed in range(20):
        correct = np.random.default_rng(seed).random((2, 12)) < [[0.9], [0.2]]
        selection = bbc_cv(correct, np.ones_like(correct), resamples=100)
        assert selection.optimism is not None and selection.optimism >= 0
