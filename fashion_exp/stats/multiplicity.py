"""Many comparisons at once: what their number does to each, and a gate before them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fashion_exp.stats.checks import checked_matrix
from fashion_exp.stats.interval import SHARE, Status


def holm(pvalues: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the order given; the family is all that are given.

    None stands for a test that failed. It stays None and stays in the family's size, as if its p
    had been 1: a run that crashed does not make the others more significant.

    Source: Holm 1979, Scand. J. Stat. 6:65-70, adjusted p-values as in R's p.adjust.

    Raises:
        ValueError: a p outside [0, 1], nan included.
    """
    for p in pvalues:
        if p is not None and not 0 <= p <= 1:
            raise ValueError(f"{p} is no p-value; None stands for a test that failed")
    tested = sorted((p, place) for place, p in enumerate(pvalues) if p is not None)
    adjusted: list[float | None] = [None] * len(pvalues)
    largest = 0.0
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(pvalues) - rank) * p))
        adjusted[place] = largest
    return adjusted


@dataclass(frozen=True)
class OmnibusTest:
    """Whether any of several models differs; `df` = models - 1, `n` the images."""

    method: str
    p: float | None
    statistic: float | None
    df: int
    n: int
    models: int
    status: Status
    note: str = ""


def cochrans_q(correct: ArrayLike) -> OmnibusTest:
    """Cochran's Q: whether k models have one and the same accuracy on the same n images.

    `correct` has shape (models, images), right (1) or wrong (0), images independent. The gate
    before pairwise tests. Models that agree on every image give p = 1; one model is undefined.

    Source: Cochran 1950, Biometrika 37:256-266; chi2 with k - 1 degrees of freedom.

    Raises:
        ValueError: not a matrix, empty, scores missing, anything but 0 and 1.
    """
    right = checked_matrix(correct, SHARE)
    if not np.isin(right, (0, 1)).all():
        raise ValueError("answers must be right (1) or wrong (0)")
    models, images = right.shape
    if models < 2:
        return OmnibusTest(
            "cochrans_q", None, None, 0, images, models, "undefined", "needs at least 2 models"
        )
    by_model, by_image = right.sum(axis=1), right.sum(axis=0)
    apart = float((by_image * (models - by_image)).sum())
    if apart == 0:
        return OmnibusTest(
            "cochrans_q", 1.0, 0.0, models - 1, images, models, "ok", "models agree on every image"
        )
    scatter = float(((by_model - by_model.mean()) ** 2).sum())
    q = models * (models - 1) * scatter / apart
    p = float(stats.chi2.sf(q, models - 1))
    return OmnibusTest("cochrans_q", p, q, models - 1, images, models, "ok")
