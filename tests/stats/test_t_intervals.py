"""t-intervals over a few scores: known answers, edge cases, invariants; the spread of epochs."""

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
from fashion_exp.stats.proportions import wilson
from fashion_exp.stats.t_intervals import (
    corrected_t_interval,
    epoch_spread,
    t_interval,
    t_naive,
)
from tests.conftest import SHARED
from tests.stats.helpers import LEVELS, PROPERTY, limits, raw_limits, simulated_answers, width

FOLDS = [0.8, 0.85, 0.82, 0.88, 0.9]
SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=30).filter(lambda v: np.ptp(v) > 1e-3)


def test_reproduces_interval_of_sleep_data() -> None:
    sleep = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    assert limits(t_interval(sleep, bounded=False)) == pytest.approx((-0.5297804, 2.0297804))


def test_reproduces_plain_and_corrected_interval_of_5_folds() -> None:
    assert limits(corrected_t_interval(FOLDS, 480, 120)) == pytest.approx((0.7732073, 0.9267927))
    assert limits(t_interval(FOLDS)) == pytest.approx((0.7988049, 0.9011951))


def test_limit_above_1_is_clipped_and_kept_raw() -> None:
    interval = t_interval([0.92, 0.98])
    assert interval.high == 1.0 and raw_limits(interval)[1] == pytest.approx(1.331186)
    assert interval.note == "limit outside [0,1]; k=2 (df=1): use a per-image interval"


def test_fewer_than_4_scores_warn() -> None:
    assert "k=3" in corrected_t_interval([0.8, 0.81, 0.82], 80, 20).note
    assert corrected_t_interval([0.8, 0.81, 0.82, 0.8], 80, 20).note == ""


def test_one_score_is_undefined() -> None:
    for interval in (t_interval([0.9]), corrected_t_interval([0.9], 80, 20)):
        assert (interval.status, interval.low, interval.estimate) == ("undefined", None, 0.9)
        assert interval.note == "needs at least 2 scores" and interval.scores == 1


def test_scores_equal_up_to_rounding_are_degenerate() -> None:
    interval = t_interval([0.1 + 0.2, 0.3, 0.3], correct=[36, 36, 36], n=[120, 120, 120])
    assert interval.status == "degenerate" and interval.fallback is not None
    assert limits(interval.fallback) == limits(wilson(108, 360)) and interval.n == 360
    corrected = corrected_t_interval([0.9] * 5, 480, 120)
    assert corrected.status == "degenerate" and corrected.fallback is None
    assert "Wilson" in corrected.note


def test_missing_scores_are_rejected_unless_allowed() -> None:
    folds = [0.9, math.nan, 0.8, 0.85, 0.87]
    with pytest.raises(ValueError, match="1 of 5 scores missing"):
        t_interval(folds)
    with pytest.raises(ValueError, match="1 of 5 scores missing"):
        corrected_t_interval(folds, 80, 20)
    interval = t_interval(folds, allow_missing=True)
    complete = t_interval([0.9, 0.8, 0.85, 0.87])
    assert interval == replace(complete, note="1 of 5 scores missing: k=4")
    with pytest.raises(ValueError, match="no scores"):
        t_interval([math.nan, math.nan], allow_missing=True)


def test_counts_of_missing_scores_are_excluded() -> None:
    scores = [0.9, math.nan, 0.9]
    interval = t_interval(scores, correct=[9, 0, 9], n=[10, 10, 10], allow_missing=True)
    assert interval.fallback is not None and interval.fallback.n == 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: t_interval([]), "no scores"),
        (lambda: t_interval([0.9, math.inf]), "infinite"),
        (lambda: t_interval([93.2, 94.1]), "outside"),
        (lambda: t_interval([[0.9, 0.8]]), "one dimension"),
        (lambda: t_interval([0.9, 0.8], 95), "level"),
        (lambda: t_interval([0.9, 0.8], correct=[9, 8]), "both"),
        (lambda: t_interval([0.9, 0.8], correct=[9], n=[10]), "one count per score"),
        (lambda: t_interval([0.9, 0.8], correct=[11, 8], n=[10, 20]), "more correct"),
        (lambda: t_interval(FOLDS, unit="epochs"), "not independent measurements"),
        (lambda: t_interval(FOLDS, unit="batches"), "scores, folds, splits, seeds"),
        (lambda: t_naive(FOLDS, unit="epochs"), "not independent measurements"),
        (lambda: corrected_t_interval([0.9, 0.8]), "n_train and n_test are required"),
        (lambda: corrected_t_interval([0.9, 0.8], 80, None), "n_train and n_test are required"),
        (lambda: corrected_t_interval([0.9, 0.8], 0, 20), "n_train must be above 0"),
        (lambda: corrected_t_interval([0.9, 0.8], [80], 20), "n_train must be one number or 2"),
        (lambda: corrected_t_interval(FOLDS, 80, 20, unit="epochs"), "not independent"),
        (lambda: epoch_spread([0.5]), "at least 2 epochs"),
        (lambda: epoch_spread([0.5, math.nan]), "missing"),
        (lambda: epoch_spread([50.0, 60.0]), "outside"),
    ],
)
def test_rejects_invalid_arguments(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@PROPERTY
@given(SCORES, st.integers(1, 1000), st.integers(1, 1000))
def test_correction_widens_by_its_factor(values: list[float], n_train: int, n_test: int) -> None:
    naive, corrected = t_interval(values), corrected_t_interval(values, n_train, n_test)
    factor = math.sqrt(1 + len(values) * n_test / n_train)
    assert width(corrected) == pytest.approx(factor * width(naive))
    assert corrected.estimate == naive.estimate


@PROPERTY
@given(SCORES, LEVELS)
def test_limits_are_the_clipped_raw_limits(values: list[float], level: float) -> None:
    interval = corrected_t_interval(values, 80, 20, level)
    low, high = raw_limits(interval)
    assert limits(interval) == (max(low, 0), min(high, 1))
    assert interval.estimate is not None and low < interval.estimate < high


@PROPERTY
@given(SCORES)
def test_scalar_size_equals_repeated_size(values: list[float]) -> None:
    sizes = [48] * len(values)
    assert corrected_t_interval(values, sizes, 12) == corrected_t_interval(values, 48, 12)


def test_naive_interval_is_the_t_interval_with_a_warning() -> None:
    naive = t_naive(FOLDS)
    assert limits(naive) == limits(t_interval(FOLDS)) and naive.method == "t_naive"
    for interval in (naive, t_naive([0.9]), t_naive([0.92, 0.98])):
        assert "too narrow: the folds share images" in interval.note
    assert "limit outside" in t_naive([0.92, 0.98]).note


def test_epoch_spread_reproduces_ranges_of_the_paper() -> None:
    file = SHARED / "facts" / "paper_fig5_epoch_val_accuracy.json"
    if not file.exists():
        pytest.skip("the digitized figure is not beside this checkout")
    spreads = {name: epoch_spread(values) for name, values in json.loads(file.read_text()).items()}
    ranges = {n: (round(100 * s.low), round(100 * s.high)) for n, s in spreads.items()}
    assert ranges == {
        "VGGv1": (75, 78), "VGGv2": (85, 100), "VGG5050": (58, 91), "ResNet50": (57, 80)
    }  # fmt: skip


def test_epoch_spread_does_not_narrow_with_more_epochs() -> None:
    few, many = epoch_spread([0.7, 0.8] * 20), epoch_spread([0.7, 0.8] * 2000)
    assert few.high - few.low == pytest.approx(many.high - many.low, rel=0.05)
    assert (few.mean, few.epochs, few.share) == (pytest.approx(0.75), 40, 0.95)


def test_interval_cannot_hold_nan_or_lack_a_reason() -> None:
    with pytest.raises(AssertionError, match="finite"):
        replace(wilson(5, 10), low=math.nan)
    with pytest.raises(AssertionError, match="a reason"):
        replace(wilson(0, 0), note="")


def test_every_method_has_its_own_estimand() -> None:
    intervals = [
        wilson(5, 10),
        wilson(5, 10, models=2),
        t_interval(FOLDS),
        corrected_t_interval(FOLDS, 80, 20),
        crossed_t_interval(simulated_answers(4, 60)),
    ]
    assert len({interval.target for interval in intervals}) == 5
    assert {interval.level for interval in intervals} == {0.95}
