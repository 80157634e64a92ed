"""Independent libraries as oracles, where they are right; and where two of them are not."""

from __future__ import annotations

import math
import warnings
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.groups import clustered_mean, group_codes
from fashion_exp.stats.multiplicity import cochrans_q, holm
from fashion_exp.stats.paired import McNemar, mcnemar
from fashion_exp.stats.planning import images_for_half_width
from fashion_exp.stats.proportions import clopper_pearson, wilson
from tests.stats.given import LAW, answers, limits

REASON = "install the dev extra for the oracles"
tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason=REASON)
proportion = pytest.importorskip("statsmodels.stats.proportion", reason=REASON)
multitest = pytest.importorskip("statsmodels.stats.multitest", reason=REASON)
linear = pytest.importorskip("statsmodels.regression.linear_model", reason=REASON)

COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
DISCORDANT = st.tuples(st.integers(0, 200), st.integers(0, 200)).filter(any)


@pytest.fixture(scope="module")
def evaluate() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its imports, which are not ours to mend
        return pytest.importorskip("mlxtend.evaluate", reason=REASON)  # type: ignore[no-any-return]


@LAW
@given(COUNTS, st.floats(0.5, 0.99))
def test_limits_of_counts(counts: tuple[int, int], level: float) -> None:
    for method, name in ((wilson, "wilson"), (clopper_pearson, "beta")):
        theirs = proportion.proportion_confint(*counts, alpha=1 - level, method=name)
        assert limits(method(*counts, level)) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("size", [1, 2, 30])  # theirs collects garbage at every call: few
def test_holm(size: int) -> None:
    family = np.random.default_rng(size).beta(0.3, 2, size).round(2).tolist()
    theirs = multitest.multipletests(family, method="holm")[1]
    assert holm([*family]) == pytest.approx(list(theirs))


@LAW
@given(DISCORDANT)
def test_mcnemar_with_discordant_pairs(pair: tuple[int, int]) -> None:
    table = [[10, pair[0]], [pair[1], 10]]
    exact = mcnemar(10, *pair, 10, variant="exact")
    assert exact.p == pytest.approx(tables.mcnemar(table, exact=True).pvalue)
    chi2 = mcnemar(10, *pair, 10, variant="chi2")
    theirs = tables.mcnemar(table, exact=False, correction=False)
    assert (chi2.statistic, chi2.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    if pair[0] != pair[1]:  # theirs gives a tie a statistic above 0
        corrected = mcnemar(10, *pair, 10, variant="chi2_cc")
        theirs = tables.mcnemar(table, exact=False, correction=True)
        assert (corrected.statistic, corrected.p) == pytest.approx(
            (theirs.statistic, theirs.pvalue)
        )


def test_mcnemar_of_mlxtend(evaluate: ModuleType) -> None:
    for pair in ((121, 59), (3, 9), (0, 4)):
        table = np.array([[10, pair[0]], [pair[1], 10]])
        assert mcnemar(10, *pair, 10, variant="exact").p == pytest.approx(
            evaluate.mcnemar(table, exact=True)[1]
        )
        ours = mcnemar(10, *pair, 10, variant="chi2_cc")
        theirs = evaluate.mcnemar(table, corrected=True)
        assert (ours.statistic, ours.p) == pytest.approx(theirs)


VARIANTS: list[McNemar] = ["midp", "exact", "chi2", "chi2_cc"]


def test_two_libraries_call_identical_models_different(evaluate: ModuleType) -> None:
    """Kept to know when they mend it: no discordant pair is no evidence, yet theirs is p = 0."""
    table = np.array([[50, 0], [0, 10]])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = tables.mcnemar(table, exact=False, correction=True)
        second = evaluate.mcnemar(table, corrected=True)
    assert (first.statistic, first.pvalue) == (math.inf, 0.0)
    assert tuple(map(float, second)) == (math.inf, 0.0)
    assert [mcnemar(50, 0, 0, 10, variant=variant).p for variant in VARIANTS] == [1.0] * 4


def test_cochrans_q(evaluate: ModuleType) -> None:
    right = answers(5, 300)
    theirs = tables.cochrans_q(right.T)
    ours = cochrans_q(right)
    assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    second = evaluate.cochrans_q(np.ones(300, int), *right.astype(int))
    assert (ours.statistic, ours.p) == pytest.approx(tuple(map(float, second)))


def test_the_cluster_robust_standard_error() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 25, 200)
    values = rng.normal(size=200) + rng.normal(size=25)[groups]
    ours = clustered_mean(values, group_codes(groups, 200))
    theirs = linear.OLS(values, np.ones(200)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True}
    )

    assert ours.se == pytest.approx(float(theirs.bse[0]))


def test_the_images_for_a_half_width() -> None:
    theirs = proportion.samplesize_confint_proportion(0.93, 0.01, alpha=0.05)
    assert images_for_half_width(0.93, 0.01) == pytest.approx(theirs)
