"""Synthetic data with known truth: answers, clustered images, seeds, learners, sweeps."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fashion_exp.stats.checks import Floats, Integers
from fashion_exp.stats.crossed import VarianceComponents

Mask = NDArray[np.bool_]
Rng = np.random.Generator


def clustered_answers(
    rng: Rng,
    groups: int,
    accuracies: tuple[float, ...],
    correlation: float = 0.5,
    sizes: tuple[int, ...] = (),
) -> tuple[Floats, Integers]:
    """Answers (models, n) to images in groups of these sizes, and the group of each image (n,).

    Without `sizes` the groups have 1 to 9 images.

    `correlation` is the latent correlation within a group. Half of the effect of a group is the
    same for all models, so the difference of two models is clustered too.
    """
    labels: Integers = np.repeat(np.arange(groups), sizes or rng.integers(1, 10, groups))
    shape = len(accuracies), groups
    effect = math.sqrt(correlation / 2) * (rng.normal(size=groups) + rng.normal(size=shape))
    noise = math.sqrt((1 - correlation) / 2) * (
        rng.normal(size=labels.size) + rng.normal(size=(shape[0], labels.size))
    )
    threshold = np.asarray(stats.norm.ppf(accuracies))[:, None]
    return (effect[:, labels] + noise < threshold).astype(float), labels


def seeded_answers(
    rng: Rng,
    seeds: int,
    images: int,
    shift: float = 0.0,
    difficulty: Floats | None = None,
    spread: float = 0.12,
) -> Floats:
    """Answers (seeds, images) of models of one recipe: about 88 % right, SD 1 point over seeds."""
    difficulty = rng.normal(0, 2, images) if difficulty is None else difficulty
    quality = rng.normal(0, spread, (seeds, 1))
    return (3 + shift + difficulty + quality + rng.normal(size=(seeds, images)) > 0).astype(float)


def crossed_table(
    rng: Rng, components: VarianceComponents, mean: float, models: int, images: int
) -> Floats:
    """Normal differences (models, images) with these variance components."""
    between, within, residual = (math.sqrt(variance) for variance in components)
    table = mean + between * rng.normal(size=(models, 1)) + within * rng.normal(size=images)
    noise: Floats = rng.normal(size=(models, images))
    return table + residual * noise


def seeded_accuracy(shift: float = 0.0) -> float:
    """The expected accuracy of the recipe of `seeded_answers`."""
    return float(stats.norm.cdf((3 + shift) / math.sqrt(1 + 2**2 + 0.12**2)))


class TrainedModels(NamedTuple):
    """Models of one recipe, each trained on its own part of one data set."""

    correct: Mask
    """(models, n) whether each image of the data set is classified correctly."""
    accuracy: Floats
    """(models,) the true accuracy."""


class Dataset(NamedTuple):
    """Images of two classes at +-mean with normal noise; two feature sets of equal information."""

    features: Floats
    """(n, 2, d) both feature sets, multiplied by the sign of the class."""
    mean: float

    def train(self, train: Mask, feature_set: int, dropout: Rng | None = None) -> TrainedModels:
        """Centroid classifiers on one feature set, for training masks (models, n).

        With `dropout`, each model loses a random fifth of the features: noise of the seed.
        """
        features = self.features[:, feature_set]
        weights = train.astype(float) @ features
        if dropout is not None:
            weights = weights * (dropout.random(weights.shape) < 0.8)
        norm = np.maximum(np.linalg.norm(weights, axis=1), 1e-12)
        accuracy: Floats = np.asarray(stats.norm.cdf(self.mean * weights.sum(axis=1) / norm))
        return TrainedModels((features @ weights.T > 0).T, accuracy)


def make_dataset(rng: Rng, n: int, features: int = 20, mean: float = 0.3) -> Dataset:
    return Dataset(rng.normal(mean, 1, (n, 2, features)), mean)


def random_splits(rng: Rng, count: int, n: int, test_share: float = 0.2) -> Mask:
    """Test masks (count, n), drawn independently for each split."""
    return rng.random((count, n)).argsort(axis=1) < round(test_share * n)


def repeated_folds(rng: Rng, repeats: int, k: int, n: int) -> Mask:
    """Test masks (repeats * k, n) of repeated k-fold cross-validation."""
    folds = rng.random((repeats, n)).argsort(axis=1) % k
    return (folds[:, None, :] == np.arange(k)[None, :, None]).reshape(repeats * k, n)


def scores_on_test(models: TrainedModels, test: Mask) -> Floats:
    """The accuracy (models,) of each model on its own test images."""
    scores: Floats = (models.correct & test).sum(axis=1) / test.sum(axis=1)
    return scores


def equal_recipes(rng: Rng, runs: int, splits: int, n: int = 300) -> tuple[Floats, float]:
    """Accuracies (runs, splits) of recipes of equal accuracy on redrawn splits, and test images.

    Each recipe has features of its own, so their differences vary over splits and data sets.
    """
    dataset, test = Dataset(rng.normal(0.3, 1, (n, runs, 20)), 0.3), random_splits(rng, splits, n)
    models = (dataset.train(~test, run) for run in range(runs))
    return np.array([scores_on_test(m, test) for m in models]), float(test[0].sum())


def unequally_stable_recipes(rng: Rng, runs: int, splits: int) -> Floats:
    """Normal scores (runs, splits) of equal expectation, correlated as Nadeau and Bengio assume.

    The standard deviations differ: lognormal, one run six times the others, or half four times.
    """
    deviations = [np.exp(rng.normal(0, 0.5, runs)), np.ones(runs), np.ones(runs)]
    deviations[1][0], deviations[2][: runs // 2] = 6, 4
    common, own = rng.normal(size=(runs, 1)), rng.normal(size=(runs, splits))
    scores = math.sqrt(0.2) * common + math.sqrt(0.8) * own
    return scores * deviations[int(rng.integers(3))][:, None]


def equal_configs(rng: Rng, configs: int, images: int, accuracy: float) -> Floats:
    """Answers (configs, images) of equally good configs with latent error correlation .5."""
    latent = rng.normal(size=images) + rng.normal(size=(configs, images))
    return (latent / math.sqrt(2) < stats.norm.ppf(accuracy)).astype(float)
