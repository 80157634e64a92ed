"""Scores of how unlike known images an image is, and how well they find images of new classes.

Shapes: features (n, width), labels (n,) integers in [0, C), probabilities (n, C).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, optimize, special, stats

from fashion_exp.stats.checks import Floats, Integers
from fashion_exp.stats.groups import clustered_mean, few_groups_note, group_codes
from fashion_exp.stats.interval import Estimand, Interval, point_estimate

Features = NDArray[np.float32]

MAX_COMPONENTS = 1024
"""Principal components that are compared, which bounds time and the size of a saved score."""
SHRINKAGE = 0.5
"""Weight of a spherical covariance, since features have more columns than classes have images."""
MAX_ITERATIONS = 100
HEAD_PENALTY = 1e-2
"""Of the squared weights of the classifiers that stand in for heads, on standardized features."""


@dataclass(frozen=True)
class RelativeMahalanobis:
    """Distance to the nearest class minus the distance to all images: high for unlike images.

    Classes are Gaussian with a common covariance, and so are all images together; both covariances
    are shrunk. The difference ignores directions in which all images vary.

    Source: Ren, Fort, Liu, Roy, Padhy & Lakshminarayanan 2021, arXiv 2106.09022.
    """

    center: Features
    """(width,)"""
    components: Features
    """(width, k) principal components."""
    variances: Features
    """(k,) of all images."""
    whitening: Features
    """(k, k): scales differences from a class by the covariance within the classes."""
    means: Features
    """(C, k) of the classes, whitened."""

    def score(self, features: Features) -> Floats:
        """(n,)"""
        projected = (features - self.center) @ self.components
        whitened = projected @ self.whitening
        squares = (whitened**2).sum(axis=1)[:, None] + (self.means**2).sum(axis=1)
        nearest = (squares - 2 * whitened @ self.means.T).min(axis=1)
        return np.asarray(nearest - (projected**2 / self.variances).sum(axis=1), dtype=np.float64)


def fit_mahalanobis(features: Features, labels: Integers) -> RelativeMahalanobis:
    center = features.mean(axis=0)
    centered = features - center
    width, n = features.shape[1], len(features)
    count = min(width, n - 1, MAX_COMPONENTS)
    variances, components = linalg.eigh(
        centered.T @ centered / n, subset_by_index=(width - count, width - 1)
    )
    projected = centered @ components
    classes, codes = np.unique(labels, return_inverse=True)
    means = np.stack([projected[codes == code].mean(axis=0) for code in range(classes.size)])
    within = projected - means[codes]
    precision = linalg.inv(_shrunk(within.T @ within / n))
    whitening = linalg.cholesky(precision, lower=True)
    total = np.diag(_shrunk(np.diag(variances)))
    arrays = (center, components, total, whitening, means @ whitening)
    return RelativeMahalanobis(*(array.astype(np.float32) for array in arrays))


def _shrunk(covariance: NDArray[np.floating]) -> NDArray[np.floating]:
    size = len(covariance)
    spherical = np.eye(size) * (np.trace(covariance) / size + 1e-12)
    return (1 - SHRINKAGE) * covariance + SHRINKAGE * spherical


def entropy(probabilities: ArrayLike) -> Floats:
    """The entropy of each row in nats (n,): how undecided a classifier is."""
    return np.asarray(special.entr(np.asarray(probabilities, dtype=np.float64)).sum(axis=-1))


def rank_score(references: list[Floats], scores: list[Floats]) -> Floats:
    """The largest rank of an image by any of several scores, 0 to 1, shape (n,).

    A rank is the share of reference images with a lower score: 1 is beyond all of them.
    """
    ranks = [
        np.searchsorted(np.sort(reference), score, side="left") / reference.size
        for reference, score in zip(references, scores, strict=True)
    ]
    highest: Floats = np.max(ranks, axis=0)
    return highest


def false_alarm_threshold(scores: Floats, rate: float) -> float:
    """The score that a new image like these exceeds with a probability of at most `rate`.

    The conformal quantile: the ceil((1 - rate)(n + 1))-th smallest score; infinity if n is too
    small for it.
    """
    rank = int(np.ceil((1 - rate) * (scores.size + 1)))
    return float(np.sort(scores)[rank - 1]) if rank <= scores.size else float("inf")


def auroc(
    known: ArrayLike, strange: ArrayLike, known_groups: ArrayLike | None = None,
    strange_groups: ArrayLike | None = None, level: float = 0.95,
) -> Interval:  # fmt: skip
    """The area under the ROC curve: the probability that a strange image scores higher.

    Images in groups (n,) are clusters; the two samples have no group in common. The interval is
    that of the placements on the logit scale. It is undefined for fewer than 2 groups in a sample,
    and degenerate if the samples do not overlap.

    Source: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837-845; Obuchowski 1997, Biometrics
    53:567-578, clusters; Pepe 2003, The Statistical Evaluation of Medical Tests, section 5.2.5.
    """
    a, b = np.asarray(known, dtype=np.float64), np.asarray(strange, dtype=np.float64)
    codes = group_codes(known_groups, a.size), group_codes(strange_groups, b.size)
    samples = [(_placements(b, a), codes[1]), (1 - _placements(a, b), codes[0])]
    estimate = float(samples[0][0].mean())
    point = point_estimate(
        estimate, level, "delong_logit", Estimand.MODEL, "images", scores=1, n=a.size + b.size
    )
    if any(group.max() < 1 for group in codes):
        return point.without_limits("needs at least 2 groups of each kind")
    errors = [clustered_mean(values, group).se for values, group in samples]
    se = float(np.hypot(errors[0], errors[1]))
    if se == 0 or not 0 < estimate < 1:
        return point.degenerate("no variance among the placements")
    half_width = float(stats.norm.isf((1 - level) / 2)) * se / (estimate * (1 - estimate))
    limits = special.expit(special.logit(estimate) + np.array([-half_width, half_width]))
    interval = point.with_limits(float(limits[0]), float(limits[1]))
    return interval.with_warning("".join({few_groups_note(group) for group in codes} - {""}))


def _placements(values: Floats, others: Floats) -> Floats:
    """The share of `others` below each value; equal ones count half."""
    ordered = np.sort(others)
    sides = [np.searchsorted(ordered, values, side=side) for side in ("left", "right")]
    placements: Floats = (sides[0] + sides[1]) / 2 / others.size
    return placements


def linear_probabilities(features: Features, labels: Integers, new: Features) -> Floats:
    """Probabilities (m, C) of new images by a linear classifier trained on the features.

    Ridge-penalized multinomial logistic regression on standardized features, by L-BFGS. It stands
    in for a head that was trained without a class.
    """
    center, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    inputs, queries = (
        np.column_stack([(rows - center) / scale, np.ones(len(rows))]) for rows in (features, new)
    )
    targets = np.eye(int(labels.max()) + 1)[labels]
    shape = (inputs.shape[1], targets.shape[1])

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = inputs @ weights.reshape(shape)
        error = (special.softmax(logits, axis=1) - targets) / len(inputs)
        losses = special.logsumexp(logits, axis=1) - (logits * targets).sum(axis=1)
        value = float(losses.mean()) + HEAD_PENALTY / 2 * float((weights**2).sum())
        return value, (inputs.T @ error).ravel() + HEAD_PENALTY * weights

    start = np.zeros(shape[0] * shape[1])
    weights = optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": MAX_ITERATIONS}
    ).x
    return np.asarray(special.softmax(queries @ weights.reshape(shape), axis=1))
