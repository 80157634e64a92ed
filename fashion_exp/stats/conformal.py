"""Prediction sets with a stated coverage, from predictions on images that no model was trained on.

A set holds the classes that are not too improbable compared with the true classes of the
calibration images. Own code: the packages wrap estimators that they fit themselves, or take one
model and independent images; here several models were trained elsewhere, and images have groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fashion_exp.stats.checks import Floats, Integers, validate_fraction
from fashion_exp.stats.groups import group_codes


@dataclass(frozen=True)
class ConformalScores:
    """The probabilities of the true classes of n calibration predictions, not trained on.

    Prediction i was made by the model `models[i]`, of the class `labels[i]`; `groups[i]` are codes
    of images that are not independent. An image that several models predicted has several rows.
    """

    true_probability: Floats
    labels: Integers
    models: Integers
    groups: Integers

    def p_values(self, probabilities: Floats, per_class: bool = False) -> Floats:
        """The p-value of each class for new images: (J, n, C) or (n, C) to (n, C).

        `probabilities` are those of the J models, in the order of their codes, or of one model that
        is compared with all calibration predictions. With `per_class` an image is compared with
        those of the class in question. A class whose p-value exceeds alpha belongs to the set of
        coverage 1 - alpha.

        The p-value is (1 + sum of the weights of the calibration predictions that are at most as
        probable as the class, each by the probability of the model that made it) / (G + 1). A
        prediction weighs 1 / (predictions of its group). For one model and new images whose groups
        are exchangeable with the G groups, the coverage is at least 1 - alpha; for J models it is
        at least 1 - 2 alpha and close to 1 - alpha as a rule.

        Source: Sadinle, Lei & Wasserman 2019, JASA 114:223-234, the score; Vovk 2015, Ann. Math.
        Artif. Intell. 74:9-28, cross-conformal; Barber, Candès, Ramdas & Tibshirani 2021, Ann.
        Stat. 49:486-507, its bound; Lee, Barber & Willett 2023, arXiv 2306.06342, groups; Vovk,
        Gammerman & Shafer 2005, section 4.5, per class.
        """
        tables = probabilities if probabilities.ndim == 3 else probabilities[None]
        models = self.models if probabilities.ndim == 3 else np.zeros_like(self.models)
        result: Floats = np.empty(tables.shape[1:])
        for label in range(tables.shape[2]):
            rows = self.labels == label if per_class else np.ones(self.labels.size, dtype=bool)
            _, codes = np.unique(self.groups[rows], return_inverse=True)
            sizes = np.bincount(codes, minlength=1)
            above: Floats = np.zeros(len(result))
            for model, table in enumerate(tables):
                own = models[rows] == model
                scores, weights = self.true_probability[rows][own], 1 / sizes[codes[own]]
                order = np.argsort(scores, kind="stable")
                totals = np.concatenate([[0.0], np.cumsum(weights[order])])
                above += totals[np.searchsorted(scores[order], table[:, label], side="right")]
            result[:, label] = (1 + above) / ((codes.max() + 1 if codes.size else 0) + 1)
        return result

    def take(self, rows: np.ndarray) -> ConformalScores:
        columns = (self.true_probability, self.labels, self.models, self.groups)
        return ConformalScores(*(column[rows] for column in columns))

    def of_models(self, models: Sequence[int]) -> ConformalScores:
        """Those of some models, in the order in which their probabilities are given."""
        rows = np.isin(self.models, models)
        codes = {model: code for code, model in enumerate(models)}
        renamed = np.array([codes[int(model)] for model in self.models[rows]], dtype=np.int64)
        return replace(self.take(rows), models=renamed)


def conformal_scores(
    labels: Integers, probabilities: Floats, models: Integers, groups: np.ndarray
) -> ConformalScores:
    """The scores of n predictions (n, C).

    Raises:
        ValueError: invalid groups (`group_codes`).
    """
    true_probability: Floats = probabilities[np.arange(labels.size), labels]
    return ConformalScores(true_probability, labels, models, group_codes(groups, labels.size))


def prediction_sets(p_values: Floats, most_probable: Integers, coverage: float) -> np.ndarray:
    """Which classes are in each set, bool (n, C).

    The most probable class (n,) is always in it: that can only add coverage, and an empty set says
    nothing that `unfamiliar` does not say better.

    Raises:
        ValueError: `coverage` is outside (0, 1).
    """
    validate_fraction(coverage, "coverage")
    members: np.ndarray = p_values > 1 - coverage
    members[np.arange(len(members)), most_probable] = True
    return members


def held_out_sets(
    scores: ConformalScores, probabilities: Floats, parts: Integers, coverage: float,
    per_class: bool = False,
) -> np.ndarray:  # fmt: skip
    """The set (n, C) of each calibration prediction, from the scores of the other parts (n,).

    The parts must not divide a group. Predictions of all models are compared with each other.
    """
    members = np.zeros(probabilities.shape, dtype=bool)
    for part in np.unique(parts):
        here = parts == part
        p_values = scores.take(~here).p_values(probabilities[here], per_class)
        members[here] = prediction_sets(p_values, probabilities[here].argmax(axis=1), coverage)
    return members
