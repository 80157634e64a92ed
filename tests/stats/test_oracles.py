"""Comparison with statsmodels and mlxtend, including a case in which both are wrong."""

from __future__ import annotations

import math
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.groups import clustered_mean, group_codes
from fashion_exp.stats.multiplicity import cochrans_q, holm
from fashion_exp.stats.paired import McNemarVariant, mcnemar
from fashion_exp.stats.planning import images_for_half_width
from fashion_exp.stats.proportions import clopper_pearson, wilson
from tests.stats.helpers import PROPERTY, limits, simulated_answers

REASON = "the dev extra is not installed"
tables: Any = pytest.importorskip("statsmodels.stats.contingency_tables", reason=REASON)
proportion: Any = pytest.importorskip("statsmodels.stats.proportion", reason=REASON)
multitest: Any = pytest.importorskip("statsmodels.stats.multitest", reason=REASON)
linear: Any = pytest.importorskip("statsmodels.regression.linear_model", reason=REASON)

COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
DISCORDANT = st.tuples(st.integers(0, 200), st.integers(0, 200)).filter(any)
VARIANTS: list[McNemarVariant] = ["midp", "exact", "chi2", "chi2_cc"]


@pytest.fixture(scope="module")
def mlxtend() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports warn
        module: ModuleType = pytest.importorskip("mlxtend.evaluate", reason=REASON)
        return module


@PROPERTY
@given(COUNTS, st.floats(0.5, 0.99))
def test_proportion_intervals_equal_statsmodels(counts: tuple[int, int], level: float) -> None:
    for method, name in ((wilson, "wilson"), (clopper_pearson, "beta")):
        reference = proportion.proportion_confint(*counts, alpha=1 - level, method=name)
        assert limits(method(*counts, level)) == pytest.approx(reference, abs=1e-9)


@pytest.mark.parametrize("size", [1, 2, 30])  # few: multipletests runs the garbage collector
def test_holm_equals_statsmodels(size: int) -> None:
    family = np.random.default_rng(size).beta(0.3, 2, size).round(2).tolist()
    reference = multitest.multipletests(family, method="holm")[1]
    assert holm([*family]) == pytest.approx(list(reference))


@PROPERTY
@given(DISCORDANT)
def test_mcnemar_equals_statsmodels(pair: tuple[int, int]) -> None:
    only_a, only_b = pair
    table = [[10, only_a], [only_b, 10]]
    exact = mcnemar(10, only_a, only_b, 10, variant="exact")
    assert exact.p == pytest.approx(tables.mcnemar(table, exact=True).pvalue)
    variants: list[tuple[McNemarVariant, bool]] = [("chi2", False), ("chi2_cc", True)]
    for variant, correction in variants:
        if correction and only_a == only_b:
            continue  # statsmodels gives a tie a positive statistic
        test = mcnemar(10, only_a, only_b, 10, variant=variant)
        reference = tables.mcnemar(table, exact=False, correction=correction)
        assert (test.statistic, test.p) == pytest.approx((reference.statistic, reference.pvalue))


def test_mcnemar_equals_mlxtend(mlxtend: ModuleType) -> None:
    for only_a, only_b in ((121, 59), (3, 9), (0, 4)):
        table = np.array([[10, only_a], [only_b, 10]])
        exact = mcnemar(10, only_a, only_b, 10, variant="exact")
        assert exact.p == pytest.approx(mlxtend.mcnemar(table, exact=True)[1])
        corrected = mcnemar(10, only_a, only_b, 10, variant="chi2_cc")
        reference = mlxtend.mcnemar(table, corrected=True)
        assert (corrected.statistic, corrected.p) == pytest.approx(reference)


def test_identical_models_have_p_1_unlike_in_both_libraries(mlxtend: ModuleType) -> None:
    """Without discordant pairs both libraries return p = 0. Fails when they fix it."""
    table = np.array([[50, 0], [0, 10]])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = tables.mcnemar(table, exact=False, correction=True)
        second = mlxtend.mcnemar(table, corrected=True)
    assert (first.statistic, first.pvalue) == (math.inf, 0.0)
    assert tuple(map(float, second)) == (math.inf, 0.0)
    assert [mcnemar(50, 0, 0, 10, variant=variant).p for variant in VARIANTS] == [1.0] * 4


def test_cochrans_q_equals_both_libraries(mlxtend: ModuleType) -> None:
    right = simulated_answers(5, 300)
    test = cochrans_q(right)
    reference = tables.cochrans_q(right.T)
    assert (test.statistic, test.p) == pytest.approx((reference.statistic, reference.pvalue))
    second = mlxtend.cochrans_q(np.ones(300, int), *right.astype(int))
    assert (test.statistic, test.p) == pytest.approx(tuple(map(float, second)))


def test_cluster_robust_se_of_equal_groups_equals_statsmodels() -> None:
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(25), 8))
    values = rng.normal(size=200) + rng.normal(size=25)[groups]
    result = clustered_mean(values, group_codes(groups, 200))
    assert result.df == pytest.approx(24)
    reference = linear.OLS(values, np.ones(200)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}
    )

    assert result.se == pytest.approx(float(reference.bse[0]))


def test_cluster_robust_mean_equals_bell_and_mccaffreys_matrices() -> None:
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 7, 40) ** 2 // 6  # of very unequal size
    codes, values = group_codes(groups, 40), rng.normal(size=40)
    sizes = np.bincount(codes)
    values -= 0.8 * (np.bincount(codes, weights=values) / sizes)[codes]  # no positive correlation
    annihilator, residuals = np.eye(40) - 1 / 40, values - values.mean()
    rows = []
    for group in range(codes.max() + 1):
        members = codes == group
        share, vectors = np.linalg.eigh(annihilator[np.ix_(members, members)])
        root = vectors @ np.diag(share**-0.5) @ vectors.T
        rows.append(root.sum(axis=0) @ annihilator[members] / 40)
    weights = np.array(rows)
    covariance = weights @ weights.T
    result = clustered_mean(values, codes)
    assert result.se**2 == pytest.approx(((weights @ residuals) ** 2).sum())
    df = np.trace(covariance) ** 2 / (covariance**2).sum()
    assert result.df == pytest.approx(min(df, 40**2 / (sizes**2).sum() - 1))
    copies = np.repeat(np.arange(6), [1, 1, 2, 2, 3, 3])
    assert clustered_mean(copies.astype(np.float64), copies).df == pytest.approx(28**2 / 196 - 1)


def test_images_for_half_width_equals_statsmodels() -> None:
    reference = proportion.samplesize_confint_proportion(0.93, 0.01, alpha=0.05)
    assert images_for_half_width(0.93, 0.01) == pytest.approx(reference)
