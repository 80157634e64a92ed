"""Where the uncertainty of a recipe's score comes from, and what more of each unit would buy."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fashion_exp.stats.checks import Floats, Integers
from fashion_exp.stats.crossed import image_term, interaction_term, model_term
from fashion_exp.stats.groups import clustered_mean, group_codes
from fashion_exp.stats.redrawn import score_correlation

MORE_TRAININGS, MORE_IMAGES = 5, 100


class Uncertainty(NamedTuple):
    """Standard errors by source, and half-widths of the interval: now and with more of each.

    None where the design has no estimate. With a single training the half-widths are those for
    this model.
    """

    images: float
    trainings: float | None
    interaction: float | None
    half_width: float
    more_trainings: float | None
    """With 5 more trainings."""
    more_images: float
    """With 100 more evaluation images; redrawn splits validate on their share of them."""


def uncertainty(
    scores: ArrayLike,
    level: float = 0.95,
    *,
    n_train: float | None = None,
    repeats: int = 1,
    groups: ArrayLike | None = None,
) -> Uncertainty:
    """The parts of the variance of the mean of `scores` (J, n), nan where a model judged no image.

    Models that all judged all images (`n_train` None) are crossed with them: images, trainings and
    their interaction are separate. Otherwise the models had splits of their own, with `n_train`
    training images on average: what more trainings average out (cuts, seeds, interaction) is
    separate from what they do not (the present images). Half-widths are those of t-intervals.

    Source: crossed designs as in `crossed_t_interval`, Searle, Casella & McCulloch 1992, Variance
    Components, section 4.3; redrawn splits as in `redrawn_interval`.

    Raises:
        ValueError: wrong groups (`group_codes`).
    """
    table: Floats = np.asarray(scores, dtype=np.float64)
    models, n = table.shape
    by_image = np.nanmean(table, axis=0)
    codes = group_codes(groups, n)
    more = n / (n + MORE_IMAGES)
    if models == 1:
        mean = clustered_mean(by_image, codes)
        variance, df = mean.se**2, mean.df
        later = _half_width(variance * more, df / more, level)
        return Uncertainty(
            math.sqrt(variance), None, None, _half_width(variance, df, level), None, later
        )
    if n_train is None:
        return _crossed(table, codes, more, level)
    means, sizes = np.nanmean(table, axis=1), (~np.isnan(table)).sum(axis=1)
    spread, ratio = float(means.var(ddof=1)), float(sizes.mean()) / n_train
    correlation = score_correlation(ratio, redrawn=repeats > 1)
    images = spread * correlation / (1 - correlation)
    total, larger = images + spread / models, images + spread / (models + MORE_TRAININGS)
    return Uncertainty(
        math.sqrt(images),
        math.sqrt(spread / models),
        None,
        _half_width(total, models - 1, level),
        _half_width(larger, models - 1 + MORE_TRAININGS, level),
        _half_width(total * more, models - 1, level),
    )


def _crossed(table: Floats, codes: Integers, more: float, level: float) -> Uncertainty:
    """`more` is the factor of the variance of the images with more of them."""
    models = len(table)
    both = interaction_term(table, codes).variance
    trainings = max(model_term(table).variance - both, 0.0)
    images = max(image_term(table.mean(axis=0), codes).variance - both, 0.0)

    def width(trainings: float, images: float, both: float, df: tuple[float, float]) -> float:
        total = trainings + images + both
        parts = (trainings + both) ** 2 / df[0] + (images + both) ** 2 / df[1]
        return _half_width(total, total**2 / parts, level) if total else 0.0

    dfs, share = (models - 1, int(codes.max())), models / (models + MORE_TRAININGS)
    return Uncertainty(
        math.sqrt(images),
        math.sqrt(trainings),
        math.sqrt(both),
        width(trainings, images, both, dfs),
        width(trainings * share, images, both * share, (dfs[0] + MORE_TRAININGS, dfs[1])),
        width(trainings, images * more, both * more, (dfs[0], dfs[1] / more)),
    )


def _half_width(variance: float, df: float, level: float) -> float:
    return -float(special.stdtrit(max(df, 1.0), (1 - level) / 2)) * math.sqrt(variance)
