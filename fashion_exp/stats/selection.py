"""Selection bias: the score of the best of many configs, corrected for having been selected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from fashion_exp.stats.checks import (
    PROPORTION_BOUNDS,
    Floats,
    Integers,
    validate_matrix,
    validate_resampling,
)
from fashion_exp.stats.groups import few_groups_note, group_codes
from fashion_exp.stats.interval import Estimand, Interval, point_estimate
from fashion_exp.stats.proportions import wilson

BLOCK_SIZE = 250  # resamples per block, to bound the memory
CONSERVATIVE = "conservative: measured coverage about 1.0 at nominal .95"


@dataclass(frozen=True)
class Selection:
    """The winner of a sweep, with its apparent and its corrected score.

    `winner` is the row of the selected config (the first of equals), `apparent_score` its own score
    and `interval.estimate` the corrected one. `interval` is a conservative percentile interval.
    """

    winner: int
    apparent_score: float
    interval: Interval
    candidates: int
    resamples: int

    @property
    def optimism(self) -> float | None:
        """Apparent score minus corrected score: the bias due to the selection."""
        corrected = self.interval.estimate
        return None if corrected is None else self.apparent_score - corrected


def bbc_cv(
    hits: ArrayLike,
    counts: ArrayLike,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    criterion: ArrayLike | None = None,
) -> Selection:
    """The bootstrap bias-corrected score of the config that wins a sweep.

    `hits` and `counts` (configs, images) hold the number of correct predictions and the number of
    predictions of each config for each image (0 if it made none, 2 for two repeats). The score of
    a config on a set of images is the sum of its hits divided by the sum of its counts. `groups`
    (images,) labels images that are resampled together. `criterion` (configs, images) replaces the
    hits where the config is selected, such as the negative loss; more is better.

    In each resample the winner is selected on the drawn images and scored on the others; tied
    winners are averaged. With one config there was no selection, so the optimism is 0. Fewer than 2
    images or groups give an undefined interval; no variance gives a degenerate one, with Wilson on
    the winner as the fallback.

    Source: Tsamardinos, Greasidou & Borboudakis 2018, Machine Learning 107:1895-1922, BBC-CV.

    Raises:
        ValueError: invalid matrices (`validate_matrix`) or different shapes; negative hits or more
            hits than counts; a config without predictions; invalid groups (`group_codes`),
            `resamples` or `level` (`validate_resampling`).
    """
    validate_resampling(level, resamples)
    correct, predicted = _validate_counts(hits, counts)
    selecting = correct if criterion is None else validate_matrix(criterion, None)
    configs, images = correct.shape
    winner = int((selecting.sum(axis=1) / predicted.sum(axis=1)).argmax())
    score = float(correct[winner].sum() / predicted[winner].sum())
    codes = group_codes(groups, images)
    unit = "images" if groups is None else "groups"
    target = Estimand.SELECTED_CONFIG
    point = point_estimate(score, level, "bbc_cv", target, unit, scores=configs, n=images)
    if codes.max() == 0:
        interval = point.without_limits(f"needs at least 2 {unit}")
        return Selection(winner, score, interval, configs, 0)
    by_group = [_sum_by_group(table, codes) for table in (selecting, correct, predicted)]
    out_of_bag = _out_of_bag_scores(by_group, resamples, seed)
    images_of_winner = int((predicted[winner] > 0).sum())
    fallback = wilson(score * images_of_winner, images_of_winner, level, fractional=True)
    interval = _corrected_interval(point, out_of_bag, fallback)
    few = few_groups_note(codes) if groups is not None else ""
    return Selection(winner, score, interval.with_warning(few), configs, out_of_bag.size)


def _validate_counts(hits: ArrayLike, counts: ArrayLike) -> tuple[Floats, Floats]:
    correct, predicted = validate_matrix(hits, None), validate_matrix(counts, None)
    if correct.shape != predicted.shape:
        raise ValueError(f"hits have shape {correct.shape} but counts {predicted.shape}")
    if (correct < 0).any() or (correct > predicted * (1 + 1e-9)).any():
        raise ValueError("hits must be between 0 and the counts")
    if (predicted.sum(axis=1) == 0).any():
        raise ValueError("a config has no predictions")
    return correct, predicted


def _sum_by_group(values: Floats, codes: Integers) -> Floats:
    """Sums over the images of each group, shape (configs, groups)."""
    configs, groups = len(values), int(codes.max()) + 1
    flat_index = np.arange(configs)[:, None] * groups + codes
    sums = np.bincount(flat_index.ravel(), values.ravel(), minlength=configs * groups)
    return sums.reshape(configs, groups).astype(np.float64)


def _out_of_bag_scores(tables: list[Floats], resamples: int, seed: int) -> Floats:
    """The out-of-bag scores of the in-bag winners, for all resamples that have any.

    `tables` are the sums that select, the hits and the counts, each (configs, groups).
    """
    selecting, correct, predicted = tables
    rng = np.random.default_rng(seed)
    units = correct.shape[1]
    blocks = []
    for start in range(0, resamples, BLOCK_SIZE):
        size = min(BLOCK_SIZE, resamples - start)
        drawn = rng.integers(units, size=(size, units)) + units * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        in_bag, out_of_bag = weights.T.astype(np.float64), (weights == 0).T.astype(np.float64)
        in_bag_scores = _ratio(selecting @ in_bag, predicted @ in_bag)
        out_of_bag_scores = _ratio(correct @ out_of_bag, predicted @ out_of_bag)
        blocks.append(_winner_scores(in_bag_scores, out_of_bag_scores))
    return np.concatenate(blocks)


def _winner_scores(selection: Floats, evaluation: Floats) -> Floats:
    """Per resample (column) the mean `evaluation` score of the configs best in `selection`."""
    best = np.where(np.isnan(selection), -np.inf, selection).max(axis=0)
    is_winner = (selection == best) & ~np.isnan(evaluation)
    winners = is_winner.sum(axis=0)
    total = np.where(is_winner, evaluation, 0.0).sum(axis=0)
    means: Floats = total[winners > 0] / winners[winners > 0]
    return means


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    ratio: Floats = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def _corrected_interval(point: Interval, out_of_bag: Floats, fallback: Interval) -> Interval:
    """`point` with the mean out-of-bag score as the estimate, if there was a selection.

    A selection cannot make the expected score better than the apparent one, so the estimate is at
    most that.
    """
    if out_of_bag.size == 0:
        return point.without_limits("no resample leaves an image out")
    has_selection = point.scores > 1
    assert point.estimate is not None
    estimate = min(point.estimate, float(out_of_bag.mean())) if has_selection else point.estimate
    corrected = replace(point, estimate=estimate)
    if np.ptp(out_of_bag) == 0:
        return corrected.degenerate("the same in every resample", fallback, "wilson of the winner")
    interval = corrected.with_percentile_limits(out_of_bag, PROPORTION_BOUNDS)
    return interval.with_warning(CONSERVATIVE if has_selection else "nothing was selected")
