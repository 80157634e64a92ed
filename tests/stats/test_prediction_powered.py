"""Few labels and many predictions: equal to known estimators, never worse than the labels alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student

from fashion_exp.stats.prediction_powered import prediction_powered
from fashion_exp.stats.proportions import clopper_pearson


def sample(seed: int, labels: int, items: int, accuracy: float) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    p = rng.beta(2 * accuracy, 2 * (1 - accuracy), items)
    correct = (rng.random(items) < p).astype(float)
    return correct[:labels], p[:labels], p


def test_estimate_is_the_regression_of_right_on_confidence_at_the_mean_of_all() -> None:
    correct, own, scores = sample(0, 80, 2000, 0.7)
    result = prediction_powered(correct, own, scores)
    slope, intercept = np.polyfit(own, correct, 1)
    assert result.interval.estimate == pytest.approx(intercept + slope * scores.mean())
    design = np.column_stack([own, np.ones(80)])
    residual = correct - design @ np.linalg.lstsq(design, correct, rcond=None)[0]
    adjusted = 1 - (residual @ residual / 78) / correct.var(ddof=1)
    assert result.explained == pytest.approx(adjusted)
    assert result.interval.n is not None and 80 < result.interval.n < 2000


def test_effective_number_has_the_quantiles_of_the_level() -> None:
    correct, own, scores = sample(0, 40, 2000, 0.7)
    result = {level: prediction_powered(correct, own, scores, level) for level in (0.8, 0.95, 0.99)}
    plain = 1 / ((1 - result[0.99].explained) / 40 + result[0.99].explained / 2000)
    for level, estimate in result.items():
        tail = (1 - level) / 2
        expected = plain * (norm.isf(tail) / student.isf(tail, 38)) ** 2
        assert estimate.explained > 0 and estimate.interval.n == pytest.approx(expected)


@given(st.integers(0, 10_000), st.sampled_from([0.6, 0.9, 0.99]), st.integers(10, 150))
@settings(max_examples=60, deadline=None)
def test_effective_number_is_at_least_that_of_the_labels(
    seed: int, accuracy: float, labels: int
) -> None:
    correct, own, scores = sample(seed, labels, 1000, accuracy)
    result = prediction_powered(correct, own, scores)
    assert result.interval.n is not None and result.interval.n >= labels
    if result.explained == 0:
        exact = clopper_pearson(correct.sum(), labels)
        limits = result.interval.low, result.interval.high
        assert limits == pytest.approx((exact.low, exact.high)) and result.interval.note


@pytest.mark.parametrize("confidence", ["constant", "misleading", "noise"])
def test_useless_confidence_is_not_used(confidence: str) -> None:
    correct, own, scores = sample(1, 60, 1000, 0.7)
    noise = np.random.default_rng(5).random(1000)
    values = {"constant": scores * 0, "misleading": 1 - scores, "noise": noise}[confidence]
    result = prediction_powered(correct, values[:60], values)
    assert result.explained == 0 and result.interval.method == "clopper_pearson"
    assert result.interval.estimate == pytest.approx(correct.mean()) and len(own) == 60


def test_few_errors_leave_the_labels_alone() -> None:
    correct = np.array([0.0] * 9 + [1.0] * 41)
    own = np.linspace(0.1, 1, 50)
    assert prediction_powered(correct, own, np.tile(own, 20)).interval.note.startswith("fewer than")
    correct[9] = 0
    assert prediction_powered(correct, own, np.tile(own, 20)).explained > 0


def test_labels_to_halve_give_half_the_width() -> None:
    correct, own, scores = sample(2, 50, 5000, 0.8)
    result = prediction_powered(correct, own, scores)
    more = result.labels_to_halve
    assert more is not None and 150 < more < 300
    more_right, more_own, _ = sample(2, more, 5000, 0.8)
    wide = prediction_powered(more_right, more_own, scores)

    def width(low: float | None, high: float | None) -> float:
        assert low is not None and high is not None
        return high - low

    ratio = width(wide.interval.low, wide.interval.high) / width(
        result.interval.low, result.interval.high
    )
    assert 0.4 < ratio < 0.6
    assert prediction_powered(correct, own, scores[:100]).labels_to_halve is None


def test_items_of_their_own_group_are_independent_items() -> None:
    correct, own, scores = sample(3, 60, 1000, 0.8)
    alone = prediction_powered(correct, own, scores)
    names = np.arange(1000)
    result = prediction_powered(correct, own, scores, groups=names[:60], all_groups=names)
    assert result == alone and result.labels_to_halve == alone.labels_to_halve


@pytest.mark.parametrize("accuracy", [0.8, 0.97])
def test_copies_in_a_group_say_no_more_than_one_of_them(accuracy: float) -> None:
    correct, own, scores = sample(3, 100, 1000, accuracy)
    alone = prediction_powered(correct, own, scores)
    names = np.repeat(np.arange(1000), 3)
    result = prediction_powered(
        np.repeat(correct, 3), np.repeat(own, 3), np.repeat(scores, 3),
        groups=names[:300], all_groups=names,
    )  # fmt: skip
    assert result.interval.estimate == pytest.approx(alone.interval.estimate)
    assert (result.explained > 0) == (alone.explained > 0)
    assert result.interval.n == pytest.approx(alone.interval.n, rel=0.02)
    few = prediction_powered(np.repeat(correct, 3), np.repeat(own, 3), np.repeat(scores, 3))
    assert few.interval.n is not None and few.interval.n > 2.5 * alone.interval.n  # type: ignore[operator]


def test_labels_of_one_group_are_refused() -> None:
    with pytest.raises(ValueError, match="groups with labels"):
        prediction_powered(
            np.ones(20),
            np.ones(20),
            np.ones(40),
            groups=np.zeros(20),
            all_groups=np.arange(40) > 19,
        )


@pytest.mark.parametrize(
    ("labels", "items", "message"), [(9, 100, "number of labels"), (20, 19, "number of items")]
)
def test_impossible_samples_are_refused(labels: int, items: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prediction_powered(np.ones(labels), np.ones(labels), np.ones(items))


def test_right_and_wrong_must_be_binary() -> None:
    with pytest.raises(ValueError, match="must be 1 and 0"):
        prediction_powered(np.full(20, 0.5), np.ones(20), np.ones(20))
