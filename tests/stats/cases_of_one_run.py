"""How the shared cases of one run's statistics are checked, by method."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from fashion_exp.stats.bootstrap import bootstrap, cluster_bootstrap
from fashion_exp.stats.groups import clustered_mean, group_codes, kish_effective_size
from fashion_exp.stats.metrics import confusion_matrix, macro_f1
from fashion_exp.stats.planning import images_for_half_width, success_run_images
from fashion_exp.stats.proportions import (
    clopper_pearson,
    clopper_pearson_lower,
    design_effect,
    wilson,
)
from fashion_exp.stats.scores import corrected_t_interval, t_interval
from tests.stats.cases import Case, expect, expect_error, scale, scores_with
from tests.stats.given import limits, raw_limits
from tests.stats.simulations import exact_coverage, wald


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
        assert success_run_images(target, level, errors) == images
        assert limits(clopper_pearson_lower(images - errors, images, level))[0] >= target
        assert limits(clopper_pearson_lower(images - 1 - errors, images - 1, level))[0] < target


def check_wald(case: Case) -> None:
    found = [exact_coverage(wald, n, p) for n, p in case["inputs"]["cases"]]
    assert found == pytest.approx(case["expected"], abs=case["tolerance"])


def check_half_width(case: Case) -> None:
    inputs = case["inputs"]
    pairs = zip(inputs["p"], inputs["half_width"], strict=True)
    found = [images_for_half_width(p, half, inputs["level"]) for p, half in pairs]
    assert found == pytest.approx(case["expected"], abs=case["tolerance"])


def check_cluster_robust(case: Case) -> None:
    correct, groups = case["inputs"]["correct"], case["inputs"]["group"]
    expected, tolerance = case["expected"], case["tolerance"]
    found = clustered_mean(np.array(correct, float), group_codes(groups, len(correct)))
    known = (expected["mean"], expected["se_cr1"], expected["df"])
    assert (found.mean, found.se, found.groups - 1) == pytest.approx(known, abs=tolerance)
    uncorrected = found.se * math.sqrt(expected["df"] / found.groups)
    assert uncorrected == pytest.approx(expected["se_cr0"], abs=tolerance)
    assert design_effect(correct, groups) == pytest.approx(expected["deff_cr1"], abs=tolerance)


def check_effective_size(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    sizes = [inputs["mean_cluster"]] * (inputs["n"] // inputs["mean_cluster"])
    found = kish_effective_size(sizes, inputs["icc"])
    assert found == pytest.approx(expected["n_eff"], abs=case["tolerance"])
    assert inputs["n"] / found == pytest.approx(expected["deff"], abs=case["tolerance"])


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


def mean_of(rows: np.ndarray) -> float:
    return float(rows.mean())


def check_bootstrap_bca(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    resamples = inputs.get("n_resamples", 2000)
    found = bootstrap(inputs["values"], mean_of, inputs["level"], resamples=resamples)
    if isinstance(expected, list):
        expect(found, expected, case["tolerance"])
        return
    assert found.status == expected["status"] and found.fallback is not None
    assert found.fallback.method == expected["fallback"]
    shown = (expected["low"], expected["high"])
    assert limits(found.fallback) == pytest.approx(shown, abs=case["tolerance"])


def check_bootstrap_percentile(case: Case) -> None:
    inputs = case["inputs"]
    alone = range(len(inputs["values"]))
    found = cluster_bootstrap(
        inputs["values"], alone, mean_of, inputs["level"], resamples=inputs["n_resamples"]
    )
    expect(found, case["expected"], case["tolerance"])


def check_bca_acceleration(case: Case) -> None:
    """The acceleration is not given out, so: on the same resamples, the case's gives our limits.

    The limits (115.8, 259.6) that its source prints come from 2,000 resamples, which leaves a
    standard error of some 2; 100,000 give 260.5 to 262.1 by the seed.
    """
    values, expected = np.array(case["inputs"]["values"]), case["expected"]
    found = bootstrap(values, lambda rows: float(np.var(rows)), 0.9, resamples=20_000)
    assert found.estimate == pytest.approx(expected["theta"], abs=case["tolerance"])
    picks = np.random.default_rng(0).integers(0, values.size, (20_000, values.size))
    drawn = values[picks].var(axis=1)
    theta = case["exact"]["theta"]
    shift = stats.norm.ppf(((drawn < theta).mean() + (drawn <= theta).mean()) / 2)
    ends = shift + stats.norm.ppf([0.05, 0.95])
    shares = stats.norm.cdf(shift + ends / (1 - case["exact"]["a"] * ends))
    assert limits(found) == pytest.approx(tuple(np.quantile(drawn, shares)), abs=1e-6)
    assert limits(found) == pytest.approx((115.8, 259.6), abs=4)


def check_cluster_bootstrap(case: Case) -> None:
    found = cluster_bootstrap(case["inputs"]["correct"], case["inputs"]["group"], mean_of)
    assert found.status == case["expected"]["status"]
    assert found.note in case["expected"]["error"]


def check_macro_f1(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    found = macro_f1(confusion_matrix(inputs["y"], inputs["pred"], len(inputs["classes"])))
    assert found.value == pytest.approx(expected["value"], abs=case["tolerance"])
    assert found.absent == (0, 2) and "classes absent from the test split: 0, 2" in found.note


OF_ONE_RUN: dict[str, Callable[[Case], None]] = {
    "bca_acceleration": check_bca_acceleration,
    "bootstrap_bca": check_bootstrap_bca,
    "bootstrap_percentile": check_bootstrap_percentile,
    "clopper_pearson": check_clopper_pearson,
    "clopper_pearson_lower_one_sided": check_success_run,
    "cluster_bootstrap": check_cluster_bootstrap,
    "cluster_robust_accuracy": check_cluster_robust,
    "corrected_resampled_t_interval": check_corrected,
    "effective_sample_size": check_effective_size,
    "exact_coverage_of_wald": check_wald,
    "macro_f1": check_macro_f1,
    "samplesize_wald_halfwidth": check_half_width,
    "t_interval": check_t,
    "t_interval_from_summary": check_t_summary,
    "wilson": check_wilson,
}
