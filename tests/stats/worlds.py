"""Whole runs with known truth, as predictions of images; less kind than `synthetic`.

A world draws the predictions of one run and the truths that the intervals of its summary estimate.
`Learner` trains real learners on drawn features; `Seeds` draws the answers of models to shared test
images. Their options make classes rare, accuracies high, groups unequal, difficulty heavy-tailed
and trainings collapse.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
from scipy import special
from sklearn.tree import DecisionTreeClassifier

from fashion_exp.evaluation.predictions import predictions_frame
from fashion_exp.stats.checks import Floats, Integers
from fashion_exp.stats.metrics import MIN_PROBABILITY
from tests.stats.synthetic import Rng

Method = Literal["centroids", "nearest", "random features", "tree"]
Design = Literal["redrawn", "k-fold", "repeated k-fold"]


class Scores(NamedTuple):
    """Population values of one model, or means over several."""

    accuracy: float
    macro_f1: float
    loss: float
    f1: tuple[float, ...]


class Run(NamedTuple):
    """What `summarize_predictions` takes, and the truths for the tested models and the recipe."""

    frame: pd.DataFrame
    train_sizes: dict[str, int]
    redrawn: bool
    models: Scores
    recipe: Scores
    collapsed: int = 0


class World(Protocol):
    name: str

    def draw(self, rng: Rng) -> Run: ...


def score(labels: Integers, probabilities: Floats) -> Scores:
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount(labels * classes + predicted, minlength=classes**2)
    confusion = confusion.reshape(classes, classes)
    f1 = 2 * confusion.diagonal() / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    likelihood = np.clip(probabilities[np.arange(labels.size), labels], MIN_PROBABILITY, 1)
    right, loss = float((predicted == labels).mean()), float(-np.log(likelihood).mean())
    return Scores(right, float(f1.mean()), loss, tuple(f1.tolist()))


def mean_scores(scores: list[Scores]) -> Scores:
    return _unflat(np.mean([_flat(s) for s in scores], axis=0))


def _frame(
    labels: Integers, probabilities: Floats, images: Integers, groups: Integers, part: str,
    repeat: int, fold: int = 0,
) -> pd.DataFrame:  # fmt: skip
    rows = pd.DataFrame(
        {"image_id": images, "path": "", "group_id": groups, "label": labels}, copy=False
    )
    classes = [f"c{c}" for c in range(probabilities.shape[1])]
    return predictions_frame(
        rows, classes, probabilities, part=part, fold=fold, repeat=repeat, seed=repeat
    )


@dataclass(frozen=True)
class Learner:
    """Gaussian classes in 20 dimensions, and a learner on splits of `images` development images."""

    method: Method = "centroids"
    design: Design = "redrawn"
    trainings: int = 5
    images: int = 300
    shares: tuple[float, ...] = (1, 1, 1)
    separation: float = 2.2

    @property
    def name(self) -> str:
        shares = "/".join(f"{100 * s / sum(self.shares):.0f}" for s in self.shares)
        return (
            f"{self.method}, {self.design}, J={self.trainings}, n={self.images}, classes {shares}"
        )

    @property
    def folds(self) -> int:
        return {"redrawn": 1, "k-fold": self.trainings, "repeated k-fold": 5}[self.design]

    @property
    def centers(self) -> Floats:
        centers = np.random.default_rng(7).normal(size=(len(self.shares), 20))
        return np.asarray(
            self.separation * centers / np.linalg.norm(centers, axis=1, keepdims=True)
        )

    def sample(self, rng: Rng, n: int) -> tuple[Floats, Integers]:
        labels = rng.choice(len(self.shares), n, p=np.array(self.shares) / sum(self.shares))
        return self.centers[labels] + rng.normal(size=(n, 20)), labels

    def predict(self, rng: Rng, x: Floats, labels: Integers, new: Floats) -> Floats:
        classes = len(self.shares)
        if self.method == "nearest":
            nearest = (-2 * new @ x.T + (x**2).sum(axis=1)).argmin(axis=1)
            rows: Floats = np.full((len(new), classes), 0.1 / (classes - 1))
            rows[np.arange(len(new)), labels[nearest]] = 0.9
            return rows
        if self.method == "tree":
            tree = DecisionTreeClassifier(max_depth=4, random_state=0).fit(x, labels)
            return np.asarray(tree.predict_proba(new))
        if self.method == "random features":
            features = rng.choice(20, 8, replace=False)
            x, new = x[:, features], new[:, features]
        centers = np.stack([x[labels == c].mean(axis=0) for c in range(classes)])
        prior = np.bincount(labels, minlength=classes) / labels.size
        logits = new @ centers.T - (centers**2).sum(axis=1) / 2 + np.log(prior)
        return np.asarray(special.softmax(logits, axis=1))

    def best(self, new: Floats) -> Floats:
        """Probabilities of the best classifier."""
        logits = new @ self.centers.T + np.log(np.array(self.shares) / sum(self.shares))
        return np.asarray(special.softmax(logits, axis=1))

    def _test_masks(self, rng: Rng, labels: Integers) -> list[np.ndarray]:
        """Stratified: a fifth of each class for each repeat, or folds of a repeat."""
        parts = 5 if self.design == "redrawn" else self.folds
        repeats = self.trainings if self.design == "redrawn" else self.trainings // self.folds
        masks = []
        for _ in range(repeats):
            order = np.lexsort((rng.random(labels.size), labels))
            part = np.empty(labels.size, int)
            part[order] = (np.arange(labels.size) + rng.integers(parts)) % parts
            masks += [part == k for k in range(1 if self.design == "redrawn" else parts)]
        return masks

    def draw(self, rng: Rng) -> Run:
        x, labels = self.sample(rng, self.images)
        while np.bincount(labels, minlength=len(self.shares)).min() < max(5, self.folds):
            x, labels = self.sample(rng, self.images)
        new, truth = self.sample(rng, 2000)
        frames, sizes, models, images = [], {}, [], np.arange(self.images)
        correction = np.subtract(_best(self), _flat(score(truth, self.best(new))))
        for index, test in enumerate(self._test_masks(rng, labels)):
            repeat, fold = divmod(index, self.folds)
            both = self.predict(rng, x[~test], labels[~test], np.concatenate([x[test], new]))
            tested, population = np.split(both, [int(test.sum())])
            models.append(_unflat(_flat(score(truth, population)) + correction))
            sizes[f"r{repeat}f{fold}"] = int((~test).sum())
            frames.append(
                _frame(labels[test], tested, images[test], images[test], "validation", repeat, fold)
            )
        recipe = _recipe(self, round(float(np.mean(list(sizes.values())))))
        return Run(pd.concat(frames), sizes, True, mean_scores(models), recipe)


@lru_cache
def _best(world: Learner) -> tuple[float, ...]:
    """Population scores of the best classifier: those of a model on a sample, minus those of the
    best classifier on the same sample, are far more exact than the former alone."""
    new, truth = world.sample(np.random.default_rng(97), 400_000)
    return tuple(_flat(score(truth, world.best(new))))


def _flat(scores: Scores) -> Floats:
    return np.array([*scores[:3], *scores.f1])


def _unflat(values: Floats) -> Scores:
    accuracy, macro_f1, loss, *f1 = values.tolist()
    return Scores(accuracy, macro_f1, loss, tuple(f1))


@lru_cache
def _recipe(world: Learner, train: int) -> Scores:
    """Of a new training on other images: the mean over 200 data sets."""
    rng = np.random.default_rng(99)
    scores: list[Scores] = []
    while len(scores) < 200:
        x, labels = world.sample(rng, train)
        if np.bincount(labels, minlength=len(world.shares)).min() >= 4:
            new, truth = world.sample(rng, 2000)
            model = _flat(score(truth, world.predict(rng, x, labels, new)))
            scores.append(_unflat(model - _flat(score(truth, world.best(new))) + _best(world)))
    return mean_scores(scores)


@dataclass(frozen=True)
class Seeds:
    """Answers of `trainings` models of one recipe to `images` shared test images.

    A model is right on an image if ease + its quality + noise - the difficulty of the image is
    above 0. `groups` > 0 shares the difficulty within groups, whose sizes are lognormal with
    `skew`. A training collapses with probability `collapse`: it predicts the first class only.
    """

    trainings: int = 5
    images: int = 300
    shares: tuple[float, ...] = (1, 1, 1)
    ease: float = 3.0
    difficulty: Literal["normal", "heavy"] = "normal"
    quality_sd: float = 0.2
    groups: int = 0
    skew: float = 0.0
    collapse: float = 0.0

    @property
    def name(self) -> str:
        shares = "/".join(f"{100 * s / sum(self.shares):.0f}" for s in self.shares)
        more = "" if self.difficulty == "normal" else ", heavy-tailed"
        more += f", {self.groups} groups, skew {self.skew:g}" if self.groups else ""
        more += f", {100 * self.collapse:g} % collapse" if self.collapse else ""
        accuracy = f"{_population(self).accuracy:.3f}"
        return f"S={self.trainings}, n={self.images}, acc {accuracy}, classes {shares}{more}"

    def _images(self, rng: Rng, n: int, groups: int) -> tuple[Integers, Floats, Integers]:
        """Labels, difficulty and groups of images."""
        units = groups or n
        labels = rng.choice(len(self.shares), units, p=np.array(self.shares) / sum(self.shares))
        draws = rng.standard_t(2, units) if self.difficulty == "heavy" else rng.normal(size=units)
        of = np.arange(n)
        if groups:
            size = rng.lognormal(0, self.skew, units)
            of = np.concatenate([of[:units], rng.choice(units, n - units, p=size / size.sum())])
        return labels[of].astype(np.int64), 1.5 * draws[of], of

    def _answers(
        self, rng: Rng, labels: Integers, difficulty: Floats, quality: float, collapsed: bool
    ) -> Floats:
        classes = len(self.shares)
        margin = self.ease + quality + rng.normal(size=labels.size) - difficulty
        right = special.expit(margin)
        rows = np.zeros((labels.size, classes))
        rows[np.arange(labels.size), labels] = right
        rows[np.arange(labels.size), (labels + 1) % classes] += 1 - right
        return np.eye(1, classes)[np.zeros(labels.size, int)] if collapsed else rows

    def draw(self, rng: Rng) -> Run:
        labels, difficulty, groups = self._images(rng, self.images, self.groups)
        while np.bincount(labels, minlength=len(self.shares)).min() < 3:
            labels, difficulty, groups = self._images(rng, self.images, self.groups)
        new, hard, _ = self._images(rng, 20_000, 0)
        frames, models, collapses = [], [], rng.random(self.trainings) < self.collapse
        for repeat, collapsed in enumerate(collapses):
            quality = self.quality_sd * rng.normal()
            answers = self._answers(rng, labels, difficulty, quality, collapsed)
            models.append(score(new, self._answers(rng, new, hard, quality, collapsed)))
            frames.append(_frame(labels, answers, np.arange(labels.size), groups, "test", repeat))
        sizes = {f"r{repeat}f0": 1000 for repeat in range(self.trainings)}
        recipe, collapsed = _population(self), int(collapses.sum())
        return Run(pd.concat(frames), sizes, False, mean_scores(models), recipe, collapsed)


@lru_cache
def _population(world: Seeds) -> Scores:
    """Of a new training that does not collapse."""
    rng = np.random.default_rng(98)
    labels, difficulty, _ = world._images(rng, 20_000, 0)
    qualities = world.quality_sd * rng.normal(size=100)
    return mean_scores(
        [score(labels, world._answers(rng, labels, difficulty, q, False)) for q in qualities]
    )
