"""What is left of the best score once it is known to be the best of many."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, stats

from fashion_exp.stats.checks import checked_matrix
from fashion_exp.stats.groups import few_groups_note, group_codes
from fashion_exp.stats.interval import (
    CHOSEN,
    SHARE,
    Floats,
    Integers,
    Interval,
    check_level,
    flat,
    instead,
    joined,
    limited,
    undefined,
)
from fashion_exp.stats.proportions import wilson

BLOCK = 250  # resamples at a time: bounds the memory
CONSERVATIVE = "conservative: measured coverage about 1.0 at nominal .95"


@dataclass(frozen=True)
class Selection:
    """The winner of a sweep, and what its score is worth.

    `winner` is the row of the best config (the first of equals), `own_score` its score as it
    stands, `interval.estimate` the corrected one; `interval` is percentile and conservative.
    """

    winner: int
    own_score: float
    interval: Interval
    candidates: int
    resamples: int

    @property
    def optimism(self) -> float | None:
        """How much of the winner's own score is owed to its having been chosen."""
        corrected = self.interval.estimate
        return None if corrected is None else self.own_score - corrected


def bbc_cv(
    hits: ArrayLike,
    counts: ArrayLike,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Selection:
    """The bootstrap bias corrected score of the config that wins a sweep.

    `hits` and `counts` have shape (configs, images): right answers of a config to an image, and
    how often it was asked (0 where it was not, 2 where two repeats were); a config's score on a
    set of images is the sum of its hits over the sum of its counts. `groups` (images,) labels
    images that are resampled together. In each resample the winner is picked on the images drawn
    and scored on those not drawn; configs that tie share. One config was not chosen: its
    optimism is 0. Fewer than 2 images or groups are undefined; no spread at all is degenerate,
    with Wilson on the winner as the fallback.

    Source: Tsamardinos, Greasidou & Borboudakis 2018, Machine Learning 107:1895-1922, BBC-CV.

    Raises:
        ValueError: not two matrices of one shape; values missing, infinite or negative; more hits
            than counts; a config without any prediction; not one group per image; fewer than 100
            resamples; `level` outside (0, 1).
    """
    check_level(level)
    if resamples < 100:
        raise ValueError(f"resamples is {resamples}: fewer than 100 show no tails")
    right, asked = _checked(hits, counts)
    configs, images = right.shape
    scores = right.sum(axis=1) / asked.sum(axis=1)
    winner = int(scores.argmax())
    own = float(scores[winner])
    codes = group_codes(groups, images)
    unit = "images" if groups is None else "groups"
    blank = undefined(own, level, "bbc_cv", CHOSEN, unit, images, configs)
    if codes.max() == 0:
        found = instead(blank, f"needs at least 2 {unit}", None, "")
        return Selection(winner, own, found, configs, 0)
    drawn = _unseen_scores(_by_group(right, codes), _by_group(asked, codes), resamples, seed)
    found = _limits(blank, drawn, _wilson_of(right, asked, winner, level))
    few = few_groups_note(int(codes.max()) + 1) if groups is not None else ""
    noted = replace(found, note=joined(found.note, few))
    return Selection(winner, own, noted, configs, drawn.size)


def expected_max_normal(count: int) -> float:
    """The mean of the largest of `count` independent standard normal values.

    Times the standard error of a score it is the optimism of the best of `count` equal and
    independent configs.

    Source: Teichroew 1956, Ann. Math. Stat. 27:410-426: the integral of x dPhi(x)^count.

    Raises:
        ValueError: `count` below 1.
    """
    if count < 1:
        raise ValueError(f"count is {count}, not at least 1")

    def density(x: float) -> float:
        return float(x * count * stats.norm.pdf(x) * stats.norm.cdf(x) ** (count - 1))

    return float(integrate.quad(density, -12, 12, epsabs=1e-10, limit=200)[0])


def _checked(hits: ArrayLike, counts: ArrayLike) -> tuple[Floats, Floats]:
    right, asked = checked_matrix(hits, None), checked_matrix(counts, None)
    if right.shape != asked.shape:
        raise ValueError(f"hits of shape {right.shape} against counts of shape {asked.shape}")
    if (right < 0).any() or (right > asked * (1 + 1e-9)).any():
        raise ValueError("hits must lie between 0 and the counts")
    if (asked.sum(axis=1) == 0).any():
        raise ValueError("a config has no prediction at all")
    return right, asked


def _by_group(values: Floats, codes: Integers) -> Floats:
    """Sums over the images of each group, shape (configs, groups)."""
    configs, groups = len(values), int(codes.max()) + 1
    places = np.arange(configs)[:, None] * groups + codes
    summed = np.bincount(places.ravel(), values.ravel(), minlength=configs * groups)
    return summed.reshape(configs, groups).astype(np.float64)


def _unseen_scores(right: Floats, asked: Floats, resamples: int, seed: int) -> Floats:
    """The scores of the in-bag winners out of the bag, of all resamples that have any."""
    rng = np.random.default_rng(seed)
    units = right.shape[1]
    blocks = []
    for first in range(0, resamples, BLOCK):
        size = min(BLOCK, resamples - first)
        picks = rng.integers(units, size=(size, units)) + units * np.arange(size)[:, None]
        bags = np.bincount(picks.ravel(), minlength=size * units).reshape(size, units)
        inside, unseen = bags.T.astype(np.float64), (bags == 0).T.astype(np.float64)
        picked = _ratio(right @ inside, asked @ inside)
        scored = _ratio(right @ unseen, asked @ unseen)
        blocks.append(_of_winners(picked, scored))
    return np.concatenate(blocks)


def _of_winners(picked: Floats, scored: Floats) -> Floats:
    """The mean of `scored` over the configs that are best in `picked`, of each column."""
    best = np.where(np.isnan(picked), -1.0, picked).max(axis=0)
    winning = (picked == best) & ~np.isnan(scored)
    votes = winning.sum(axis=0)
    total = np.where(winning, scored, 0.0).sum(axis=0)
    means: Floats = total[votes > 0] / votes[votes > 0]
    return means


def _ratio(top: Floats, bottom: Floats) -> Floats:
    shares: Floats = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=shares, where=bottom > 0)
    return shares


def _limits(blank: Interval, drawn: Floats, fallback: Interval) -> Interval:
    """`blank` with the mean of the unseen scores, unless nothing was chosen, and their limits."""
    if drawn.size == 0:
        return instead(blank, "no image is left out of any resample", None, "")
    chosen = blank.scores > 1
    corrected = replace(blank, estimate=float(drawn.mean())) if chosen else blank
    if np.ptp(drawn) == 0:
        return flat(corrected, "the same in every resample", fallback, "wilson of the winner")
    low, high = np.quantile(drawn, [(1 - blank.level) / 2, (1 + blank.level) / 2])
    note = CONSERVATIVE if chosen else "nothing was chosen"
    return replace(limited(corrected, float(low), float(high), SHARE), note=note)


def _wilson_of(right: Floats, asked: Floats, winner: int, level: float) -> Interval:
    """Wilson on the winner's own images, each counted once."""
    images = int((asked[winner] > 0).sum())
    score = right[winner].sum() / asked[winner].sum()
    return wilson(score * images, images, level, fractional=True)
