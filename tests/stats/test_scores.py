"""Intervals for a few scores: known answers, edges, laws, and the spread that is no interval."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.crossed import crossed_t_interval
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.proportions import wilson
from fashion_exp.stats.scores import (
    MIN_SCORES_SHOWN,
    corrected_t_interval,
    epoch_spread,
    t_interval,
    t_naive,
)
from tests.conftest import SHARED
from tests.stats.given import LAW, LEVELS, answers, limits, raw_limits, width


def test_students_sleep_data() -> None:
    sleep = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    assert limits(t_interval(sleep, bounded=False)) == pytest.approx((-0.5297804, 2.0297804))


def test_five_folds_corrected_and_not() -> None:
    folds = [0.8, 0.85, 0.82, 0.88, 0.9]
    assert limits(corrected_t_interval(folds, 480, 120)) == pytest.approx((0.7732073, 0.9267927))
    assert limits(t_interval(folds)) == pytest.approx((0.7988049, 0.9011951))


def test_two_runs_show_no_limit_above_one_but_keep_it() -> None:
    two = t_interval([0.92, 0.98])
    assert two.high == 1.0 and raw_limits(two)[1] == pytest.approx(1.331186)
    assert two.note == "limit outside [0,1]; k=2 (df=1): use a per-image interval"


def test_fewer_than_four_scores_are_flagged() -> None:
    assert "k=3" in corrected_t_interval([0.8, 0.81, 0.82], 80, 20).note
    assert corrected_t_interval([0.8, 0.81, 0.82, 0.8], 80, 20).note == ""


def test_one_score_has_no_interval() -> None:
    for one in (t_interval([0.9]), corrected_t_interval([0.9], 80, 20)):
        assert one.status == "undefined" and one.low is None and one.estimate == 0.9
        assert one.note == "needs at least 2 scores" and one.scores == 1


def test_equal_scores_are_degenerate_however_they_round() -> None:
    flat = t_interval([0.1 + 0.2, 0.3, 0.3], correct=[36, 36, 36], n=[120, 120, 120])
    assert flat.status == "degenerate" and flat.fallback is not None
    assert limits(flat.fallback) == limits(wilson(108, 360)) and flat.n == 360
    bare = corrected_t_interval([0.9] * 5, 480, 120)
    assert bare.status == "degenerate" and bare.fallback is None and "wilson" in bare.note


def test_missing_scores_are_refused_or_counted() -> None:
    folds = [0.9, math.nan, 0.8, 0.85, 0.87]
    with pytest.raises(ValueError, match="1 of 5 scores missing"):
        t_interval(folds)
    with pytest.raises(ValueError, match="1 of 5 scores missing"):
        corrected_t_interval(folds, 80, 20)
    kept = t_interval(folds, allow_missing=True)
    assert kept == replace(t_interval([0.9, 0.8, 0.85, 0.87]), note="1 of 5 scores missing: k=4")
    with pytest.raises(ValueError, match="no scores"):
        t_interval([math.nan, math.nan], allow_missing=True)


def test_the_counts_of_a_missing_score_are_left_out() -> None:
    flat = t_interval([0.9, math.nan, 0.9], correct=[9, 0, 9], n=[10, 10, 10], allow_missing=True)
    assert flat.fallback is not None and flat.fallback.n == 20


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: t_interval([]), "no scores"),
        (lambda: t_interval([0.9, math.inf]), "infinite"),
        (lambda: t_interval([93.2, 94.1]), "outside"),
        (lambda: t_interval([[0.9, 0.8]]), "one row"),
        (lambda: t_interval([0.9, 0.8], 95), "level"),
        (lambda: t_interval([0.9, 0.8], correct=[9, 8]), "both"),
        (lambda: t_interval([0.9, 0.8], correct=[9], n=[10]), "one count per score"),
        (lambda: t_interval([0.9, 0.8], correct=[11, 8], n=[10, 20]), "more correct"),
        (lambda: corrected_t_interval([0.9, 0.8]), "n_train and n_test are required"),
        (lambda: corrected_t_interval([0.9, 0.8], 80, None), "n_train and n_test are required"),
        (lambda: corrected_t_interval([0.9, 0.8], 0, 20), "n_train must be above 0"),
        (lambda: corrected_t_interval([0.9, 0.8], [80], 20), "n_train must be one number or 2"),
    ],
)
def test_a_mistaken_call_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_epochs_are_refused_as_samples() -> None:
    curve = [0.5, 0.6, 0.65, 0.66, 0.67]
    with pytest.raises(ValueError, match="not independent measurements"):
        t_interval(curve, unit="epochs")
    with pytest.raises(ValueError, match="not independent measurements"):
        corrected_t_interval(curve, 80, 20, unit="epochs")
    with pytest.raises(ValueError, match="scores, folds, splits, seeds"):
        t_interval(curve, unit="batches")
    assert t_interval(curve, unit="folds").unit == "folds"


SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=30).filter(lambda v: np.ptp(v) > 1e-3)


@LAW
@given(SCORES, st.integers(1, 1000), st.integers(1, 1000))
def test_the_correction_only_widens(values: list[float], n_train: int, n_test: int) -> None:
    naive, corrected = t_interval(values), corrected_t_interval(values, n_train, n_test)
    assert width(corrected) > width(naive)
    factor = math.sqrt(1 + len(values) * n_test / n_train)
    assert width(corrected) == pytest.approx(factor * width(naive))
    assert corrected.estimate == naive.estimate


@LAW
@given(SCORES, LEVELS)
def test_shown_limits_are_the_raw_ones_cut_to_zero_and_one(
    values: list[float], level: float
) -> None:
    found = corrected_t_interval(values, 80, 20, level)
    low, high = raw_limits(found)
    assert limits(found) == (max(low, 0), min(high, 1))
    assert found.estimate is not None and low < found.estimate < high


@LAW
@given(SCORES)
def test_sizes_that_are_equal_may_be_given_once(values: list[float]) -> None:
    many = [48] * len(values)
    assert corrected_t_interval(values, many, 12) == corrected_t_interval(values, 48, 12)


# --- what is not to be believed --------------------------------------------------------------


def test_the_naive_t_is_the_t_with_a_warning_that_never_leaves_it() -> None:
    folds = [0.8, 0.85, 0.82, 0.88, 0.9]
    naive = t_naive(folds)
    assert limits(naive) == limits(t_interval(folds)) and naive.method == "t_naive"
    assert naive.note.startswith("not to be believed: the folds share images")
    assert "not to be believed" in t_naive([0.9]).note
    assert "limit outside" in t_naive([0.92, 0.98]).note
    with pytest.raises(ValueError, match="epochs"):
        t_naive(folds, unit="epochs")


def test_the_spread_of_epochs_reproduces_the_ranges_of_the_paper() -> None:
    file = SHARED / "facts" / "paper_fig5_epoch_val_accuracy.json"
    if not file.exists():
        pytest.skip("the digitised figure is not beside this checkout")
    found = {name: epoch_spread(values) for name, values in json.loads(file.read_text()).items()}
    ranges = {n: (round(100 * s.low), round(100 * s.high)) for n, s in found.items()}
    assert ranges == {
        "VGGv1": (75, 78), "VGGv2": (85, 100), "VGG5050": (58, 91), "ResNet50": (57, 80)
    }  # fmt: skip


def test_the_spread_of_epochs_is_no_interval() -> None:
    spread = epoch_spread([0.5, 0.6, 0.7])
    assert not isinstance(spread, Interval) and "not a confidence interval" in spread.note
    assert (spread.mean, spread.epochs, spread.share) == (pytest.approx(0.6), 3, 0.95)
    assert not {"level", "target", "status"} & set(vars(spread))
    for wrong in ([0.5], [0.5, math.nan], [50.0, 60.0]):
        with pytest.raises(ValueError):
            epoch_spread(wrong)


def test_the_spread_of_epochs_does_not_narrow_with_more_of_them() -> None:
    few, many = epoch_spread([0.7, 0.8] * 20), epoch_spread([0.7, 0.8] * 2000)
    assert few.high - few.low == pytest.approx(many.high - many.low, rel=0.05)


# --- of what an interval is ------------------------------------------------------------------


def test_an_interval_cannot_hold_a_silent_nan() -> None:
    with pytest.raises(AssertionError, match="silent nan"):
        replace(wilson(5, 10), low=math.nan)
    with pytest.raises(AssertionError, match="a reason"):
        replace(wilson(0, 0), note="")


def test_every_method_names_its_truth() -> None:
    folds = [0.8, 0.85, 0.82, 0.88]
    found = [
        wilson(5, 10),
        wilson(5, 10, models=2),
        t_interval(folds),
        corrected_t_interval(folds, 80, 20),
        crossed_t_interval(answers(4, 60)),
    ]
    assert len({one.target for one in found}) == 5
    assert {one.level for one in found} == {0.95} and MIN_SCORES_SHOWN == 4
