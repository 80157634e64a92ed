"""Made-up worlds whose truth is known: answers, images in groups, seeds, learners, sweeps."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Rng = np.random.Generator


def grouped_answers(
    rng: Rng, sources: int, accuracies: tuple[float, ...], correlation: float = 0.5
) -> tuple[Floats, NDArray[np.int64]]:
    """Answers (models, n) to images that come as 1 to 9 of a source, and their sources (n,).

    `correlation` is the latent one within a source. Half of a source's ease is the same for all
    models, so that models differ by source too.
    """
    groups = np.repeat(np.arange(sources), rng.integers(1, 10, sources))
    shape = len(accuracies), sources
    ease = math.sqrt(correlation / 2) * (rng.normal(size=sources) + rng.normal(size=shape))
    noise = math.sqrt((1 - correlation) / 2) * (
        rng.normal(size=groups.size) + rng.normal(size=(shape[0], groups.size))
    )
    limit = stats.norm.ppf(accuracies)[:, None]
    return (ease[:, groups] + noise < limit).astype(float), groups


def seeded_answers(
    rng: Rng, seeds: int, images: int, shift: float = 0.0, ease: Floats | None = None
) -> Floats:
    """Answers (seeds, images) of models of one recipe: some 88 % right, differing by 1 point."""
    ease = rng.normal(0, 2, images) if ease is None else ease
    quality = rng.normal(0, 0.12, (seeds, 1))
    return (3 + shift + ease + quality + rng.normal(size=(seeds, images)) > 0).astype(float)


def seeded_truth(shift: float = 0.0) -> float:
    """The expected accuracy of the recipe of `seeded_answers`."""
    return float(stats.norm.cdf((3 + shift) / math.sqrt(1 + 2**2 + 0.12**2)))


class Learnt(NamedTuple):
    """Models of one recipe, each trained on its own part of one data set."""

    correct: NDArray[np.bool_]
    """(models, n) right, on every image of the data set."""
    truth: Floats
    """(models,) the true accuracy."""


class Data(NamedTuple):
    """Images of two classes at +-mean in normal noise; features in two halves of equal worth."""

    signed: Floats
    """(n, 2, d): features of each half, with the sign of the class."""
    mean: float

    def learn(self, train: NDArray[np.bool_], half: int, blind: Rng | None = None) -> Learnt:
        """Centroid classifiers on the features of one half, for training masks (models, n).

        With `blind`, each model is denied a random fifth of the features: noise of the seed.
        """
        features = self.signed[:, half]
        weights = train.astype(float) @ features
        if blind is not None:
            weights = weights * (blind.random(weights.shape) < 0.8)
        length = np.maximum(np.linalg.norm(weights, axis=1), 1e-12)
        truth = stats.norm.cdf(self.mean * weights.sum(axis=1) / length)
        return Learnt((features @ weights.T > 0).T, truth)


def data(rng: Rng, n: int, features: int = 20, mean: float = 0.3) -> Data:
    return Data(rng.normal(mean, 1, (n, 2, features)), mean)


def random_splits(rng: Rng, count: int, n: int, share: float = 0.2) -> NDArray[np.bool_]:
    """Test masks (count, n), drawn anew for each split."""
    return rng.random((count, n)).argsort(axis=1) < round(share * n)


def folds(rng: Rng, repeats: int, k: int, n: int) -> NDArray[np.bool_]:
    """Test masks (repeats * k, n) of repeated k-fold cross-validation."""
    places = rng.random((repeats, n)).argsort(axis=1) % k
    return (places[:, None, :] == np.arange(k)[None, :, None]).reshape(repeats * k, n)


def scores(learnt: Learnt, test: NDArray[np.bool_]) -> Floats:
    """The accuracy (models,) of each model on its own test images."""
    return (learnt.correct & test).sum(axis=1) / test.sum(axis=1)


def sweep_of_equals(rng: Rng, configs: int, images: int, accuracy: float) -> Floats:
    """Answers (configs, images) of equally good configs whose errors go together (latent .5)."""
    ease = rng.normal(size=images) + rng.normal(size=(configs, images))
    return (ease / math.sqrt(2) < stats.norm.ppf(accuracy)).astype(float)
