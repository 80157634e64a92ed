"""Each strategy chooses what its definition says."""

from __future__ import annotations

import numpy as np
import pytest

from fashion_exp.active.strategies import STRATEGIES, Pool, Query, minimize_on_simplex

EVEN = [0.5, 0.5, 0.0]
SURE = [1.0, 0.0, 0.0]


def query(
    features: np.ndarray, probabilities: np.ndarray, count: int, labeled: int = 1,
    committee: np.ndarray | None = None,
) -> Query:  # fmt: skip
    """The first `labeled` rows have a label."""
    return Query(
        Pool(features.astype(np.float32)), np.arange(labeled),
        np.arange(labeled, len(features)), probabilities,
        lambda: probabilities[None] if committee is None else committee, count,
        np.random.default_rng(0),
    )  # fmt: skip


@pytest.fixture
def random_query() -> Query:
    rng = np.random.default_rng(1)
    return query(rng.normal(size=(41, 6)), rng.dirichlet(np.ones(3), 40), 15)


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategy_chooses_distinct_candidates(name: str, random_query: Query) -> None:
    chosen = STRATEGIES[name](random_query)
    assert len(chosen) == 15 == len(set(chosen.tolist()))
    assert chosen.min() >= 0 and chosen.max() < 40


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategy_can_choose_all(name: str, random_query: Query) -> None:
    everything = Query(**{**vars(random_query), "count": 40})
    assert sorted(STRATEGIES[name](everything).tolist()) == list(range(40))


@pytest.mark.parametrize("name", STRATEGIES)
def test_equal_photos_are_no_error(name: str) -> None:
    chosen = STRATEGIES[name](query(np.zeros((5, 3)), np.full((4, 3), 1 / 3), 3))
    assert len(set(chosen.tolist())) == 3


def test_uncertainties_differ_in_what_they_find_most_uncertain() -> None:
    probabilities = np.array([[0.45, 0.45, 0.1], [0.4, 0.3, 0.3], SURE, [0.42, 0.38, 0.2]])
    request = query(np.zeros((5, 2)), probabilities, 1)
    first = {name: int(STRATEGIES[name](request)[0]) for name in ("margin", "least_confidence")}
    assert first == {"margin": 0, "least_confidence": 1}
    assert STRATEGIES["entropy"](request)[0] == 1


def test_bald_ignores_photos_that_every_model_is_unsure_of() -> None:
    agree, differ = [EVEN, EVEN], [SURE, [0.0, 1.0, 0.0]]
    committee = np.array([agree, differ]).transpose(1, 0, 2)
    request = query(np.zeros((3, 2)), committee.mean(0), 1, committee=committee)
    assert STRATEGIES["bald"](request)[0] == 1


def test_coreset_takes_the_farthest_photo_in_turn() -> None:
    line = np.array([0.0, 1, 9, 10, 4])[:, None]
    request = query(line, np.full((4, 3), 1 / 3), 3)
    assert STRATEGIES["coreset"](request).tolist() == [2, 3, 0]  # at 10, then 4, then 1 beside 9


def test_badge_chooses_by_gradients_and_never_a_copy() -> None:
    features = np.array([[0.0, 0], [3, 0], [3, 0], [0, 1]])
    probabilities = np.array([EVEN, EVEN, SURE])
    chosen = STRATEGIES["badge"](query(features, probabilities, 2))
    assert chosen[0] in (0, 1)  # the sure photo has no gradient
    gradients = [
        np.outer(p - np.eye(3)[p.argmax()], [*x, 1]).ravel()
        for p, x in zip(probabilities, features[1:], strict=True)
    ]
    assert np.linalg.norm(gradients[0]) > np.linalg.norm(gradients[2]) == 0
    assert chosen[1] == 2  # a copy of the first is at distance 0


def test_usdm_prefers_different_photos_of_equal_uncertainty() -> None:
    features = np.array([[9.0, 9], [0, 0], [0, 0.01], [0.01, 0], [5, 0], [0, 5]])
    probabilities = np.array([EVEN] * 5)
    chosen = STRATEGIES["usdm"](query(features, probabilities, 3))
    assert {3, 4} <= set(chosen.tolist())


def test_usdm_without_diversity_is_the_largest_gain() -> None:
    weights, _ = minimize_on_simplex(np.zeros((4, 4)), np.array([0.1, 0.5, 0.9, 0.2]))
    assert weights.tolist() == [0, 0, 1, 0]


def test_simplex_minimum_meets_its_conditions() -> None:
    """Karush-Kuhn-Tucker: equal gradients where there is weight, none smaller elsewhere."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30, 2))
    kernel = np.exp(-((points[:, None] - points) ** 2).sum(2))
    weights, gradient = minimize_on_simplex(kernel, rng.random(30) / 5)
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
    support = gradient[weights > 0]
    assert np.ptp(support) < 1e-3 and gradient.min() > support.max() - 1e-3
    assert 1 < (weights > 0).sum() < 30
