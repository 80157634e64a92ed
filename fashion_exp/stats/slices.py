"""Slices of the images: bins of a quantity, and which slices differ from the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.checks import Floats, is_binary, validate_fraction, validate_minimum
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.multiplicity import bonferroni_level
from fashion_exp.stats.paired import PairedTest, mcnemar, paired_counts
from fashion_exp.stats.paired_t import paired_grouped
from fashion_exp.stats.proportions import independent_difference, wilson, wilson_grouped

MIN_SLICE = 20
"""Independent images that a slice, and the rest, need for a verdict."""


@dataclass(frozen=True)
class SliceResult:
    """The accuracy of a slice, and its difference from the images that are not in it."""

    images: int
    groups: int
    accuracy: Interval
    """At the level of a single interval."""
    difference: Interval | None
    """Slice minus rest, for all slices jointly; None with too few images for a verdict."""

    @property
    def verdict(self) -> str:
        """ "worse" or "better" than the rest, "undecided", or "too few images"."""
        if self.difference is None:
            return "too few images"
        low, high = self.difference.low, self.difference.high
        if low is None or high is None:
            return "undecided"
        return "better" if low > 0 else "worse" if high < 0 else "undecided"


def quantile_edges(values: ArrayLike, bins: int) -> Floats:
    """The ends of `bins` ranges with about as many finite values each, without empty ranges.

    (k + 1,) values, from the smallest to the largest; k is smaller than `bins` if values are tied.

    Raises:
        ValueError: `bins` is below 2, or there is no finite value.
    """
    validate_minimum(bins, 2, "bins")
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        raise ValueError("no finite value to cut into bins")
    edges = np.quantile(numbers, np.linspace(0, 1, bins + 1), method="inverted_cdf")
    return np.unique(edges)


def bin_of(values: ArrayLike, edges: Floats) -> np.ndarray:
    """(n,) the range of each value, from 0; ranges have their lower end, the last one both ends.

    -1 for nan.
    """
    numbers = np.asarray(values, dtype=np.float64)
    last = max(len(edges) - 2, 0)
    codes = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, last)
    return np.where(np.isnan(numbers), -1, codes)


def compare_slices(
    correct: ArrayLike,
    groups: ArrayLike,
    members: Mapping[str, np.ndarray],
    level: float = 0.95,
    models: int = 1,
) -> dict[str, SliceResult]:
    """The accuracy of each slice, and whether it differs from that of the other images.

    `correct` (n,) is 1 or 0 per image, or the fraction of models that were right; `groups` (n,) are
    their groups; `members` has a mask (n,) for each slice. The differences hold jointly for all
    slices that have a verdict (Bonferroni): the chance that any slice is called better or worse
    wrongly is at most 1 - `level`, approximately. A slice without a verdict is not counted: that it
    has too few images does not depend on the answers.

    Source: `independent_difference` of the intervals `wilson_grouped` or `wilson`.

    Raises:
        ValueError: `level` is outside (0, 1); lengths differ.
    """
    validate_fraction(level, "level")
    scores, codes = np.asarray(correct, dtype=np.float64), np.asarray(groups)
    if any(mask.shape != scores.shape for mask in members.values()) or codes.shape != scores.shape:
        raise ValueError("groups and members must have a value per image")
    counts = {name: len(set(codes[mask].tolist())) for name, mask in members.items()}
    judged = {
        name
        for name, mask in members.items()
        if min(counts[name], len(set(codes[~mask].tolist()))) >= MIN_SLICE
    }
    joint = bonferroni_level(1 - level, len(judged))
    results = {}
    for name, mask in members.items():
        difference = None
        if name in judged:
            own, rest = (_accuracy(scores[m], codes[m], joint, models) for m in (mask, ~mask))
            difference = independent_difference(own, rest)
        accuracy = _accuracy(scores[mask], codes[mask], level, models)
        results[name] = SliceResult(int(mask.sum()), counts[name], accuracy, difference)
    return results


def paired_on_images(
    a: ArrayLike, b: ArrayLike, groups: ArrayLike, level: float = 0.95, models: int = 1
) -> PairedTest:
    """The test of a minus b on the same images: McNemar's for answers to independent images, else
    `paired_grouped`.

    `a` and `b` (n,) are 1 or 0, or the fraction of models that were right; the claim is about these
    models. Raises as these.
    """
    own, other = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    codes = np.asarray(groups)
    if is_binary(own) and is_binary(other) and len(set(codes.tolist())) == own.size:
        return mcnemar(*paired_counts(own, other), level, models=models)
    return paired_grouped(own - other, codes, level, models=models)


def _accuracy(scores: Floats, codes: np.ndarray, level: float, models: int) -> Interval:
    if len(np.unique(codes)) < scores.size:
        return wilson_grouped(scores, codes, level, models=models)
    n = scores.size
    return wilson(float(scores.sum()), n, level, fractional=True, models=models)


def interval_texts(edges: Floats) -> Sequence[str]:
    """ "12 to 87" of each range, with enough digits to distinguish its ends."""
    texts = [f"{edge:g}" for edge in edges]
    for decimals in range(7):
        rounded = [f"{edge:,.{decimals}f}" for edge in edges]
        if len(set(rounded)) == len(rounded):
            texts = rounded
            break
    return texts if len(texts) == 1 else [f"{a} to {b}" for a, b in pairwise(texts)]
