"""Several models that share their test images: both the models and the images are samples."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.checks import checked_matrix
from fashion_exp.stats.groups import clustered_mean, few_groups_note, group_codes
from fashion_exp.stats.interval import (
    RECIPE_HERE,
    SHARE,
    Floats,
    Integers,
    Interval,
    check_level,
    flat,
    instead,
    joined,
    spread,
    student,
    undefined,
)
from fashion_exp.stats.proportions import wilson, wilson_grouped
from fashion_exp.stats.scores import MIN_SCORES_SHOWN

FALLBACK = "wilson at the mean accuracy"


class Part(NamedTuple):
    """One part of the variance of a mean, and the degrees of freedom it is known with."""

    variance: float
    df: float


def crossed_t_interval(
    correct: ArrayLike,
    level: float = 0.95,
    *,
    bounded: bool = True,
    groups: ArrayLike | None = None,
) -> Interval:
    """The t-interval for S models, each trained separately, that share the same n test images.

    `correct` has shape (S, n): one row per model, one column per image, holding any score that
    is averaged over images (right or wrong; log loss with `bounded=False`); `groups` (n,) labels
    images that are not independent. Covers the expected score of models made by the recipe on
    these training images. A t over the S accuracies alone would leave out that other test images
    would have given other accuracies.

    Variance = s2(model means) / S + s2(image means over the models) / n (cluster-robust where
    there are groups), with Satterthwaite's degrees of freedom. The model x image interaction is
    in both terms, so the variance is slightly too large rather than too small. S = 1 or n = 1 is
    undefined and no spread at all degenerate; the fallback of both, for right-or-wrong scores, is
    Wilson at the mean accuracy. Fewer than 4 models are flagged: two that differ much cover .93
    instead of .95.

    Source: two-way crossed random effects (Cornfield & Tukey 1956, Ann. Math. Stat. 27:907-949);
    degrees of freedom Satterthwaite 1946, Biometrics Bull. 2:110-114, and Welch 1947, Biometrika
    34:28-35.

    Raises:
        ValueError: not a matrix, empty, with missing or infinite scores or, if bounded, scores
            outside [0, 1]; not one group per image; `level` outside (0, 1).
    """
    check_level(level)
    bounds = SHARE if bounded else None
    scores = checked_matrix(correct, bounds)
    models, images = scores.shape
    codes = group_codes(groups, images)
    blank = undefined(
        float(scores.mean()), level, "crossed_t", RECIPE_HERE, "models x images", images, models
    )
    fallback = _mean_wilson(scores, groups, level)
    if lacking := what_lacks(models, codes, groups is not None):
        return instead(blank, lacking, fallback, FALLBACK)
    scale, df = pooled([by_model(scores), by_image(scores.mean(axis=0), codes)])
    if scale == 0:
        remedy = "" if fallback else "for counts use wilson on the distinct test images"
        return flat(blank, joined("no variance among the scores", remedy), fallback, FALLBACK)
    done = student(blank, scale, df, bounds)
    return replace(done, note=joined(few_note(models, codes), done.note))


def what_lacks(models: int, codes: Integers, grouped: bool) -> str:
    """Why there is no crossed variance; empty where there is one."""
    if models < 2:
        return "needs at least 2 models"
    if codes.max() == 0:
        return f"needs at least 2 {'groups' if grouped else 'images'}"
    return ""


def few_note(models: int, codes: Integers) -> str:
    """The warning where models or groups are too few; empty where they are not."""
    few = f"S={models} models: their variance is barely known" if models < MIN_SCORES_SHOWN else ""
    groups = int(codes.max()) + 1
    return joined(few, few_groups_note(groups) if groups < codes.size else "")


def by_model(scores: Floats) -> Part:
    """The part that the models (S, n) have in the variance of the grand mean."""
    models = len(scores)
    return Part(spread(scores.mean(axis=1)) ** 2 / models, models - 1)


def by_image(means: Floats, codes: Integers) -> Part:
    """The part that the images have, from their means over the models (n,) and their groups."""
    found = clustered_mean(means, codes)
    return Part(found.se**2, found.groups - 1)


def pooled(parts: list[Part]) -> tuple[float, float]:
    """The standard error of independent parts together and its degrees of freedom.

    Source: Satterthwaite 1946, Biometrics Bull. 2:110-114.
    """
    total = sum(part.variance for part in parts)
    if total == 0:
        return 0.0, 1.0
    return math.sqrt(total), 1 / sum((part.variance / total) ** 2 / part.df for part in parts)


class Components(NamedTuple):
    """Variances of one score: between models, between images, and what is left."""

    models: float
    images: float
    residual: float


def crossed_components(scores: ArrayLike) -> Components:
    """The variance components of scores (S, n), or of differences of two runs, S, n >= 2.

    For planning: what more models or more images would gain. A component that comes out negative
    is 0.

    Source: analysis of variance of the two-way crossed design without replicates; Searle, Casella
    & McCulloch 1992, Variance Components, section 4.3.

    Raises:
        ValueError: not a matrix of at least 2 models and 2 images; scores missing or infinite.
    """
    table = checked_matrix(scores, None)
    models, images = table.shape
    if min(models, images) < 2:
        raise ValueError("variance components need at least 2 models and 2 images")
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    left = table - rows[:, None] - columns[None, :] + table.mean()
    residual = float((left**2).sum()) / ((models - 1) * (images - 1))
    of_models = float(np.var(rows, ddof=1)) - residual / images
    of_images = float(np.var(columns, ddof=1)) - residual / models
    return Components(max(of_models, 0.0), max(of_images, 0.0), residual)


def _mean_wilson(scores: Floats, groups: ArrayLike | None, level: float) -> Interval | None:
    if not np.isin(scores, (0, 1)).all():
        return None
    models, images = scores.shape
    if groups is not None:
        return wilson_grouped(scores.mean(axis=0), groups, level, models=models)
    return wilson(scores.sum() / models, images, level, fractional=True, models=models)
