"""Holm over a family that keeps its failed tests, and Cochran's Q as the gate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_exp.stats.multiplicity import cochrans_q, holm
from fashion_exp.stats.paired import mcnemar, paired_counts
from tests.stats.given import LAW, answers

FAMILIES = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=20)


def test_a_failed_test_stays_in_the_family() -> None:
    assert holm([0.01, None, 0.04]) == [pytest.approx(0.03), None, pytest.approx(0.08)]
    assert holm([0.01, 1.0, 0.04])[::2] == holm([0.01, None, 0.04])[::2]
    assert holm([]) == [] and holm([0.03]) == [0.03] and holm([None, None]) == [None, None]


@pytest.mark.parametrize("p", [math.nan, -0.1, 1.1])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="no p-value"):
        holm([0.5, p])


@LAW
@given(FAMILIES)
def test_adjusting_keeps_order_and_never_lowers(family: list[float | None]) -> None:
    pairs = [(p, q) for p, q in zip(family, holm(family), strict=True) if p is not None]
    assert [q is None for q in holm(family)] == [p is None for p in family]
    for p, q in pairs:
        assert q is not None and p <= q <= min(1, len(family) * p)
    ordered = [q for _, q in sorted((p, q or 0) for p, q in pairs)]
    assert ordered == sorted(ordered)


@LAW
@given(FAMILIES, st.randoms())
def test_the_order_of_the_family_does_not_matter(family: list[float | None], random) -> None:  # type: ignore[no-untyped-def]
    places = list(range(len(family)))
    random.shuffle(places)
    adjusted = holm(family)
    assert holm([family[place] for place in places]) == [adjusted[place] for place in places]


@LAW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.integers(0, 5))
def test_every_failure_makes_it_harder(family: list[float], failures: int) -> None:
    alone, among = holm(family), holm([*family, *[None] * failures])
    assert all(p is not None and q is not None and q >= p for p, q in zip(alone, among))  # noqa: B905


def test_q_of_two_models_is_mcnemars_chi2() -> None:
    a, b = answers(2, 300)
    chi2 = mcnemar(*paired_counts(a, b), variant="chi2")
    gate = cochrans_q([a, b])
    assert (gate.statistic, gate.p) == pytest.approx((chi2.statistic, chi2.p))
    assert (gate.df, gate.n, gate.models) == (1, 300, 2)


def test_images_that_all_get_right_or_wrong_do_not_count() -> None:
    right = answers(4, 100)
    more = np.hstack([right, np.ones((4, 50)), np.zeros((4, 20))])
    assert cochrans_q(more).p == pytest.approx(cochrans_q(right).p)


def test_models_that_agree_everywhere_do_not_differ() -> None:
    same = cochrans_q(np.tile(answers(1, 50), (3, 1)))
    assert (same.p, same.statistic, same.note) == (1.0, 0.0, "models agree on every image")


def test_one_model_has_no_gate() -> None:
    one = cochrans_q([[1, 0, 1]])
    assert (one.status, one.p, one.note) == ("undefined", None, "needs at least 2 models")
    with pytest.raises(ValueError, match="right"):
        cochrans_q([[1, 0.5], [0, 1]])
    with pytest.raises(ValueError, match="incomplete"):
        cochrans_q([[1, math.nan], [0, 1]])
