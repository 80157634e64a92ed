"""Which photos to label next: each strategy is one function of a `Query`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fashion_exp.errors import InputError, suggest
from fashion_exp.stats.novelty import entropy

REFERENCE = "random"
"""The strategy that all others are compared with."""
USDM_TRADE_OFF = 1.0
"""Weight of the uncertainty against the similarity of the chosen photos."""
_USDM_STEPS = 4000
_USDM_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Pool:
    """All photos of which some are labeled, by their features."""

    features: np.ndarray
    """(n, width), float32, standardized."""

    @cached_property
    def squared_norms(self) -> np.ndarray:
        """(n,)"""
        return np.einsum("nd,nd->n", self.features, self.features)

    @cached_property
    def similarity(self) -> np.ndarray:
        """(n, n): the Gaussian kernel. Its width is the median distance of the photos."""
        distances = self.squared_distances(np.arange(len(self.features)))
        return np.asarray(np.exp(-distances / (np.median(distances) or 1)))

    def squared_distances(self, rows: np.ndarray) -> np.ndarray:
        """(n, len(rows)): those of all photos to some."""
        products = self.features @ self.features[rows].T
        norms = self.squared_norms
        return np.maximum(norms[:, None] + norms[rows] - 2 * products, 0)


@dataclass(frozen=True)
class Query:
    """What a strategy knows when it chooses `count` of the candidates."""

    pool: Pool
    labeled: np.ndarray
    """Rows of the pool that have a label."""
    candidates: np.ndarray
    """(m,): rows of the pool that have none."""
    probabilities: np.ndarray
    """(m, classes) of the candidates."""
    committee: Callable[[], np.ndarray]
    """(models, m, classes): the probabilities by several models. Only `bald` asks for them."""
    count: int
    rng: np.random.Generator


Strategy = Callable[[Query], np.ndarray]
"""Positions (count,) in the candidates, the first to be labeled first."""


def check_strategy(name: str) -> None:
    """Raises `InputError` for a strategy that does not exist."""
    if name not in STRATEGIES:
        raise InputError(f"strategy={name}: no such strategy; {suggest(name, STRATEGIES)}")


def _random(query: Query) -> np.ndarray:
    return query.rng.permutation(len(query.candidates))[: query.count]


def _least_confidence(query: Query) -> np.ndarray:
    return _largest(query, 1 - query.probabilities.max(1))


def _margin(query: Query) -> np.ndarray:
    """Scheffer, Decomain & Wrobel 2001: the smallest lead of the first class over the second."""
    second, first = np.partition(query.probabilities, -2, axis=1)[:, -2:].T
    return _largest(query, second - first)


def _entropy(query: Query) -> np.ndarray:
    return _largest(query, entropy(query.probabilities))


def _bald(query: Query) -> np.ndarray:
    """Houlsby et al. 2011, arXiv:1112.5745: the mutual information of label and model."""
    committee = query.committee()
    expected = np.mean([entropy(probabilities) for probabilities in committee], axis=0)
    return _largest(query, entropy(committee.mean(0)) - expected)


def _coreset(query: Query) -> np.ndarray:
    """Sener & Savarese 2018, ICLR: greedy k-center, the farthest from all that is labeled."""
    nearest = query.pool.squared_distances(query.labeled)[query.candidates].min(1)
    chosen: list[int] = []
    for _ in range(query.count):
        chosen.append(int(nearest.argmax()))
        row = query.candidates[chosen[-1:]]
        added = query.pool.squared_distances(row)[query.candidates, 0]
        nearest = np.minimum(nearest, added)
        nearest[chosen] = -1
    return np.array(chosen)


def _badge(query: Query) -> np.ndarray:
    """Ash et al. 2020, ICLR: k-means++ on the gradients of the head for the predicted labels.

    The gradient of a photo is the outer product of (probabilities - predicted class) and
    (features, 1), so that products of gradients are products of two small numbers.
    """
    errors = query.probabilities.copy()
    errors[np.arange(len(errors)), errors.argmax(1)] -= 1
    features = query.pool.features[query.candidates]
    norms = (errors**2).sum(1) * (query.pool.squared_norms[query.candidates] + 1)
    first = int(norms.argmax())
    chosen, nearest = [first], np.full(len(norms), np.inf)
    for _ in range(query.count - 1):
        last = chosen[-1]
        products = (errors @ errors[last]) * (features @ features[last] + 1)
        nearest = np.minimum(nearest, np.maximum(norms + norms[last] - 2 * products, 0))
        nearest[chosen] = 0
        chosen.append(_drawn(nearest, query.rng, chosen))
    return np.array(chosen)


def _usdm(query: Query) -> np.ndarray:
    """Yang, Ma, Nie, Chang & Hauptmann 2015, IJCV 113:113-127: uncertainty sampling with diversity
    maximization, the reference of the paper that this project started from.

    The candidates with the largest weights f, where f minimizes f' K f - r f' u over f >= 0 that
    sum to 1; u is the entropy of the head's probabilities divided by the largest possible one, K
    the Gaussian kernel of the candidates' features, and r = `USDM_TRADE_OFF`.

    The authors' program (AL_semi_fast1.m, 2011) minimizes f' K f / 2 + r f' b over f >= 0 that sum
    to `count`: the same with its r = count / 2 and b = -u. It differs in three ways. Its
    probabilities come from a random walk over nearest neighbors. Labeled photos have weights too.
    And its b is +u, which favors photos of small entropy; the title of the paper says the opposite,
    and so does this function.
    """
    classes = query.probabilities.shape[1]
    uncertainty = entropy(query.probabilities) / np.log(classes)
    kernel = query.pool.similarity[np.ix_(query.candidates, query.candidates)]
    weights, gradient = minimize_on_simplex(kernel, USDM_TRADE_OFF * uncertainty)
    return np.lexsort((gradient, -weights))[: query.count]


def minimize_on_simplex(kernel: np.ndarray, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights f >= 0, Σ f = 1, that minimize f' K f - f' gains, and the gradient there.

    `kernel` (n, n) is positive semidefinite. Each step moves weight from the row with the largest
    gradient to the one with the smallest, as far as that lowers the objective (sequential minimal
    optimization; Platt 1998).
    """
    weights = np.zeros(len(gains))
    start = int(gains.argmax())
    weights[start] = 1
    gradient = 2 * kernel[start].astype(np.float64) - gains
    for _ in range(_USDM_STEPS):
        low = int(gradient.argmin())
        high = int(np.where(weights > 0, gradient, -np.inf).argmax())
        lead = gradient[high] - gradient[low]
        if lead <= _USDM_TOLERANCE:
            break
        curvature = 2 * (kernel[low, low] + kernel[high, high] - 2 * kernel[low, high])
        step = min(weights[high], lead / max(curvature, 1e-12))
        weights[low] += step
        weights[high] = max(weights[high] - step, 0)
        gradient += 2 * step * (kernel[low] - kernel[high])
    return weights, gradient


def _largest(query: Query, scores: np.ndarray) -> np.ndarray:
    """The candidates with the largest scores; ties in random order."""
    return np.lexsort((query.rng.random(len(scores)), -scores))[: query.count]


def _drawn(weights: np.ndarray, rng: np.random.Generator, chosen: list[int]) -> int:
    """A position drawn with these weights; any that is not chosen if all weights are 0."""
    total = np.cumsum(weights)
    if total[-1] > 0:
        return int(np.searchsorted(total, rng.random() * total[-1], side="right"))
    return int(rng.choice(np.setdiff1d(np.arange(len(weights)), chosen)))


# To add a strategy: write a function of a `Query` and add its key here.
STRATEGIES: dict[str, Strategy] = {
    REFERENCE: _random,
    "least_confidence": _least_confidence,
    "margin": _margin,
    "entropy": _entropy,
    "bald": _bald,
    "coreset": _coreset,
    "badge": _badge,
    "usdm": _usdm,
}
