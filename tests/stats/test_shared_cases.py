"""The shared known-answer cases, counted by method so that none is skipped silently.

The cases are stored beside the checkout, or missing; the other test modules repeat a few.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.stats.shared_cases import CASES_FILE, Case, all_cases
from tests.stats.shared_cases_comparison import COMPARISON_CHECKS
from tests.stats.shared_cases_one_run import ONE_RUN_CHECKS

CHECKS = ONE_RUN_CHECKS | COMPARISON_CHECKS
CASE_COUNTS = {
    "bayesian_correlated_t": 1,
    "bca_acceleration": 1,
    "bootstrap_bca": 2,
    "bootstrap_percentile": 1,
    "clopper_pearson": 6,
    "clopper_pearson_lower_one_sided": 1,
    "cluster_bootstrap": 1,
    "cochrans_q": 2,
    "corrected_resampled_t_from_summary": 1,
    "corrected_resampled_t_interval": 3,
    "corrected_resampled_t_moments": 2,
    "dietterich_5x2cv_t+alpaydin_5x2cv_F": 6,
    "effective_sample_size": 1,
    "exact_coverage_of_wald": 1,
    "holm": 4,
    "holm_bonferroni_bh": 1,
    "holm_vs_control_from_ranks": 1,
    "macro_f1": 1,
    "mcnemar": 9,
    "paired_accuracy_difference_tango": 4,
    "paired_t": 1,
    "samplesize_wald_halfwidth": 1,
    "t_interval": 7,
    "t_interval_from_summary": 1,
    "wilson": 11,
}
UNSUPPORTED = {
    "cluster_robust_accuracy",  # CR1; groups have CR2
    "bootstrap_basic", "binomial_midp", "wilson_continuity",
    "paired_accuracy_difference_newcombe10", "winner_curse_expected_max_z",
    "friedman_iman_davenport_from_ranks", "nemenyi_critical_difference",  # across data sets
    "wilcoxon_signed_rank_zsplit",
    "fleiss_kappa", "cohens_kappa", "krippendorff_alpha", "dawid_skene_em",  # annotators
    "confident_learning_off_diagonal", "asymmetric_loss",
    "least_confidence+margin+entropy", "margin", "k_center_greedy",  # active learning
    "average_precision", "mean_average_precision", "recall@k", "recall@k+precision@k",  # retrieval
    "lrap+coverage+ranking_loss+hamming",
}  # fmt: skip


def supported_cases() -> list[Case]:
    return [case for case in all_cases() if case["method"] in CHECKS]


def test_every_shared_case_is_checked_or_listed_as_unsupported() -> None:
    if not CASES_FILE.exists():
        pytest.skip("the shared statistics cases are not beside this checkout")
    assert Counter(case["method"] for case in supported_cases()) == CASE_COUNTS
    assert {case["method"] for case in all_cases()} - set(CHECKS) <= UNSUPPORTED
    assert len(all_cases()) == 105


@pytest.mark.parametrize("case", supported_cases(), ids=lambda case: case["id"])
def test_reproduces_shared_case(case: Case) -> None:
    CHECKS[case["method"]](case)
