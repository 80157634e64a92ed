"""Agreement of annotators, and the true classes behind their labels.

Shapes: n images, R annotators, C classes; `votes` (n, R) holds classes in [0, C), or -1 where an
annotator did not label the image. `groups` (n,) labels images that are not independent; None: each
is alone. Intervals are percentiles of a bootstrap over images, or over whole groups, with the
annotators as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fashion_exp.stats.bootstrap import block_sizes, group_weights
from fashion_exp.stats.checks import Floats, Integers
from fashion_exp.stats.groups import few_groups_note, group_codes
from fashion_exp.stats.interval import Estimand, Interval, point_estimate
from fashion_exp.stats.proportions import wilson, wilson_grouped

SMOOTHING = 0.01
"""Votes that are added to each cell of an annotator's confusion matrix, so that none is 0."""
TOLERANCE = 1e-6
"""Change of the posterior probabilities below which EM has converged."""
MAX_STEPS = 1000
RESAMPLES, FITTED_RESAMPLES = 2000, 200
"""Resamples, and those in which a model is fitted again."""


@dataclass(frozen=True)
class TrueClasses:
    """The model of Dawid and Skene: each annotator confuses classes in a way of their own."""

    posterior: Floats
    """(n, C): the probability of each class."""
    prior: Floats
    """(C,): how frequent the classes are."""
    confusion: Floats
    """(R, C, C): the probability of an annotator's label, a column, given the class, a row."""

    @property
    def accuracy(self) -> Floats:
        """(R,): the probability that an annotator labels an image correctly."""
        return np.einsum("k,rkk->r", self.prior, self.confusion)


def cohen_kappa(a: Integers, b: Integers, classes: int, weights: Floats | None = None) -> Floats:
    """Cohen's kappa of two annotators on the images that both labeled; nan if both use one class.

    `weights` (…, n) count each image so often. Source: Cohen 1960, Educational and Psychological
    Measurement 20:37-46.
    """
    both = (a >= 0) & (b >= 0)
    times = np.ones(a.size) if weights is None else weights
    a, b, times = a[both], b[both], times[..., both]
    onehot, total = np.eye(classes), times.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = (times @ (a == b)) / total
        expected = ((times @ onehot[a]) * (times @ onehot[b])).sum(axis=-1) / total**2
        kappa: Floats = np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)
    return kappa


def krippendorff_alpha(votes: Integers, classes: int, weights: Floats | None = None) -> Floats:
    """Krippendorff's alpha for nominal labels, of images with two or more; nan for one class.

    `weights` (…, n) count each image so often. Source: Krippendorff 2011, "Computing Krippendorff's
    Alpha-Reliability", University of Pennsylvania, section C.
    """
    counts = class_counts(votes, classes)
    sizes = counts.sum(axis=1)
    paired = sizes > 1
    times = (np.ones(len(votes)) if weights is None else weights)[..., paired]
    counts, sizes = counts[paired], sizes[paired]
    disagreement = times @ ((sizes**2 - (counts**2).sum(axis=1)) / (sizes - 1))
    by_class, total = times @ counts, times @ sizes
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = total**2 - (by_class**2).sum(axis=-1)
        alpha: Floats = np.where(chance > 0, 1 - (total - 1) * disagreement / chance, np.nan)
    return alpha


def class_counts(votes: Integers, classes: int) -> Floats:
    """(n, C): the votes for each class."""
    counts: Floats = np.stack([(votes == label).sum(axis=1) for label in range(classes)], axis=1)
    return counts.astype(np.float64)


def kappa_interval(
    a: Integers, b: Integers, classes: int, level: float, groups: ArrayLike | None = None
) -> Interval:
    both = (a >= 0) & (b >= 0)
    codes, a, b = _codes(groups, both), a[both], b[both]
    resampled = _resample(codes, lambda weights: cohen_kappa(a, b, classes, weights))
    return _interval(float(cohen_kappa(a, b, classes)), resampled, codes, 2, level)


def alpha_interval(
    votes: Integers, classes: int, level: float, groups: ArrayLike | None = None
) -> Interval:
    paired = (votes >= 0).sum(axis=1) > 1
    codes, votes = _codes(groups, paired), votes[paired]
    resampled = _resample(codes, lambda weights: krippendorff_alpha(votes, classes, weights))
    estimate = float(krippendorff_alpha(votes, classes))
    return _interval(estimate, resampled, codes, votes.shape[1], level)


def find_true_classes(
    votes: Integers, classes: int, weights: Floats | None = None, start: Floats | None = None
) -> TrueClasses:
    """The maximum likelihood by EM, from the shares of the votes or a posterior `start`.

    `weights` (n,) count each image so often. Source: Dawid & Skene 1979, Applied Statistics
    28:20-28.
    """
    onehot = (votes[:, :, None] == np.arange(classes)).astype(np.float64)
    posterior = onehot.sum(axis=1) if start is None else start
    posterior = posterior / posterior.sum(axis=1, keepdims=True)
    times = np.ones(len(votes)) if weights is None else weights
    for _ in range(MAX_STEPS):
        counted = posterior * times[:, None]
        prior = counted.sum(axis=0) / times.sum()
        confusion = np.einsum("nk,nrc->rkc", counted, onehot) + SMOOTHING
        confusion /= confusion.sum(axis=2, keepdims=True)
        logs = np.log(np.maximum(prior, 1e-300)) + np.einsum(
            "nrc,rkc->nk", onehot, np.log(confusion)
        )
        previous, posterior = posterior, np.exp(logs - logs.max(axis=1, keepdims=True))
        posterior = posterior / posterior.sum(axis=1, keepdims=True)
        if np.abs(posterior - previous).max() < TOLERANCE:
            break
    return TrueClasses(posterior, prior, confusion)


def accuracy_intervals(
    votes: Integers, classes: int, estimate: TrueClasses, level: float,
    groups: ArrayLike | None = None,
) -> list[Interval]:  # fmt: skip
    """The accuracy of each annotator by the model, fitted again in each resample."""
    codes = group_codes(groups, len(votes))
    drawn = group_weights(codes, FITTED_RESAMPLES, np.random.default_rng(0))
    resampled = np.stack([
        find_true_classes(votes, classes, weights, estimate.posterior).accuracy for weights in drawn
    ])  # fmt: skip
    return [
        _interval(float(accuracy), own, _codes(groups, labels >= 0), 1, level)
        for accuracy, own, labels in zip(estimate.accuracy, resampled.T, votes.T, strict=True)
    ]


def human_accuracy(
    votes: Integers, classes: int, level: float, groups: ArrayLike | None = None
) -> Interval:
    """How often a label is that of the majority of the other annotators of the image.

    Labels with fewer than two others, or whose others have no single majority, are not counted. n
    is the number of images with a counted label, divided by the design effect of groups; each image
    has the mean of its labels. The limits are Wilson's. It is an accuracy if the majority is
    right.
    """
    counts = class_counts(votes, classes)
    images, annotators = np.nonzero(votes >= 0)
    own = votes[images, annotators]
    others = counts[images]
    others[np.arange(own.size), own] -= 1
    largest = others.max(axis=1, initial=0)
    is_clear = (others == largest[:, None]).sum(axis=1) == 1
    counted = (others.sum(axis=1) > 1) & is_clear
    right = others[np.arange(own.size), own] == largest
    times = np.bincount(images[counted], minlength=len(votes))
    hits = np.bincount(images[counted], right[counted], minlength=len(votes))
    judged = times > 0
    n = int(judged.sum())
    if n == 0:
        point = point_estimate(None, level, "wilson", Estimand.MODEL, "images", scores=1, n=0)
        return point.without_limits("no image has three labels with a majority of two")
    shares, codes = hits[judged] / times[judged], _codes(groups, judged)
    if codes.max() + 1 < n:
        return wilson_grouped(shares, codes, level)
    return wilson(float(shares.mean()) * n, n, level, fractional=True)


def _codes(groups: ArrayLike | None, selected: NDArray[np.bool_]) -> Integers:
    """The groups of the selected images."""
    count = int(selected.sum())
    return group_codes(None if groups is None else np.asarray(groups)[selected], count)


def _resample(codes: Integers, statistic: Callable[[Floats], Floats]) -> Floats:
    rng = np.random.default_rng(0)
    blocks = [
        statistic(group_weights(codes, size, rng))
        for size in (block_sizes(RESAMPLES, codes.size) if codes.size else ())
    ]
    resampled: Floats = np.concatenate(blocks) if blocks else np.array([])
    return resampled


def _interval(
    estimate: float, resampled: NDArray[np.float64], codes: Integers, annotators: int, level: float
) -> Interval:
    n = codes.size
    value = estimate if np.isfinite(estimate) else None
    point = point_estimate(
        value, level, "cluster_bootstrap", Estimand.MODEL, "images", scores=annotators, n=n
    )
    if value is None or n < 2:
        return point.without_limits(f"{n} images with labels of both, or a single class")
    if codes.max() < 1:
        return point.without_limits("all images are of one group")
    finite = resampled[np.isfinite(resampled)]
    if len(finite) < 0.95 * len(resampled):
        return point.without_limits("a single class in too many resamples")
    return point.with_percentile_limits(finite).with_warning(few_groups_note(codes))
