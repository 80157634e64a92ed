"""The difference of two models' accuracies from labels of images where they disagree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.checks import DIFFERENCE_BOUNDS, validate_scores
from fashion_exp.stats.interval import Estimand, Interval, point_estimate
from fashion_exp.stats.paired import tango


class DisagreementEstimate(NamedTuple):
    """Differences a - b of two accuracies."""

    on_these: Interval
    """On these N images; the limits coincide once all disagreements are labeled."""
    in_general: Interval
    """On images like these."""


def disagreement_difference(
    wins: ArrayLike, disagreements: int, images: int, level: float = 0.95
) -> DisagreementEstimate:
    """The difference in accuracy of two models on `images` images.

    They predict `disagreements` of them differently. A random sample of these has labels.

    `wins` (n,) are 1 where a is right, -1 where b is, 0 where neither is. Where the models agree
    both are right or both wrong, so the difference is (b - c) / N, b and c the wins of a and of b
    among the m disagreements: no other label is needed, and m is known exactly. The estimate is
    (m / N) times the mean of `wins`. Its variance on these images is that of a sample of n from m
    without replacement; for images like these the variance of N images is added, so that with all m
    labeled the interval is that of a paired comparison of N. Both limits are those of `tango` for
    as many images as have this variance; a normal interval would fail for few labels. The first
    stay within what the labels leave open.

    Source: two-phase sampling, Cochran 1977, Sampling Techniques, sections 2.6 and 12.2; Tango
    1998, Stat. Med. 17:891-908. Simulated coverage at 95 % (300 to 2,000
    images, 20 to all disagreements labeled, 600 draws each): .945 to .955 on these images, .93 to
    .953 in general.

    Raises:
        ValueError: `wins` are not -1, 0 or 1; there are fewer than 2 or more than `disagreements`;
            `images` is less than `disagreements`.
    """
    d = validate_scores(wins, DIFFERENCE_BOUNDS)
    n, m = d.size, disagreements
    if not np.isin(d, (-1, 0, 1)).all():
        raise ValueError("wins must be -1, 0 or 1")
    if not 2 <= n <= m <= images:
        raise ValueError(f"{n} labels of {m} disagreements on {images} images")
    share, wins_a, wins_b = m / images, float((d == 1).mean()), float((d == -1).mean())
    estimate = share * (wins_a - wins_b)
    point = point_estimate(
        estimate, level, "disagreements", Estimand.MODEL_DIFFERENCE, "images", scores=1, n=images
    )
    exact = point.with_limits(estimate, estimate, DIFFERENCE_BOUNDS)
    sampling = spread = 0.0
    if n < m:
        without_replacement = n / (1 - n / m)
        known, unknown = float(d.sum()) / images, (m - n) / images
        low, high = _tango_limits(wins_a, wins_b, without_replacement, level)
        exact = point.with_limits(
            max(share * low, known - unknown), min(share * high, known + unknown), DIFFERENCE_BOUNDS
        )
        # With half a win more of each, since all labels may be equal by chance.
        both = (np.abs(d).sum() + 1) / (n + 1)
        spread = float(both - (d.sum() / (n + 1)) ** 2)
        sampling = share**2 * spread / without_replacement
    population = share * (wins_a + wins_b) - estimate**2
    if population <= 0 and n < m:
        population = share * spread
    effective = images if population <= 0 else population / (sampling + population / images)
    general = _tango_limits(share * wins_a, share * wins_b, effective, level)
    return DisagreementEstimate(exact, point.with_limits(*general, DIFFERENCE_BOUNDS))


def _tango_limits(
    right_a: float, right_b: float, images: float, level: float
) -> tuple[float, float]:
    """Those of shares of so many images, which only a or only b has right."""
    neither = max(1 - right_a - right_b, 0.0)
    interval = tango(0, right_a * images, right_b * images, neither * images, level)
    assert interval.low is not None and interval.high is not None
    return interval.low, interval.high
