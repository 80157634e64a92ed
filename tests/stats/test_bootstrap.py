"""Resampling: published limits, the plain cases it must agree with, and where it has no answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.bootstrap import bootstrap, cluster_bootstrap, paired_bootstrap
from fashion_exp.stats.metrics import confusion_matrix, macro_f1
from fashion_exp.stats.paired import mcnemar, paired_counts
from fashion_exp.stats.paired_t import paired_grouped
from fashion_exp.stats.proportions import clopper_pearson, wilson
from tests.stats.given import LAW, answers, limits, width

R_EXAMPLE = [10.0, 12, 12.5, 12.5, 13.9, 15, 21, 22, 23, 34, 50, 81, 89, 121, 134, 213]


def mean(rows: np.ndarray) -> float:
    return float(rows.mean())


def test_the_limits_of_rs_boot() -> None:
    bca = bootstrap(R_EXAMPLE, mean, resamples=20_000)
    assert limits(bca) == pytest.approx((32.31, 91.43), abs=1.0)
    percentile = cluster_bootstrap(R_EXAMPLE, range(16), mean, resamples=20_000)
    assert limits(percentile) == pytest.approx((28.86, 84.21), abs=1.0)


def test_a_seed_fixes_it_and_another_moves_it() -> None:
    found = [limits(bootstrap(R_EXAMPLE, mean, seed=seed)) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_on_accuracy_it_agrees_with_wilson() -> None:
    right = np.repeat([1, 0], [450, 50])
    assert limits(bootstrap(right, mean)) == pytest.approx(limits(wilson(450, 500)), abs=0.006)
    clusters = cluster_bootstrap(right, np.arange(500), mean)
    assert limits(clusters) == pytest.approx(limits(wilson(450, 500)), abs=0.006)


def test_any_metric_by_row_numbers() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    predicted = np.where(rng.random(150) < 0.8, labels, rng.integers(0, 3, 150))

    def f1(rows: np.ndarray) -> float:
        return macro_f1(confusion_matrix(labels[rows], predicted[rows], 3)).value

    found = bootstrap(np.arange(150), f1, resamples=500)
    assert found.status == "ok" and found.estimate == pytest.approx(f1(np.arange(150)))
    low, high = limits(found)
    assert 0.7 < low < f1(np.arange(150)) < high < 0.95
    grouped = cluster_bootstrap(np.arange(150), np.arange(150) // 5, f1, resamples=500)
    assert grouped.unit == "groups" and grouped.status == "ok"
    table = bootstrap(np.column_stack([labels, predicted]), lambda r: mean(r[:, 0] == r[:, 1]))
    assert table.estimate == pytest.approx((labels == predicted).mean())


def test_copies_of_an_image_add_nothing() -> None:
    right = answers(1, 100)[0]
    plain = cluster_bootstrap(right, range(100), mean)
    copied = cluster_bootstrap(np.repeat(right, 5), np.repeat(np.arange(100), 5), mean)
    assert limits(copied) == pytest.approx(limits(plain))
    assert width(bootstrap(np.repeat(right, 5), mean)) < 0.6 * width(copied)


@pytest.mark.parametrize("answer", [0, 1])
def test_answers_that_are_all_alike_fall_back_on_clopper_pearson(answer: int) -> None:
    flat = bootstrap(np.full(20, answer), mean)
    assert flat.status == "degenerate" and limits(flat) == (answer, answer)
    assert flat.fallback == clopper_pearson(20 * answer, 20)
    grouped = cluster_bootstrap(np.full(40, answer), np.arange(40) // 2, mean)
    assert grouped.fallback == clopper_pearson(20 * answer, 20)
    assert bootstrap(np.full(20, 7.0), mean).fallback is None


def test_too_little_to_resample_is_undefined() -> None:
    assert bootstrap([1.0], mean).note == "needs at least 2 images"
    one = cluster_bootstrap([1, 0, 1, 1], [0, 0, 0, 0], mean)
    assert (one.status, one.note) == ("undefined", "needs at least 2 groups")
    assert "G=16 groups" in cluster_bootstrap(R_EXAMPLE, range(16), mean).note
    assert cluster_bootstrap(np.arange(40), range(40), mean).note == ""


def test_a_metric_that_is_nan_is_undefined_and_says_how_often() -> None:
    def rare(rows: np.ndarray) -> float:
        return float(rows.mean()) if 0 in rows else math.nan

    for found in (bootstrap(range(5), rare), cluster_bootstrap(range(5), range(5), rare)):
        assert found.status == "undefined" and "of 2000 resamples" in found.note
    assert bootstrap(range(5), lambda rows: math.nan).estimate is None


# --- pairs -----------------------------------------------------------------------------------


def test_the_paired_bootstrap_agrees_with_mcnemar_and_tango() -> None:
    a, b = answers(2, 600)
    found, known = paired_bootstrap(a, b), mcnemar(*paired_counts(a, b))
    assert found.p == pytest.approx(known.p, abs=0.03)
    assert limits(found.interval) == pytest.approx(limits(known.interval), abs=0.005)


def test_the_paired_bootstrap_of_groups_agrees_with_the_robust_t() -> None:
    a, b = (np.repeat(answers(1, 150, seed)[0], 4) for seed in (1, 2))
    sources = np.repeat(np.arange(150), 4)
    found, known = paired_bootstrap(a, b, groups=sources), paired_grouped(a - b, sources)
    assert found.p == pytest.approx(known.p, abs=0.03) and found.interval.unit == "groups"
    assert limits(found.interval) == pytest.approx(limits(known.interval), abs=0.01)
    assert width(paired_bootstrap(a, b).interval) < 0.6 * width(found.interval)


def test_identical_runs_have_p_1_and_tangos_interval() -> None:
    a = answers(1, 300)[0]
    same = paired_bootstrap(a, a)
    assert (same.p, same.difference, same.status) == (1.0, 0.0, "degenerate")
    fallback = same.interval.fallback
    assert fallback is not None and limits(fallback)[0] < 0 < limits(fallback)[1]
    apart = paired_bootstrap(np.ones(9), np.zeros(9))
    assert (apart.p, apart.trusted_p, apart.status) == (None, None, "degenerate")
    assert paired_bootstrap([1], [0]).status == "undefined"
    assert paired_bootstrap([1, 0], [0, 1], groups=[3, 3]).note.startswith("needs at least 2 gr")


@LAW
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=30))
def test_p_is_a_probability_never_0_and_swaps(pairs: list[tuple[float, float]]) -> None:
    a, b = zip(*pairs, strict=True)
    found, turned = paired_bootstrap(a, b, resamples=500), paired_bootstrap(b, a, resamples=500)
    assert found.p is None or 0 < found.p <= 1
    assert found.difference is not None and turned.difference == pytest.approx(-found.difference)
    assert (found.p is None) == (turned.p is None)


@LAW
@given(st.integers(0, 10_000), st.floats(0.02, 0.3))
def test_the_paired_interval_leaves_out_0_where_the_test_rejects(seed: int, alpha: float) -> None:
    a, b = answers(2, 120, seed)
    found = paired_bootstrap(a, b, 1 - alpha, resamples=1000)
    if found.status == "ok" and found.p is not None and abs(found.p - alpha) > 0.005:
        low, high = limits(found.interval)
        assert (found.p < alpha) == (low > 0 or high < 0)


def test_paired_losses_take_a_moment() -> None:
    losses = np.random.default_rng(0).exponential(1, (2, 3000))
    start = time.perf_counter()
    assert paired_bootstrap(*losses, resamples=1000).status == "ok"
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bootstrap([], mean), "no values"),
        (lambda: bootstrap([1, 0], mean, 95), "level"),
        (lambda: bootstrap([1, 0], mean, resamples=50), "fewer than 100"),
        (lambda: cluster_bootstrap([1, 0], [1], mean), "one group each"),
        (lambda: paired_bootstrap([1, 0], [1]), "never align by position"),
        (lambda: paired_bootstrap([1, math.nan], [1, 0]), "missing"),
        (lambda: paired_bootstrap([1, 0], [1, 0], groups=["a"]), "one group each"),
    ],
)
def test_a_mistaken_call_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
