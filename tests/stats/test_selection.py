"""The winner of a sweep: what its score is worth once it was chosen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.proportions import wilson
from fashion_exp.stats.selection import bbc_cv, expected_max_normal
from tests.stats.given import LAW, answers, limits, width


def sweep(configs: int, images: int, seed: int = 0, rate: float = 0.85) -> np.ndarray:
    return (np.random.default_rng(seed).random((configs, images)) < rate).astype(float)


def test_the_best_of_equals_is_shown_its_optimism() -> None:
    hits = sweep(50, 480)
    found = bbc_cv(hits, np.ones_like(hits))
    assert found.winner == hits.mean(1).argmax() and found.own_score == hits.mean(1).max()
    expected = expected_max_normal(50) * math.sqrt(0.85 * 0.15 / 480)
    assert found.optimism == pytest.approx(expected, abs=0.012)
    low, high = limits(found.interval)
    assert low < 0.85 < high and found.interval.note.startswith("conservative")


def test_a_winner_beyond_doubt_has_hardly_any_optimism() -> None:
    hits = np.vstack([sweep(9, 500, rate=0.5), sweep(1, 500, rate=0.95)])
    found = bbc_cv(hits, np.ones_like(hits))
    assert found.winner == 9 and found.optimism == pytest.approx(0, abs=0.002)


def test_a_single_run_was_not_chosen() -> None:
    one = bbc_cv(sweep(1, 300), np.ones((1, 300)))
    assert one.optimism == 0 and one.interval.note == "nothing was chosen"
    assert one.interval.estimate == one.own_score and one.candidates == 1


def test_identical_runs_share_and_gain_nothing() -> None:
    hits = np.tile(sweep(1, 400), (20, 1))
    many, one = bbc_cv(hits, np.ones_like(hits)), bbc_cv(hits[:1], np.ones((1, 400)))
    assert many.winner == 0 and many.optimism == pytest.approx(0, abs=0.002)
    assert limits(many.interval) == pytest.approx(limits(one.interval))


def test_images_that_a_config_did_not_predict_do_not_count() -> None:
    hits, counts = sweep(6, 400), np.ones((6, 400))
    counts[2, :200] = 0
    hits[2, :200] = 0
    found = bbc_cv(hits, counts)
    assert 0.8 < found.own_score < 0.93 and found.interval.status == "ok"
    alone = hits[2].sum() / counts[2].sum()
    assert bbc_cv(hits[2:3], counts[2:3]).own_score == pytest.approx(alone)


def test_repeats_are_weighted_by_their_counts() -> None:
    hits, counts = sweep(4, 300), np.ones((4, 300))
    twice = bbc_cv(2 * hits, 2 * counts)
    once = bbc_cv(hits, counts)
    assert twice.interval.estimate == pytest.approx(once.interval.estimate)


def test_copies_of_an_image_add_nothing() -> None:
    hits, counts = sweep(8, 200), np.ones((8, 200))
    copied = bbc_cv(
        np.repeat(hits, 5, axis=1), np.repeat(counts, 5, axis=1), np.repeat(np.arange(200), 5)
    )
    plain = bbc_cv(hits, counts)
    assert copied.interval.estimate == pytest.approx(plain.interval.estimate)
    assert width(copied.interval) == pytest.approx(width(plain.interval))
    assert copied.interval.unit == "groups"


def test_all_right_is_degenerate_with_wilson_to_show() -> None:
    flat = bbc_cv(np.ones((3, 50)), np.ones((3, 50)))
    assert flat.interval.status == "degenerate" and flat.optimism == 0
    assert flat.interval.fallback == wilson(50, 50, fractional=True)


def test_one_image_or_group_cannot_be_resampled() -> None:
    one = bbc_cv([[1], [0]], [[1], [1]])
    assert (one.interval.status, one.resamples) == ("undefined", 0)
    assert "2 groups" in bbc_cv(sweep(3, 9), np.ones((3, 9)), np.zeros(9)).interval.note
    few = bbc_cv(sweep(3, 9), np.ones((3, 9)), np.arange(9) // 3)
    assert "G=3 groups" in few.interval.note


def test_a_seed_fixes_it() -> None:
    hits = sweep(10, 100)
    found = [bbc_cv(hits, np.ones_like(hits), seed=s).interval.estimate for s in (3, 3, 4)]
    assert found[0] == found[1] != found[2]


@LAW
@given(st.integers(1, 6), st.integers(3, 40), st.integers(0, 1000))
def test_the_corrected_score_and_its_limits_lie_in_0_and_1(
    configs: int, images: int, seed: int
) -> None:
    hits = answers(configs, images, seed)
    found = bbc_cv(hits, np.ones_like(hits), resamples=100)
    low, high = limits(found.interval)
    assert found.interval.estimate is not None
    assert 0 <= low <= high <= 1 and 0 <= found.interval.estimate <= 1


def test_two_hundred_runs_take_seconds() -> None:
    hits = sweep(200, 3000)
    start = time.perf_counter()
    bbc_cv(hits, np.ones_like(hits), resamples=500)
    assert time.perf_counter() - start < 10


def test_the_largest_of_normal_values() -> None:
    known = {1: 0.0, 2: 0.56419, 10: 1.53875, 50: 2.24907, 100: 2.50759}
    assert {n: expected_max_normal(n) for n in known} == pytest.approx(known, abs=5e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bbc_cv(np.ones((2, 3)), np.ones((2, 4))), "shape"),
        (lambda: bbc_cv(np.ones((2, 3)), np.zeros((2, 3))), "hits must lie"),
        (lambda: bbc_cv(np.zeros((2, 3)), [[1, 1, 1], [0, 0, 0]]), "no prediction"),
        (lambda: bbc_cv([[1, math.nan]], [[1, 1]]), "incomplete"),
        (lambda: bbc_cv(np.ones((2, 3)), np.ones((2, 3)), resamples=9), "fewer than 100"),
        (lambda: bbc_cv(np.ones((2, 3)), np.ones((2, 3)), ["a"]), "one group each"),
        (lambda: bbc_cv(np.ones((2, 3)), np.ones((2, 3)), level=95), "level"),
        (lambda: expected_max_normal(0), "count"),
    ],
)
def test_a_mistaken_call_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
