"""Shapes of confidence limits that fit shares near 1 and skewed losses, for any standard error."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import special

from fashion_exp.stats.checks import Floats, Integers
from fashion_exp.stats.interval import MIN_ERRORS, Interval, wilson_limits

Shape = Literal["t", "wilson", "hall"]
"""`wilson` for an accuracy or F1, `hall` for a loss, `t` for anything else."""

MIN_CLASS_IMAGES = 20
MIN_LOSS_IMAGES = 20


def add_limits(
    point: Interval, se: float, df: float, shape: Shape, by_image: Floats, codes: Integers
) -> Interval:
    """`point` with limits of this shape from the standard error `se` > 0, with `df` degrees of
    freedom.

    `by_image` (n,) holds the mean score of each image, `codes` (n,) its group.

    - `t`: estimate +- t * se.
    - `wilson`: Wilson's limits at the number of images with this standard error. With fewer than 10
      expected errors the variance cannot be estimated, and this number is at most n. At 0 and 1 the
      limits are those of `t`.
    - `hall`: limits that allow for the skewness of the estimate, here that of its images.

    Source: Korn & Graubard 1998, Survey Methodology 24:193-201, for Wilson's limits at an effective
    number; Hall 1992, J. R. Stat. Soc. B 54:221-228, for the cubic transformation of t.
    """
    assert point.estimate is not None
    estimate, images = point.estimate, by_image.size
    quantile = -float(special.stdtrit(df, (1 - point.level) / 2))
    if shape == "wilson" and 0 < estimate < 1:
        size = estimate * (1 - estimate) / se**2
        if images * min(estimate, 1 - estimate) < MIN_ERRORS:
            size = min(size, images)
        return point.with_limits(*wilson_limits(estimate, size, quantile))
    if shape == "hall":
        sums = np.bincount(codes, weights=by_image - by_image.mean()) / images
        skewness = float((sums**3).sum()) / max(se, float(np.sqrt((sums**2).sum()))) ** 3
        below, above = (_hall_inverse(q, skewness) * se for q in (quantile, -quantile))
        return point.with_limits(estimate - below, estimate - above)
    return point.with_t_limits(se, df, (0.0, 1.0) if shape == "wilson" else None)


def _hall_inverse(quantile: float, skewness: float) -> float:
    """The value of t whose transformed value is `quantile`; `skewness` is that of the mean."""
    if abs(skewness) < 1e-6:
        return quantile
    return float(np.cbrt(1 + skewness * (quantile - skewness / 6)) - 1) * 3 / skewness


def why_no_f1_interval(errors: float, rarest: int) -> str:
    """Why no interval of a macro-F1 can be trusted; empty if one can.

    `errors` is the number of wrong images, by the mean over the models, `rarest` the number of
    independent images (groups) of the rarest class. In simulations, every method tried covers .29
    to .93 instead of .95 below these numbers.
    """
    if rarest < MIN_CLASS_IMAGES:
        return f"{rarest} independent photos of the rarest class, needs {MIN_CLASS_IMAGES}"
    return _too_few_errors(errors)


def why_no_loss_interval(errors: float, losses: Floats) -> str:
    """Why no interval of a mean loss can be trusted; empty if one can.

    `losses` (n,) are those of the images. (sum of losses)^2 / (sum of squared losses) counts the
    images that make up the mean: with few of them the mean depends on rare losses, which the
    sample may lack.
    """
    effective = float(losses.sum()) ** 2 / max(float((losses**2).sum()), 1e-300)
    if effective < MIN_LOSS_IMAGES:
        return f"almost all of it is the loss of {effective:.0f} photos, needs {MIN_LOSS_IMAGES}"
    return _too_few_errors(errors)


def _too_few_errors(errors: float) -> str:
    return f"{errors:.3g} errors, needs {MIN_ERRORS}" if errors < MIN_ERRORS else ""
