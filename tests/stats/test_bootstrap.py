"""Bootstrap: published limits, agreement with closed forms, degenerate and undefined cases."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.bootstrap import bootstrap, paired_bootstrap
from fashion_exp.stats.checks import Integers
from fashion_exp.stats.metrics import confusion_matrix, macro_f1
from fashion_exp.stats.paired import mcnemar, paired_counts
from fashion_exp.stats.paired_t import paired_grouped
from fashion_exp.stats.proportions import clopper_pearson, wilson
from tests.stats.helpers import PROPERTY, limits, mean, simulated_answers, width

R_EXAMPLE = [10.0, 12, 12.5, 12.5, 13.9, 15, 21, 22, 23, 34, 50, 81, 89, 121, 134, 213]


def test_reproduces_limits_of_r_boot() -> None:
    bca = bootstrap(R_EXAMPLE, mean, resamples=20_000)
    assert limits(bca) == pytest.approx((32.31, 91.43), abs=1.0)
    percentile = bootstrap(R_EXAMPLE, mean, groups=range(16), resamples=5000)
    assert limits(percentile) == pytest.approx((28.86, 84.21), abs=2.0)


def test_seed_determines_result() -> None:
    results = [limits(bootstrap(R_EXAMPLE, mean, seed=seed)) for seed in (1, 1, 2)]
    assert results[0] == results[1] != results[2]


def test_agrees_with_wilson_on_accuracy() -> None:
    right = np.repeat([1, 0], [450, 50])
    for groups in (None, np.arange(500)):
        interval = bootstrap(right, mean, groups=groups)
        assert limits(interval) == pytest.approx(limits(wilson(450, 500)), abs=0.006)


def test_accepts_metric_of_several_arrays_by_index() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    predicted = np.where(rng.random(150) < 0.8, labels, rng.integers(0, 3, 150))

    def f1(rows: Integers) -> float:
        return macro_f1(confusion_matrix(labels[rows], predicted[rows], 3)).value

    interval = bootstrap(np.arange(150), f1, resamples=500)
    assert interval.estimate == pytest.approx(f1(np.arange(150)))
    low, high = limits(interval)
    assert 0.7 < low < f1(np.arange(150)) < high < 0.95
    grouped = bootstrap(np.arange(150), f1, groups=np.arange(150) // 5, resamples=500)
    assert grouped.unit == "groups" and grouped.status == "ok"
    table = bootstrap(np.column_stack([labels, predicted]), lambda r: mean(r[:, 0] == r[:, 1]))
    assert table.estimate == pytest.approx((labels == predicted).mean())


def test_copies_of_an_image_in_one_group_add_no_information() -> None:
    right = simulated_answers(1, 100)[0]
    plain = bootstrap(right, mean, groups=range(100))
    copied = bootstrap(np.repeat(right, 5), mean, groups=np.repeat(np.arange(100), 5))
    assert limits(copied) == pytest.approx(limits(plain))
    assert width(bootstrap(np.repeat(right, 5), mean)) < 0.6 * width(copied)


@pytest.mark.parametrize("answer", [0, 1])
def test_equal_answers_fall_back_on_clopper_pearson(answer: int) -> None:
    single = bootstrap(np.full(20, answer), mean)
    assert single.status == "degenerate" and limits(single) == (answer, answer)
    assert single.fallback == clopper_pearson(20 * answer, 20)
    grouped = bootstrap(np.full(40, answer), mean, groups=np.arange(40) // 2)
    assert grouped.fallback == clopper_pearson(20 * answer, 20)
    assert bootstrap(np.full(20, 7.0), mean).fallback is None


def test_one_unit_is_undefined_and_few_groups_warn() -> None:
    assert bootstrap([1.0], mean).note == "needs at least 2 images"
    one_group = bootstrap([1, 0, 1, 1], mean, groups=[0, 0, 0, 0])
    assert (one_group.status, one_group.note) == ("undefined", "needs at least 2 groups")
    assert "G=16 groups" in bootstrap(R_EXAMPLE, mean, groups=range(16)).note
    assert bootstrap(np.arange(40), mean, groups=range(40)).note == ""


def test_nan_metric_is_undefined_with_its_frequency() -> None:
    def sometimes_nan(rows: Integers) -> float:
        return float(rows.mean()) if 0 in rows else math.nan

    for groups in (None, range(5)):
        interval = bootstrap(range(5), sometimes_nan, groups=groups)
        assert interval.status == "undefined" and "of 2000 resamples" in interval.note
    assert bootstrap(range(5), lambda rows: math.nan).estimate is None


# --- paired ----------------------------------------------------------------------------------


def test_paired_agrees_with_mcnemar_and_tango() -> None:
    a, b = simulated_answers(2, 600)
    test, reference = paired_bootstrap(a, b), mcnemar(*paired_counts(a, b))
    assert test.p == pytest.approx(reference.p, abs=0.03)
    assert limits(test.interval) == pytest.approx(limits(reference.interval), abs=0.005)


def test_paired_with_groups_agrees_with_cluster_robust_t() -> None:
    a, b = (np.repeat(simulated_answers(1, 150, seed)[0], 4) for seed in (1, 2))
    groups = np.repeat(np.arange(150), 4)
    test, reference = paired_bootstrap(a, b, groups=groups), paired_grouped(a - b, groups)
    assert test.p == pytest.approx(reference.p, abs=0.03) and test.interval.unit == "groups"
    assert limits(test.interval) == pytest.approx(limits(reference.interval), abs=0.01)
    assert width(paired_bootstrap(a, b).interval) < 0.6 * width(test.interval)


def test_identical_runs_have_p_1_and_fall_back_on_tango() -> None:
    a = simulated_answers(1, 300)[0]
    same = paired_bootstrap(a, a)
    assert (same.p, same.difference, same.status) == (1.0, 0.0, "degenerate")
    low, high = limits(same.interval.or_fallback)
    assert low < 0 < high


def test_paired_without_variance_or_replication_has_no_p() -> None:
    constant = paired_bootstrap(np.ones(9), np.zeros(9))
    assert (constant.p, constant.trusted_p, constant.status) == (None, None, "degenerate")
    assert paired_bootstrap([1], [0]).status == "undefined"
    one_group = paired_bootstrap([1, 0], [0, 1], groups=[3, 3])
    assert one_group.note.startswith("needs at least 2 groups")


@PROPERTY
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=30))
def test_p_is_positive_and_swapping_negates_difference(pairs: list[tuple[float, float]]) -> None:
    a, b = zip(*pairs, strict=True)
    test, swapped = paired_bootstrap(a, b, resamples=500), paired_bootstrap(b, a, resamples=500)
    assert test.p is None or 0 < test.p <= 1
    assert test.difference is not None and swapped.difference == pytest.approx(-test.difference)
    assert (test.p is None) == (swapped.p is None)


@PROPERTY
@given(st.integers(0, 10_000), st.floats(0.02, 0.3))
def test_paired_interval_excludes_0_where_test_rejects(seed: int, alpha: float) -> None:
    a, b = simulated_answers(2, 120, seed)
    test = paired_bootstrap(a, b, 1 - alpha, resamples=1000)
    if test.status == "ok" and test.p is not None and abs(test.p - alpha) > 0.005:
        low, high = limits(test.interval)
        assert (test.p < alpha) == (low > 0 or high < 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap([], mean), "no values"),
        (lambda: bootstrap([1, 0], mean, 95), "level"),
        (lambda: bootstrap([1, 0], mean, resamples=50), "resamples must be at least 100"),
        (lambda: bootstrap([1, 0], mean, groups=[1]), "one group label each"),
        (lambda: paired_bootstrap([1, 0], [1]), "never align by position"),
        (lambda: paired_bootstrap([1, math.nan], [1, 0]), "missing"),
        (lambda: paired_bootstrap([1, 0], [1, 0], groups=["a"]), "one group label each"),
    ],
)
def test_rejects_invalid_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
