"""Intervals of a run's scores, by the design of its trainings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fashion_exp.stats.crossed import crossed_t_interval
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.limits import Shape
from fashion_exp.stats.proportions import wilson, wilson_grouped
from fashion_exp.stats.redrawn import redrawn_interval


def accuracy_interval(
    by_image: np.ndarray, groups: np.ndarray | None, level: float, models: int
) -> Interval:
    """Wilson's interval for the accuracy, averaged over the models per image, then over images.

    Repeats with their own splits judge some images more often than others. The mean over all
    predictions would weight images by chance, and Wilson's interval with n images is too narrow for
    it: it covers .90 to .93 instead of .95 for five to ten repeats of a stable learner.
    """
    if groups is not None:
        return wilson_grouped(by_image, groups, level, models=models)
    n = by_image.size
    return wilson(float(by_image.mean()) * n, n, level, fractional=True, models=models)


def recipe_interval(
    scores: np.ndarray,
    repeats: Sequence[int] | np.ndarray,
    n_train: Sequence[float] | None,
    level: float,
    shape: Shape,
    groups: np.ndarray | None,
) -> Interval:
    """The t-interval for a new training; `scores` (models, images) have nan where not predicted.

    `n_train` is the number of training images of each model, or None if all models judged the same
    images (a crossed design).
    """
    if n_train is None:
        return crossed_t_interval(scores, level, bounded=False, shape=shape, groups=groups)
    return redrawn_interval(scores, repeats, n_train, level, shape=shape, groups=groups)
