"""Intervals of any score for a recipe with redrawn splits, and for the trained models."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.checks import Floats, Sizes, size_ratio
from fashion_exp.stats.groups import clustered_mean, few_groups_note, group_codes
from fashion_exp.stats.interval import (
    MIN_RELIABLE_SCORES,
    NO_VARIANCE_REMEDY,
    Estimand,
    Interval,
    point_estimate,
    sample_sd,
)
from fashion_exp.stats.limits import Shape, add_limits

TRAINING_SHARE = 0.1
"""Share of the variance of one score that its training images cause. .02 to .14 was measured for
learners from centroids to 1-nearest-neighbor at four fifths of 300 to 1,000 images."""


def redrawn_interval(
    scores: ArrayLike,
    repeats: ArrayLike,
    n_train: Sizes,
    level: float = 0.95,
    *,
    shape: Shape = "wilson",
    groups: ArrayLike | None = None,
) -> Interval:
    """The interval of a recipe from J trainings on splits of their own.

    `scores` (J, n) has nan where a model did not judge an image, `repeats` (J,) the repeat of each
    model: the folds of a repeat judge different images. `n_train` is the number of training images
    of each model. Estimand: the expected score of the recipe at this training size. The estimate is
    the mean over the repeats of the mean over their images.

    The variance is s^2 (1 / J + r / (1 - r)) with J - 1 degrees of freedom, where s is the standard
    deviation of the scores and r their correlation. Nadeau and Bengio take the share v of the
    evaluation images for r, as if training images caused no variance. Two redrawn splits share v of
    their evaluation images and 1 - v of their training images, so r = v + t (1 - 2 v) where t is
    the share of the variance of a score that its training images cause; here t = .1. Simulated
    coverage at nominal 95 % for 5 to 20 repeats of the learners from which t was chosen: .927 to
    .99, without t .86 to .98; of ridge regression, trees and 3 nearest neighbors with 100 to 1,000
    images .95 to .99 at four fifths and .98 to 1.00 at halves, where t has no effect. One repeat of
    k-fold keeps r = v, which is conservative (.95 to 1.00).
    Fewer than 2 scores give an undefined interval; fewer than 4 add a warning.

    Source: Nadeau & Bengio 2003, Machine Learning 52:239-281; limits `add_limits`.

    Raises:
        ValueError: wrong sizes (`size_ratio`) or groups (`group_codes`); `level` is outside (0, 1).
    """
    table: Floats = np.asarray(scores, dtype=np.float64)
    by_repeat = np.asarray(repeats)
    valid = ~np.isnan(table)
    sizes = valid.sum(axis=1).astype(np.float64)
    means = np.nansum(table, axis=1) / sizes
    estimate = float(
        np.mean(
            [
                np.average(means[by_repeat == r], weights=sizes[by_repeat == r])
                for r in set(by_repeat)
            ]
        )
    )
    count, target = len(means), Estimand.RECIPE
    point = point_estimate(estimate, level, "corrected_t", target, "scores", scores=count)
    if count < 2:
        return point.without_limits("needs at least 2 scores")
    r = score_correlation(size_ratio(n_train, sizes, count), redrawn=len(set(by_repeat)) > 1)
    se = sample_sd(means) * math.sqrt(1 / count + r / (1 - r))
    if se == 0:
        return point.degenerate(NO_VARIANCE_REMEDY)
    judged = valid.any(axis=0)
    by_image = np.nansum(table[:, judged], axis=0) / valid[:, judged].sum(axis=0)
    codes = group_codes(None if groups is None else np.asarray(groups)[judged], by_image.size)
    interval = add_limits(point, se, count - 1, shape, by_image, codes)
    few = f"J={count} scores" if count < MIN_RELIABLE_SCORES else ""
    return interval.with_warning(few)


def score_correlation(ratio: float, *, redrawn: bool) -> float:
    """The correlation of two scores with a `ratio` of evaluation to training images.

    Derived in `redrawn_interval`; not `redrawn`: the folds of one repeat.
    """
    share = ratio / (1 + ratio)
    return share + TRAINING_SHARE * max(1 - 2 * share, 0.0) if redrawn else share


def interval_of_models(
    by_image: Floats,
    level: float = 0.95,
    *,
    shape: Shape = "wilson",
    groups: ArrayLike | None = None,
    models: int = 1,
    estimate: float | None = None,
) -> Interval:
    """The interval for the trained models, from the mean score of each image (n,).

    Estimand: their mean score. `estimate` is the mean over the images unless it is given. Fewer
    than 2 images or groups give an undefined interval; fewer than 20 groups add a warning.

    Source: standard error and degrees of freedom `clustered_mean`, limits `add_limits`; for the
    macro-F1 `by_image` holds influence functions (`metrics.macro_f1_contributions`).
    """
    target = Estimand.MODEL if models == 1 else Estimand.MEAN_OF_MODELS
    mean, n = float(by_image.mean()) if estimate is None else estimate, by_image.size
    point = point_estimate(mean, level, "images", target, "images", scores=models, n=n)
    codes = group_codes(groups, n)
    if codes.max() == 0:
        return point.without_limits("needs at least 2 independent images")
    clustered = clustered_mean(by_image, codes)
    if clustered.se == 0:
        return point.degenerate(NO_VARIANCE_REMEDY)
    interval = add_limits(point, clustered.se, clustered.df, shape, by_image, codes)
    return interval.with_warning(few_groups_note(codes) if groups is not None else "")
