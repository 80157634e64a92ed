"""Known answers, edge cases, laws and coverage of the intervals.

The cases come from the facts shared beside the checkout; a few of them stand here too, so that
they are held everywhere.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fashion_exp.stats import intervals
from fashion_exp.stats.intervals import (
    Interval,
    clopper_pearson,
    clopper_pearson_lower,
    corrected_t_interval,
    crossed_t_interval,
    t_interval,
    wilson,
)

Case = dict[str, Any]
CASES_FILE = Path(__file__).parents[2] / "../shared/facts/stat_cases.json"
LAW = settings(deadline=None, max_examples=50)  # other work on the machine is no failure of a law
CASE_COUNTS = {
    "wilson": 11,
    "clopper_pearson": 6,
    "clopper_pearson_lower_one_sided": 1,
    "t_interval": 7,
    "t_interval_from_summary": 1,
    "corrected_resampled_t_interval": 3,
    "corrected_resampled_t_moments": 2,
    "corrected_resampled_t_from_summary": 1,
}


def limits(interval: Interval) -> tuple[float, float]:
    assert interval.low is not None and interval.high is not None
    return interval.low, interval.high


def raw_limits(interval: Interval) -> tuple[float, float]:
    assert interval.raw_low is not None and interval.raw_high is not None
    return interval.raw_low, interval.raw_high


def width(interval: Interval) -> float:
    low, high = raw_limits(interval)
    return high - low


def scale(interval: Interval, df: int) -> float:
    """The standard error that a 95 % t-interval was made with."""
    return width(interval) / 2 / float(stats.t.ppf(0.975, df))


def scores_with(mean: float, sd: float, count: int) -> np.ndarray:
    """Scores of exactly this mean and standard deviation."""
    raw: np.ndarray = np.linspace(-1, 1, count)
    scores: np.ndarray = mean + sd * raw / raw.std(ddof=1)
    return scores


# --- the shared cases ------------------------------------------------------------------------


def expect(interval: Interval, expected: Any, tolerance: float) -> None:
    """Holds an interval against a case's limits and status, whichever of them it gives."""
    if isinstance(expected, list):
        expected = {"low": expected[0], "high": expected[1]}
    for ours, theirs in {
        "estimate": "mean",
        "low": "low",
        "high": "high",
        "raw_low": "raw_low",
        "raw_high": "raw_high",
    }.items():
        if theirs in expected:
            wanted = expected[theirs]
            got = getattr(interval, ours)
            assert got == (wanted if wanted is None else pytest.approx(wanted, abs=tolerance))
    if expected.get("status") in ("ok", "degenerate", "undefined"):
        assert interval.status == expected["status"]
    if "warning" in expected:
        assert expected["warning"] in interval.note


def expect_error(case: Case, call: Callable[[], object]) -> None:
    words = case["expected"].get("error", "").removeprefix("ValueError").removeprefix(": ")
    with pytest.raises(ValueError) as raised:
        call()
    assert words.split(";")[0] in str(raised.value)


def check_wilson(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    status = expected.get("status", "") if isinstance(expected, dict) else ""
    if status.startswith("error"):
        expect_error(case, lambda: wilson(**inputs))
    if status == "error unless fractional=True":
        expect(wilson(**inputs, fractional=True), expected, case["tolerance"])
    if not status.startswith("error"):
        expect(wilson(**inputs), expected, case["tolerance"])


def check_clopper_pearson(case: Case) -> None:
    inputs, expected = dict(case["inputs"]), case["expected"]
    inputs.pop("null", None)  # of the test in the same example, which is not made here
    expect(clopper_pearson(**inputs), expected, case["tolerance"])
    if "one_sided_low" in expected:
        bound = clopper_pearson_lower(**inputs)
        assert bound.low == pytest.approx(expected["one_sided_low"], abs=case["tolerance"])


def check_success_run(case: Case) -> None:
    target, level = case["inputs"]["target"], case["inputs"]["level"]
    for errors, images in zip(case["inputs"]["errors"], case["expected"], strict=True):
        assert limits(clopper_pearson_lower(images - errors, images, level))[0] >= target
        assert limits(clopper_pearson_lower(images - 1 - errors, images - 1, level))[0] < target


def check_t(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    if isinstance(expected, dict) and expected["status"] == "error":
        expect_error(case, lambda: t_interval(**inputs))
    if case["id"] == "edge_t_nan_fold":
        two = t_interval(**inputs, allow_missing=True)
        assert two.scores == 2 and "k=2" in two.note
    if isinstance(expected, list):
        ours = t_interval(**inputs, bounded=False)
        assert raw_limits(ours) == pytest.approx(tuple(expected), abs=case["tolerance"])
    elif expected["status"] != "error":
        ours = t_interval(**inputs)
        expect(ours, expected, case["tolerance"])
        if "fallback_low" in expected:
            assert ours.fallback is not None and expected["fallback"] in ours.note
            fallback = (expected["fallback_low"], expected["fallback_high"])
            assert limits(ours.fallback) == pytest.approx(fallback, abs=case["tolerance"])
        if "display_high" in expected:
            display = (expected["display_low"], expected["display_high"])
            assert limits(ours) == pytest.approx(display, abs=case["tolerance"])


def check_t_summary(case: Case) -> None:
    inputs = case["inputs"]
    values = scores_with(inputs["mean"], inputs["sd"], inputs["k"])
    ours = t_interval(values, inputs["level"], bounded=False)
    expect(ours, case["expected"], case["tolerance"])


def check_corrected(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    if expected.get("status") == "error":
        expect_error(case, lambda: corrected_t_interval(**inputs))
        return
    ours = corrected_t_interval(**inputs)
    expect(ours, expected, case["tolerance"])
    if "ratio_value" in expected:
        sd = float(np.std(inputs["values"], ddof=1))
        ratio = (scale(ours, ours.scores - 1) / sd) ** 2 - 1 / ours.scores
        assert ratio == pytest.approx(expected["ratio_value"], abs=case["tolerance"])
    if "naive_low" in expected:
        naive = (expected["naive_low"], expected["naive_high"])
        assert limits(t_interval(inputs["values"])) == pytest.approx(naive, abs=case["tolerance"])


def check_corrected_moments(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    gains = np.subtract(inputs["b"], inputs["a"])
    ours = corrected_t_interval(gains, inputs["folds"] - 1, 1, bounded=False)
    assert ours.estimate == pytest.approx(expected["mean"])
    assert scale(ours, expected["df"]) ** 2 == pytest.approx(expected["variance"])
    assert ours.scores - 1 == expected["df"]


def check_corrected_summary(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    gains = scores_with(inputs["mean_diff"], inputs["sd_diff"], inputs["J"])
    corrected = corrected_t_interval(gains, inputs["n_train"], inputs["n_test"], bounded=False)
    naive = t_interval(gains, bounded=False)
    df = inputs["J"] - 1
    for ours, name in ((corrected, "t"), (naive, "uncorrected_t")):
        t = inputs["mean_diff"] / scale(ours, df)
        assert t == pytest.approx(expected[name], abs=case["tolerance"])


CHECKS: dict[str, Callable[[Case], None]] = {
    "wilson": check_wilson,
    "clopper_pearson": check_clopper_pearson,
    "clopper_pearson_lower_one_sided": check_success_run,
    "t_interval": check_t,
    "t_interval_from_summary": check_t_summary,
    "corrected_resampled_t_interval": check_corrected,
    "corrected_resampled_t_moments": check_corrected_moments,
    "corrected_resampled_t_from_summary": check_corrected_summary,
}


def shared_cases() -> list[Case]:
    if not CASES_FILE.exists():
        return []
    cases: list[Case] = json.loads(CASES_FILE.read_text())["cases"]
    return [case for case in cases if case["method"] in CHECKS]


def test_the_shared_cases_are_all_seen() -> None:
    if not CASES_FILE.exists():
        pytest.skip("the shared statistics cases are not beside this checkout")
    assert Counter(case["method"] for case in shared_cases()) == CASE_COUNTS


@pytest.mark.parametrize("case", shared_cases(), ids=lambda case: case["id"])
def test_a_shared_case_is_reproduced(case: Case) -> None:
    CHECKS[case["method"]](case)


# --- counts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (wilson(81, 263), (0.25529, 0.36621)),
        (wilson(1, 29), (0.00611, 0.17176)),
        (wilson(570, 600), (0.92952, 0.96475)),
        (wilson(4.5, 10, fractional=True), (0.20142, 0.72633)),
        (clopper_pearson(15, 148), (0.05784, 0.16165)),
        (clopper_pearson(682, 925), (0.70767, 0.76541)),
    ],
)
def test_published_limits_of_counts(interval: Interval, expected: tuple[float, float]) -> None:
    assert limits(interval) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize("method", [wilson, clopper_pearson])
def test_none_and_all_right_touch_the_ends_exactly(method: Callable[..., Interval]) -> None:
    for n in (1, 7, 20, 600):
        assert method(0, n).low == 0.0 and method(n, n).high == 1.0
        assert 0 < limits(method(0, n))[1] < 1 and 0 < limits(method(n, n))[0] < 1


def test_the_one_sided_bound_without_errors_is_the_root_of_alpha() -> None:
    bound = clopper_pearson_lower(59, 59)
    assert limits(bound) == pytest.approx((0.05 ** (1 / 59), 1.0)) and bound.high == 1.0
    assert limits(clopper_pearson_lower(58, 58))[0] < 0.95 < limits(bound)[0]


@pytest.mark.parametrize("method", [wilson, clopper_pearson, clopper_pearson_lower])
def test_no_images_is_undefined_and_not_nan(method: Callable[..., Interval]) -> None:
    nothing = method(0, 0)
    assert nothing.status == "undefined" and nothing.note == "no images"
    assert (nothing.estimate, nothing.low, nothing.high) == (None, None, None)


@pytest.mark.parametrize("method", [wilson, clopper_pearson, clopper_pearson_lower])
@pytest.mark.parametrize(
    ("correct", "n"), [(5, 3), (1, 0), (-1, 3), (0, -1), (math.nan, 3), (1, math.inf), (4.5, 10)]
)
def test_impossible_counts_are_refused(
    method: Callable[..., Interval], correct: float, n: float
) -> None:
    with pytest.raises(ValueError, match=r"count|more correct"):
        method(correct, n)


def test_a_mean_over_models_says_so_and_may_be_fractional() -> None:
    one, mean = wilson(560, 600), wilson(560.4, 600, fractional=True, models=5)
    assert (one.target, one.scores, one.unit) == ("the model tested", 1, "images")
    assert (mean.target, mean.scores, mean.n) == ("the mean of the models tested", 5, 600)
    with pytest.raises(ValueError, match="models"):
        wilson(560, 600, models=0)


def test_a_mean_of_perfect_models_survives_rounding() -> None:
    perfect = wilson(3 * (1 + 1e-12), 3, fractional=True)
    assert (perfect.estimate, perfect.high) == (1.0, 1.0)
    assert limits(t_interval([1 + 1e-12, 1 + 1e-12])) == (1.0, 1.0)


def test_a_design_effect_widens_wilson() -> None:
    assert width(wilson(540 / 2.5, 240, fractional=True)) > 1.5 * width(wilson(540, 600))


LEVELS = st.floats(0.5, 0.999)
COUNTS = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@LAW
@given(COUNTS, LEVELS)
def test_wilson_holds_its_estimate_inside_zero_and_one(
    counts: tuple[int, int], level: float
) -> None:
    found = wilson(*counts, level)
    low, high = limits(found)
    assert found.estimate is not None
    assert 0 <= low <= found.estimate + 1e-15 and found.estimate - 1e-15 <= high <= 1


@LAW
@given(COUNTS, st.tuples(LEVELS, LEVELS).filter(lambda pair: pair[0] < pair[1] - 1e-6))
def test_more_confidence_never_narrows(counts: tuple[int, int], pair: tuple[float, float]) -> None:
    for method in (wilson, clopper_pearson):
        narrow, wide = limits(method(*counts, pair[0])), limits(method(*counts, pair[1]))
        assert wide[0] <= narrow[0] and narrow[1] <= wide[1]


@LAW
@given(COUNTS, LEVELS)
def test_errors_mirror_hits(counts: tuple[int, int], level: float) -> None:
    correct, n = counts
    for method in (wilson, clopper_pearson):
        low, high = limits(method(correct, n, level))
        assert limits(method(n - correct, n, level)) == pytest.approx(
            (1 - high, 1 - low), abs=1e-12
        )


@LAW
@given(COUNTS, LEVELS)
def test_wilson_solves_the_score_equation(counts: tuple[int, int], level: float) -> None:
    correct, n = counts
    z = stats.norm.ppf((1 + level) / 2)
    for p in limits(wilson(correct, n, level)):
        if 0 < p < 1:
            assert (correct / n - p) ** 2 == pytest.approx(z * z * p * (1 - p) / n, rel=1e-6)


# --- scores ----------------------------------------------------------------------------------


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
        (lambda: crossed_t_interval([1, 0, 1]), "models, images"),
        (lambda: crossed_t_interval(np.zeros((0, 5))), "no scores"),
        (lambda: crossed_t_interval([[1.0, math.nan], [0.0, 1.0]]), "incomplete"),
        (lambda: crossed_t_interval([[1, 2], [0, 1]]), "outside"),
        (lambda: crossed_t_interval([[1, 0], [0, 1]], 0), "level"),
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


# --- models x images -------------------------------------------------------------------------


def answers(models: int, images: int, seed: int = 0) -> np.ndarray:
    """Right and wrong answers of models of unlike quality to images of unlike difficulty."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, 1, images) + rng.normal(0, 0.3, (models, 1))
    return (1.5 + ease + rng.normal(size=(models, images)) > 0).astype(float)


def test_crossed_equals_its_formula() -> None:
    correct = answers(4, 60)
    a, b = correct.mean(1).var(ddof=1) / 4, correct.mean(0).var(ddof=1) / 60
    df = (a + b) ** 2 / (a**2 / 3 + b**2 / 59)
    half = stats.t.ppf(0.975, df) * math.sqrt(a + b)
    found = crossed_t_interval(correct)
    assert raw_limits(found) == pytest.approx((correct.mean() - half, correct.mean() + half))
    assert (found.unit, found.n, found.scores) == ("models x images", 60, 4)


def test_models_that_answer_alike_reduce_crossed_to_a_t_over_images() -> None:
    one = answers(1, 80)[0]
    crossed = crossed_t_interval([one] * 5)
    assert limits(crossed) == pytest.approx(limits(t_interval(one)))


def test_images_that_are_alike_reduce_crossed_to_a_t_over_models() -> None:
    models = np.array([0.7, 0.8, 0.75, 0.9])
    crossed = crossed_t_interval(np.repeat(models[:, None], 50, axis=1))
    assert limits(crossed) == pytest.approx(limits(t_interval(models)))


@LAW
@given(st.integers(2, 6), st.integers(5, 60), st.integers(0, 1000))
def test_crossed_ignores_the_order_of_models_and_images(
    models: int, images: int, seed: int
) -> None:
    correct = answers(models, images, seed)
    turned = crossed_t_interval(correct[::-1, ::-1])
    found = crossed_t_interval(correct)
    assert turned.status == found.status
    assert (turned.low, turned.high) == pytest.approx((found.low, found.high))


def test_with_endless_images_only_the_models_own_spread_is_left() -> None:
    correct = answers(5, 100)
    endless = crossed_t_interval(np.tile(correct, (1, 10_000)))
    assert width(endless) == pytest.approx(width(t_interval(correct.mean(1))), rel=0.01)


@LAW
@given(st.integers(2, 6), st.integers(5, 60), st.integers(0, 1000))
def test_crossed_is_wider_than_normal_limits_of_either_source(
    models: int, images: int, seed: int
) -> None:
    correct = answers(models, images, seed)
    of_models = correct.mean(1).std(ddof=1) / math.sqrt(models)
    of_images = correct.mean(0).std(ddof=1) / math.sqrt(images)
    found = crossed_t_interval(correct)
    if found.status == "ok":
        assert width(found) > 2 * 1.95996 * max(of_models, of_images)


def test_crossed_takes_losses() -> None:
    losses = np.random.default_rng(0).exponential(2, (5, 100))
    found = crossed_t_interval(losses, bounded=False)
    assert found.status == "ok" and limits(found) == raw_limits(found) and limits(found)[1] > 1


def test_one_model_has_no_crossed_interval_but_wilson() -> None:
    found = crossed_t_interval([[1, 1, 0, 1]])
    assert found.status == "undefined" and found.fallback == wilson(3, 4)
    assert found.note == "needs at least 2 models; fallback: wilson at the mean accuracy"
    assert crossed_t_interval([[0.3, 2.5]], bounded=False).fallback is None
    assert "2 images" in crossed_t_interval([[1], [0]]).note


@pytest.mark.parametrize("answer", [0, 1])
def test_models_that_are_all_right_or_all_wrong_are_degenerate(answer: int) -> None:
    found = crossed_t_interval(np.full((3, 20), answer))
    assert found.status == "degenerate" and limits(found) == (answer, answer)
    assert found.fallback == wilson(20 * answer, 20, fractional=True, models=3)


def test_few_models_are_flagged() -> None:
    assert "S=3" in crossed_t_interval(answers(3, 60)).note
    assert crossed_t_interval(answers(4, 60)).note == ""


def test_an_interval_cannot_hold_a_silent_nan() -> None:
    with pytest.raises(AssertionError, match="silent nan"):
        replace(wilson(5, 10), low=math.nan)
    with pytest.raises(AssertionError, match="a reason"):
        replace(wilson(0, 0), note="")


def test_the_t_over_seeds_covers_too_little_and_crossed_enough() -> None:
    repetitions, models, images = 400, 5, 200
    rng = np.random.default_rng(2)
    ease = rng.normal(0, 2, (repetitions, 1, images))
    quality = rng.normal(0, 0.06, (repetitions, models, 1))
    right = 3 + ease + quality + rng.normal(size=(repetitions, models, images)) > 0
    truth = stats.norm.cdf(3 / math.sqrt(1 + 2**2 + 0.06**2))

    def coverage(found: list[Interval]) -> float:
        return float(np.mean([low <= truth <= high for low, high in map(raw_limits, found)]))

    error = math.sqrt(0.95 * 0.05 / repetitions)
    assert coverage([t_interval(one.mean(1), unit="seeds") for one in right]) < 0.80
    assert coverage([crossed_t_interval(one) for one in right]) > 0.95 - 2 * error


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
    assert {one.level for one in found} == {0.95} and intervals.MIN_SCORES_SHOWN == 4
