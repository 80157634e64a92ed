"""Checks of the shared cases about one run, by method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from fashion_exp.stats.bootstrap import bootstrap
from fashion_exp.stats.groups import kish_effective_size
from fashion_exp.stats.metrics import confusion_matrix, macro_f1
from fashion_exp.stats.planning import images_for_half_width
from fashion_exp.stats.proportions import (
    clopper_pearson,
    clopper_pearson_lower,
    wilson,
)
from fashion_exp.stats.t_intervals import corrected_t_interval, t_interval
from tests.stats.helpers import limits, mean, raw_limits
from tests.stats.shared_cases import (
    Case,
    assert_error,
    assert_interval,
    scores_with,
    standard_error,
)
from tests.stats.simulations import exact_coverage, wald


def check_wilson(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    status = expected.get("status", "") if isinstance(expected, dict) else ""
    if status.startswith("error"):
        assert_error(case, lambda: wilson(**inputs))
    if status == "error unless fractional=True":
        assert_interval(wilson(**inputs, fractional=True), expected, case["tolerance"])
    if not status.startswith("error"):
        assert_interval(wilson(**inputs), expected, case["tolerance"])


def check_clopper_pearson(case: Case) -> None:
    inputs, expected = dict(case["inputs"]), case["expected"]
    inputs.pop("null", None)  # belongs to a test that the library does not offer
    assert_interval(clopper_pearson(**inputs), expected, case["tolerance"])
    if "one_sided_low" in expected:
        bound = clopper_pearson_lower(**inputs)
        assert bound.low == pytest.approx(expected["one_sided_low"], abs=case["tolerance"])


def check_success_run(case: Case) -> None:
    """The expected number of images is the smallest whose lower bound reaches the target."""
    target, level = case["inputs"]["target"], case["inputs"]["level"]
    for errors, images in zip(case["inputs"]["errors"], case["expected"], strict=True):
        assert limits(clopper_pearson_lower(images - errors, images, level))[0] >= target
        assert limits(clopper_pearson_lower(images - 1 - errors, images - 1, level))[0] < target


def check_wald(case: Case) -> None:
    coverages = [exact_coverage(wald, n, p) for n, p in case["inputs"]["cases"]]
    assert coverages == pytest.approx(case["expected"], abs=case["tolerance"])


def check_half_width(case: Case) -> None:
    inputs = case["inputs"]
    pairs = zip(inputs["p"], inputs["half_width"], strict=True)
    images = [images_for_half_width(p, half_width, inputs["level"]) for p, half_width in pairs]
    assert images == pytest.approx(case["expected"], abs=case["tolerance"])


def check_effective_size(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    sizes = [inputs["mean_cluster"]] * (inputs["n"] // inputs["mean_cluster"])
    effective = kish_effective_size(sizes, inputs["icc"])
    assert effective == pytest.approx(expected["n_eff"], abs=case["tolerance"])
    assert inputs["n"] / effective == pytest.approx(expected["deff"], abs=case["tolerance"])


def check_t(case: Case) -> None:
    inputs, expected, tolerance = case["inputs"], case["expected"], case["tolerance"]
    if isinstance(expected, list):
        interval = t_interval(**inputs, bounded=False)
        assert raw_limits(interval) == pytest.approx(tuple(expected), abs=tolerance)
        return
    if expected["status"] == "error":
        assert_error(case, lambda: t_interval(**inputs))
        if case["id"] == "edge_t_nan_fold":
            two_folds = t_interval(**inputs, allow_missing=True)
            assert two_folds.scores == 2 and "k=2" in two_folds.note
        return
    interval = t_interval(**inputs)
    assert_interval(interval, expected, tolerance)
    if "fallback_low" in expected:
        assert interval.fallback is not None and expected["fallback"] in interval.note
        fallback = (expected["fallback_low"], expected["fallback_high"])
        assert limits(interval.fallback) == pytest.approx(fallback, abs=tolerance)
    if "display_high" in expected:
        clipped = (expected["display_low"], expected["display_high"])
        assert limits(interval) == pytest.approx(clipped, abs=tolerance)


def check_t_summary(case: Case) -> None:
    inputs = case["inputs"]
    values = scores_with(inputs["mean"], inputs["sd"], inputs["k"])
    interval = t_interval(values, inputs["level"], bounded=False)
    assert_interval(interval, case["expected"], case["tolerance"])


def check_corrected(case: Case) -> None:
    inputs, expected, tolerance = case["inputs"], case["expected"], case["tolerance"]
    if expected.get("status") == "error":
        assert_error(case, lambda: corrected_t_interval(**inputs))
        return
    interval = corrected_t_interval(**inputs)
    assert_interval(interval, expected, tolerance)
    if "ratio_value" in expected:
        sd = float(np.std(inputs["values"], ddof=1))
        ratio = (standard_error(interval, interval.scores - 1) / sd) ** 2 - 1 / interval.scores
        assert ratio == pytest.approx(expected["ratio_value"], abs=tolerance)
    if "naive_low" in expected:
        naive = (expected["naive_low"], expected["naive_high"])
        assert limits(t_interval(inputs["values"])) == pytest.approx(naive, abs=tolerance)


def check_bootstrap_bca(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    resamples = inputs.get("n_resamples", 2000)
    interval = bootstrap(inputs["values"], mean, inputs["level"], resamples=resamples)
    if isinstance(expected, list):
        assert_interval(interval, expected, case["tolerance"])
        return
    assert interval.status == expected["status"] and interval.fallback is not None
    assert interval.fallback.method == expected["fallback"]
    reference = (expected["low"], expected["high"])
    assert limits(interval.fallback) == pytest.approx(reference, abs=case["tolerance"])


def check_bootstrap_percentile(case: Case) -> None:
    values, level = case["inputs"]["values"], case["inputs"]["level"]
    single, resamples = range(len(values)), case["inputs"]["n_resamples"]
    interval = bootstrap(values, mean, level, groups=single, resamples=resamples)
    assert_interval(interval, case["expected"], case["tolerance"])


def check_bca_acceleration(case: Case) -> None:
    """On the same resamples, the acceleration constant of the case gives our limits.

    The limits (115.8, 259.6) that its source prints come from 2,000 resamples, which leaves a
    standard error of about 2; 100,000 give 260.5 to 262.1 depending on the seed.
    """
    values, expected = np.array(case["inputs"]["values"]), case["expected"]
    interval = bootstrap(values, lambda rows: float(np.var(rows)), 0.9, resamples=20_000)
    assert interval.estimate == pytest.approx(expected["theta"], abs=case["tolerance"])
    indices = np.random.default_rng(0).integers(0, values.size, (20_000, values.size))
    resampled = values[indices].var(axis=1)
    theta = case["exact"]["theta"]
    bias = stats.norm.ppf(((resampled < theta).mean() + (resampled <= theta).mean()) / 2)
    ends = bias + stats.norm.ppf([0.05, 0.95])
    quantiles = stats.norm.cdf(bias + ends / (1 - case["exact"]["a"] * ends))
    reference = tuple(np.quantile(resampled, quantiles))
    assert limits(interval) == pytest.approx(reference, abs=1e-6)
    assert limits(interval) == pytest.approx((115.8, 259.6), abs=4)


def check_cluster_bootstrap(case: Case) -> None:
    interval = bootstrap(case["inputs"]["correct"], mean, groups=case["inputs"]["group"])
    assert interval.status == case["expected"]["status"]
    assert interval.note in case["expected"]["error"]


def check_macro_f1(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    result = macro_f1(confusion_matrix(inputs["y"], inputs["pred"], len(inputs["classes"])))
    assert result.value == pytest.approx(expected["value"], abs=case["tolerance"])
    assert result.absent_classes == (0, 2)
    assert result.note.split(";")[0] == expected["warning"].split(";")[0]


ONE_RUN_CHECKS: dict[str, Callable[[Case], None]] = {
    "bca_acceleration": check_bca_acceleration,
    "bootstrap_bca": check_bootstrap_bca,
    "bootstrap_percentile": check_bootstrap_percentile,
    "clopper_pearson": check_clopper_pearson,
    "clopper_pearson_lower_one_sided": check_success_run,
    "cluster_bootstrap": check_cluster_bootstrap,
    "corrected_resampled_t_interval": check_corrected,
    "effective_sample_size": check_effective_size,
    "exact_coverage_of_wald": check_wald,
    "macro_f1": check_macro_f1,
    "samplesize_wald_halfwidth": check_half_width,
    "t_interval": check_t,
    "t_interval_from_summary": check_t_summary,
    "wilson": check_wilson,
}
