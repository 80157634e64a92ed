"""The mean average precision of predictions of several classes at once, with its interval."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.bootstrap import block_sizes, group_weights
from fashion_exp.stats.checks import Floats, Integers, validate_resampling
from fashion_exp.stats.groups import few_groups_note, group_codes
from fashion_exp.stats.interval import Estimand, Interval, point_estimate
from fashion_exp.stats.multilabel import Flags, average_precision


def mean_average_precision(
    units: Sequence[tuple[Flags, Floats, Integers]], groups: ArrayLike, level: float,
    *, resamples: int = 500, seed: int = 0,
) -> Interval:  # fmt: skip
    """The mean over the classes and over the J models of the average precision, with a percentile
    interval of the bootstrap over the images; `groups` (n,) are drawn whole.

    Each unit is a model's (present, probabilities, positions of its images in `groups`). The k
    folds of a cross-validation are k models: one order of all their probabilities would compare
    those of different models (Forman & Scholz 2010, SIGKDD Explorations 12:49-57). Classes without
    images in a resample are left out of its mean. The interval is about the models tested.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    validate_resampling(level, resamples)
    codes = group_codes(np.asarray(groups), len(np.asarray(groups)))

    def statistic(weights: Floats) -> Floats:
        by_class = np.stack([
            average_precision(truth, rows, weights[..., positions])
            for truth, rows, positions in units
        ])  # fmt: skip
        with warnings.catch_warnings():  # a class without images in any fold, or any at all
            warnings.simplefilter("ignore", RuntimeWarning)
            values: Floats = np.nanmean(np.nanmean(by_class, axis=-1), axis=0)
        return values

    estimate = float(statistic(np.ones(codes.size)))
    target = Estimand.MODEL if len(units) == 1 else Estimand.MEAN_OF_MODELS
    point = point_estimate(
        estimate, level, "cluster_bootstrap", target, "images", scores=len(units), n=codes.size
    )
    if codes.max() < 1:
        return point.without_limits("needs at least 2 images")
    rng = np.random.default_rng(seed)
    resampled = np.concatenate([
        statistic(group_weights(codes, size, rng)) for size in block_sizes(resamples, codes.size)
    ])  # fmt: skip
    finite = resampled[np.isfinite(resampled)]
    return point.with_percentile_limits(finite).with_warning(few_groups_note(codes))
