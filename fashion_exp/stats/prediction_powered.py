"""The accuracy on a batch of which few images are labeled, with the predictions on all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fashion_exp.stats.checks import (
    PROPORTION_BOUNDS,
    Floats,
    Integers,
    is_binary,
    validate_minimum,
    validate_scores,
)
from fashion_exp.stats.groups import (
    few_groups_note,
    group_codes,
    intraclass_correlation,
    kish_effective_size,
)
from fashion_exp.stats.interval import MIN_ERRORS, Estimand, Interval, point_estimate

MIN_LABELS = 10
"""With fewer labels no interval says anything."""
NOTHING_SAID = "the confidence says too little of right and wrong here: the labels count alone"


@dataclass(frozen=True)
class _Batch:
    """What further labels of a batch would be worth."""

    sizes: Integers
    """(G,) items by group."""
    independent: float
    """Items without correlation within groups that say as much of the mean confidence."""
    correlation: float
    """Within groups, of right and wrong as far as the confidence does not explain it."""
    explained: float

    def effective(self, labels: int, level: float) -> float:
        """Of so many labels of a random sample, on average."""
        total = int(self.sizes.sum())
        is_shared = float((self.sizes * (self.sizes - 1)).sum()) / max(total * (total - 1), 1)
        groups = float((1 - (1 - self.sizes / total) ** labels).sum())
        if is_shared == 0:
            groups = labels
        independent = labels / (1 + self.correlation * (labels - 1) * is_shared)
        return _effective(independent, self, labels, groups, level)


@dataclass(frozen=True)
class PoweredEstimate:
    interval: Interval
    """`n` is the effective number of labels: so many labels alone would say as much."""
    labels: int
    items: int
    """Labeled and unlabeled."""
    explained: float
    """Share of the variance of right and wrong that the confidence explains (adjusted R²); 0 if
    the predictions were not used."""
    batch: _Batch = field(compare=False, repr=False)

    @property
    def labels_to_halve(self) -> int | None:
        """Labels, with those there are, for an interval half as wide; None if there are too few
        items for it."""
        estimate, level = self.interval.estimate, self.interval.level
        low, high = self.interval.low, self.interval.high
        if estimate is None or low is None or high is None:
            return None
        wanted = (high - low) / 2
        for labels in np.unique(np.geomspace(self.labels, self.items, 400).astype(int)):
            limits = _limits(estimate, self.batch.effective(int(labels), level), level)
            if limits[1] - limits[0] <= wanted:
                return int(labels)
        return None


def prediction_powered(
    correct: ArrayLike, confidence: ArrayLike, all_confidence: ArrayLike, level: float = 0.95,
    *, groups: ArrayLike | None = None, all_groups: ArrayLike | None = None,
) -> PoweredEstimate:  # fmt: skip
    """The accuracy on items like those of a batch, from labels of a random sample of it.

    `correct` (n,) is 1 or 0 for the labeled items and `confidence` (n,) any score that may go with
    it, such as the probability of the predicted class; `all_confidence` (N,) is the score of every
    item, the labeled ones too. It need not be calibrated: if it is uninformative, it is not used.
    `groups` (n,) and `all_groups` (N,) are the groups of items that are not independent; None makes
    each item its own.

    The estimate is mean(Y) + b (mean of f over all - mean of f over the labeled), with b the slope
    of Y on f. Its variance is var(Y) ((1 - R²) / n + R² / N), so it is worth as many labels as
    n* = 1 / ((1 - R²) / n + R² / N); R² is adjusted for the fitted slope. The limits are Clopper
    and Pearson's at n*, times (z / t(n - 2))², as `proportions.clustered_bounds`; they cover small
    samples, where those of the normal distribution do not. With fewer than 10 errors (or right
    answers) among the labels, or if the predictions add nothing, the labels count alone.

    With groups, n and N are divided by their design effects: of the residuals Y - b f among the
    labels, and of the confidence among all items. With fewer than 10 effective errors (or right
    answers) the labels of a group count as copies. t has the groups of the labels in place of n.

    Source: Angelopoulos, Bates, Fannjiang, Jordan & Zrnic 2023, Science 382:669-674; the slope as
    power tuning Angelopoulos, Duchi & Zrnic 2023, arXiv:2311.01453, here with the labeled items
    among all (the regression estimator, Cochran 1977, Sampling Techniques, chapter 7); limits Korn
    & Graubard 1998, Survey Methodology 24:193-201, which `clustered_bounds` has too. Coverage:
    `tests/stats/claims.py`.

    Raises:
        ValueError: invalid scores or groups; fewer than 10 labels, all of one group, or more labels
            than items.
    """
    right = validate_scores(correct, PROPORTION_BOUNDS)
    own, scores = validate_scores(confidence, None), validate_scores(all_confidence, None)
    if own.size != right.size or not is_binary(right):
        raise ValueError("right and wrong must be 1 and 0, with a confidence each")
    n, items = right.size, scores.size
    validate_minimum(n, MIN_LABELS, "the number of labels")
    validate_minimum(items, n, "the number of items")
    codes, all_codes = group_codes(groups, n), group_codes(all_groups, items)
    labeled = int(np.unique(codes).size)
    validate_minimum(labeled, 2, "the number of groups with labels")
    mean, sizes = float(right.mean()), np.bincount(all_codes)
    size, correlation = _independent(right, codes, mean)
    batch = _Batch(sizes, items, correlation, 0.0)
    candidate = _Found(mean, _effective(size, batch, n, labeled, level), batch)
    reason = _why_alone(candidate.size * min(mean, 1 - mean), right, own)
    if not reason:
        powered = _with_predictions(right, own, scores, codes, all_codes, level)
        if powered.batch.explained > 0 and powered.size > candidate.size:
            candidate = powered
        else:
            reason = NOTHING_SAID
    method = "clopper_pearson" if reason else "prediction_powered"
    interval = point_estimate(
        candidate.estimate, level, method, Estimand.MODEL, "images", scores=1, n=candidate.size
    ).with_limits(*_limits(candidate.estimate, candidate.size, level))
    interval = interval.with_warning(reason).with_warning(few_groups_note(codes))
    return PoweredEstimate(interval, n, items, candidate.batch.explained, candidate.batch)


class _Found(NamedTuple):
    estimate: float
    size: float
    """The effective number of labels."""
    batch: _Batch


def _with_predictions(
    right: Floats, own: Floats, scores: Floats, codes: Integers, all_codes: Integers, level: float
) -> _Found:
    n, mean = right.size, float(right.mean())
    correlation = float(np.corrcoef(right, own)[0, 1])
    slope = correlation * float(right.std() / own.std())
    explained = max(1 - (1 - correlation**2) * (n - 1) / (n - 2), 0.0)
    size, within = _independent(right - slope * own, codes, mean)
    sizes, shared = np.bincount(all_codes), intraclass_correlation(scores, all_codes)
    independent = kish_effective_size(sizes, 1.0 if shared is None else shared)
    batch = _Batch(sizes, independent, within, explained)
    size = _effective(size, batch, n, int(np.unique(codes).size), level)
    estimate = mean + slope * float(scores.mean() - own.mean())
    return _Found(float(np.clip(estimate, 0.0, 1.0)), size, batch)


def _why_alone(errors: float, right: Floats, confidence: Floats) -> str:
    """Why the predictions are not used; empty if they are. `errors` are the effective errors, or
    right answers if they are fewer."""
    if errors < MIN_ERRORS * (1 - 1e-9):
        few = f"fewer than {MIN_ERRORS} independent errors or right answers"
        return f"{few} among the labels: they count alone"
    if np.ptp(confidence) == 0 or np.corrcoef(right, confidence)[0, 1] <= 0:
        return NOTHING_SAID
    return ""


def _independent(values: Floats, codes: Integers, mean: float) -> tuple[float, float]:
    """Independent labels that say as much as these, and their correlation within groups."""
    sizes = np.bincount(codes)
    correlation = intraclass_correlation(values, codes)
    size = 0.0 if correlation is None else kish_effective_size(sizes, correlation)
    if sizes.max() > 1 and size * min(mean, 1 - mean) < MIN_ERRORS:  # too few to estimate it
        return kish_effective_size(sizes, 1.0), 1.0
    return (float(values.size), 0.0) if correlation is None else (size, correlation)


def _effective(
    independent: float, batch: _Batch, labels: int, groups: float, level: float
) -> float:
    """Of `independent` labels, among so many in so many groups, with what the predictions add."""
    tail = (1 - level) / 2
    if batch.explained == 0:
        if groups == labels:
            return independent
        wanted, known = (stats.t.isf(tail, df) for df in (labels - 1, max(groups - 1, 1)))
    else:
        independent = 1 / (
            (1 - batch.explained) / independent + batch.explained / batch.independent
        )
        wanted, known = stats.norm.isf(tail), stats.t.isf(tail, max(groups - 2, 1))
    return independent * float(wanted / known) ** 2


def _limits(estimate: float, size: float, level: float) -> tuple[float, float]:
    """Clopper and Pearson's, for a size that need not be a whole number."""
    right, tail = estimate * size, (1 - level) / 2
    wrong = size - right
    low = 0.0 if math.isclose(right, 0, abs_tol=1e-9) else stats.beta.ppf(tail, right, wrong + 1)
    high = 1.0 if math.isclose(wrong, 0, abs_tol=1e-9) else stats.beta.isf(tail, right + 1, wrong)
    return float(low), float(high)
