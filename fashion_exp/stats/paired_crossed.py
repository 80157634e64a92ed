"""Two recipes, several seeds of each on one split: models and images are both samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.checks import checked_matrix
from fashion_exp.stats.crossed import Part, by_image, by_model, few_note, pooled, what_lacks
from fashion_exp.stats.groups import group_codes, kish_effective_size
from fashion_exp.stats.interval import (
    DIFFERENCE,
    SHARE,
    TWO_RECIPES_HERE,
    Floats,
    Integers,
    Interval,
    check_level,
    undefined,
)
from fashion_exp.stats.paired import PairedTest, tango
from fashion_exp.stats.paired_t import t_test, untested

ONE_SEED = (
    "one seed each: nothing tells how far seeds differ; use mcnemar, a claim about these two "
    "models and not about their recipes"
)


def paired_crossed(
    differences: ArrayLike,
    level: float = 0.95,
    *,
    bounded: bool = True,
    groups: ArrayLike | None = None,
) -> PairedTest:
    """The crossed seed x image test of two recipes whose seeds are paired.

    `differences` (S, n) of a - b per seed and image; `groups` (n,) labels images that are not
    independent. About the recipes on these training images. Variance and degrees of freedom as in
    `crossed_t_interval`. One seed is undefined, with Tango's interval of the two models as the
    fallback; no difference anywhere gives p = 1 and the same fallback; fewer than 4 seeds are
    flagged.

    Source: as `crossed_t_interval`, on differences.

    Raises:
        ValueError: not a matrix, empty, with missing or infinite differences or, if bounded,
            outside [-1, 1]; not one group per image; `level` outside (0, 1).
    """
    check_level(level)
    table = checked_matrix(differences, DIFFERENCE if bounded else None)
    means = table.mean(axis=0)
    return _crossed(
        means, [by_model(table)], len(table), level, bounded, groups, "paired_crossed_t"
    )


def unpaired_crossed(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    level: float = 0.95,
    *,
    bounded: bool = True,
    groups: ArrayLike | None = None,
) -> PairedTest:
    """`paired_crossed` where the seeds are not paired: other seeds, or other numbers of them.

    `scores_a` (Sa, n) and `scores_b` (Sb, n) of the same images (in [0, 1] if `bounded`). The
    models of a and of b are two parts of the variance; the images stay paired. `scores` of the
    result is the smaller number of seeds.

    Source: as `crossed_t_interval`, with Welch's two parts (1947, Biometrika 34:28-35) for the
    models.

    Raises:
        ValueError: as `paired_crossed`, for either; different numbers of images.
    """
    check_level(level)
    a, b = (checked_matrix(each, SHARE if bounded else None) for each in (scores_a, scores_b))
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"{a.shape[1]} images against {b.shape[1]}: join the predictions by image id"
        )
    seeds = min(len(a), len(b))
    means = a.mean(axis=0) - b.mean(axis=0)
    parts = [by_model(a), by_model(b)] if seeds > 1 else []
    return _crossed(means, parts, seeds, level, bounded, groups, "unpaired_crossed_t")


def _crossed(
    means: Floats,
    models: list[Part],
    seeds: int,
    level: float,
    bounded: bool,
    groups: ArrayLike | None,
    method: str,
) -> PairedTest:
    codes = group_codes(groups, means.size)
    estimate = float(means.mean())
    blank = undefined(
        estimate, level, method, TWO_RECIPES_HERE, "models x images", means.size, seeds
    )
    fallback = _of_the_models(means, codes, level, seeds) if bounded else None
    if lacking := what_lacks(seeds, codes, groups is not None):
        return untested(blank, ONE_SEED if seeds < 2 else lacking, fallback)
    scale, df = pooled([*models, by_image(means, codes)])
    bounds = DIFFERENCE if bounded else None
    return t_test(blank, scale, df, bounds, fallback, few_note(seeds, codes))


def _of_the_models(means: Floats, codes: Integers, level: float, seeds: int) -> Interval | None:
    """Tango's interval of the models tested, where every mean difference is -1, 0 or 1."""
    if not np.isin(means, (-1, 0, 1)).all():
        return None
    shrunk = kish_effective_size(np.bincount(codes), 1.0) / means.size
    only_a, only_b = int((means == 1).sum()), int((means == -1).sum())
    rest = means.size - only_a - only_b
    return tango(rest * shrunk, only_a * shrunk, only_b * shrunk, 0, level, models=seeds)
