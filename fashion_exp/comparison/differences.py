"""Scores of two runs, joined by image and arranged for the test of their design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from fashion_exp.comparison.label_changes import conflicting_images
from fashion_exp.stats.bootstrap import paired_bootstrap
from fashion_exp.stats.interval import MIN_RELIABLE_SCORES
from fashion_exp.stats.moderation import VariancePrior
from fashion_exp.stats.paired import PairedTest, mcnemar
from fashion_exp.stats.paired_crossed import paired_crossed, unpaired_crossed
from fashion_exp.stats.paired_t import five_by_two, paired_corrected_t, paired_grouped

if TYPE_CHECKING:
    from fashion_exp.comparison.metrics import Metric
    from fashion_exp.comparison.scored_run import ScoredRun, ScoreMatrix
    from fashion_exp.stats.interval import Interval

Design = Literal["one model", "pooled folds", "means", "crossed", "unpaired", "redrawn", "5x2"]

MIN_OVERLAP = 0.8
"""Share of the validation images of two models that both validated on, from which their splits
count as the same."""


@dataclass(frozen=True)
class Differences:
    """Scores of run a minus scores of run b, arranged for the test of the design.

    `values` has the shape (n,) per image for "one model", "pooled folds" and "means" (over several
    models), (models, n) for "crossed" and "unpaired", (splits,) for "redrawn" and (5, 2) for "5x2".
    """

    design: Design
    values: np.ndarray
    images: int
    """Number of distinct images that both runs predicted."""
    metric: Metric
    groups: np.ndarray | None = None
    """(n,) group ids of the images; None if no two images share one."""
    trainings: tuple[int, int] = (1, 1)
    """Compared models of each run; of pooled folds, how many are pooled."""
    b_scores: np.ndarray | None = None
    """For "unpaired": (models of b, n) scores of b; `values` are then the scores of a."""
    n_train: float = 0
    n_test: float = 0
    """Mean number of training images and of shared evaluation images per redrawn split."""
    is_averaged: bool = False
    """Whether the values are means over several models or pairs of runs: counts do not exist."""
    note: str = ""
    """What the design leaves out."""
    is_sequential: bool = False
    """Whether the test is one look of a race, at a small level."""
    by_image: np.ndarray | None = None
    """For "redrawn" and "5x2": (splits, n) the differences whose means are the `values`; nan where
    a split does not evaluate an image."""

    @property
    def models(self) -> int:
        return min(self.trainings)

    @property
    def are_all_zero(self) -> bool:
        """Whether the runs are right on the same images."""
        per_image = self.design in ("one model", "pooled folds", "crossed")
        return per_image and self.metric.is_binary and not self.values.any()

    @property
    def by_training(self) -> np.ndarray | None:
        """(J,) mean differences of the trainings; None if the test does not use their variance, or
        not this one."""
        if self.design == "crossed":
            return np.asarray(self.values.mean(axis=1))
        return self.values if self.design == "redrawn" else None

    @property
    def of_these_trainings(self) -> Differences | None:
        """Each image's mean over the trainings: the comparison as a claim about these trainings.

        None if it is one already.
        """
        if self.by_image is not None:
            judged = ~np.isnan(self.by_image).all(axis=0)
            means = np.nanmean(self.by_image[:, judged], axis=0)
            groups = None if self.groups is None else self.groups[judged]
        elif self.design in ("crossed", "unpaired"):
            means, groups = self.values.mean(axis=0), self.groups
            if self.b_scores is not None:
                means = means - self.b_scores.mean(axis=0)
        else:
            return None
        return Differences(
            "means", means, len(means), self.metric, groups, self.trainings, is_averaged=True
        )

    def test(
        self, level: float, exact: bool = False, prior: VariancePrior | None = None
    ) -> PairedTest:
        """The test of this design, with the interval of the difference at `level`.

        `prior` moderates the variance of `by_training`.
        """
        bounded = self.metric.is_binary
        is_share = self.metric.is_share
        if self.design == "crossed":
            return paired_crossed(
                self.values, level, bounded=bounded, groups=self.groups, prior=prior,
                max_df=len(self.values) - 1 if self.is_sequential else None,
            )  # fmt: skip
        if self.design == "unpaired":
            assert self.b_scores is not None
            return unpaired_crossed(
                self.values, self.b_scores, level, bounded=bounded, groups=self.groups
            )
        if self.design == "5x2" and is_share:
            return five_by_two(self.values, level)
        if self.design in ("redrawn", "5x2"):
            return paired_corrected_t(
                self.values.ravel(),
                self.n_train,
                self.n_test,
                level,
                bounded=is_share,
                prior=prior if self.design == "redrawn" else None,
            )
        if self.groups is None and bounded and not self.is_averaged:
            better, worse = (int((self.values == sign).sum()) for sign in (1, -1))
            same = len(self.values) - better - worse
            variant: Literal["exact", "midp"] = "exact" if exact else "midp"
            return mcnemar(same, better, worse, 0, level, models=self.models, variant=variant)
        groups = np.arange(len(self.values)) if self.groups is None else self.groups
        return paired_grouped(self.values, groups, level, bounded=bounded, models=self.models)

    def bootstrap(self, level: float) -> Interval | None:
        """The paired bootstrap interval; None unless each image has one score per run."""
        is_single = self.design in ("one model", "pooled folds")
        if not is_single or self.is_averaged or not self.metric.is_binary:
            return None
        zeros = np.zeros_like(self.values)
        return paired_bootstrap(self.values, zeros, level, groups=self.groups).interval


def incomparable_reason(a: ScoredRun, b: ScoredRun, part: str, metric: str) -> str:
    """Why two runs cannot be compared; empty if they can."""
    if set(a.classes) != set(b.classes):
        return f"different classes: {', '.join(a.classes)} and {', '.join(b.classes)}"
    if _shared_images(a, b, part, metric).empty:
        return f"no {part} image in common"
    return ""


def shared_images_note(a: ScoredRun, b: ScoredRun, part: str, metric: str) -> str:
    """How many images two runs share; empty if they share all."""
    shared = len(_shared_images(a, b, part, metric))
    totals = [len(run.score_matrix(part, metric).images) for run in (a, b)]
    if totals == [shared, shared]:
        return ""
    note = f"on the {shared} shared of {totals[0]} and {totals[1]} {part} images"
    conflicting = len(conflicting_images([a, b], part))
    return f"{note}, without {conflicting} that have different labels" if conflicting else note


def _shared_images(a: ScoredRun, b: ScoredRun, part: str, metric: str) -> pd.Index:
    """The images that both runs predicted and that have the same label in both."""
    images, others = (run.score_matrix(part, metric).images for run in (a, b))
    shared = images if images.equals(others) else images.intersection(others).sort_values()
    conflicting = conflicting_images([a, b], part)
    return shared.difference(conflicting) if len(conflicting) else shared


def compute_differences(a: ScoredRun, b: ScoredRun, part: str, metric: str) -> Differences:
    """The differences of two comparable runs, joined by image id."""
    images = _shared_images(a, b, part, metric)
    left, right = (run.score_matrix(part, metric).select_images(images) for run in (a, b))
    if part != "validation":
        return _on_shared_images(left, right)
    if not (a.redrawn or b.redrawn):
        return _on_pooled_folds(left, right)
    keys = [key for key in left.keys if key in set(right.keys)]
    if keys and _have_same_splits(left.select_models(keys), right.select_models(keys)):
        is_whole = len(keys) == len(left.keys) == len(right.keys)
        if not (is_whole and left.folds > 1 and left.repeats == 1):
            return _on_common_splits(a, b, left, right, keys)
    if left.is_partition and right.is_partition:
        return _on_pooled_folds(left, right)
    return _on_means(left, right)


def _have_same_splits(left: ScoreMatrix, right: ScoreMatrix) -> bool:
    """Whether the models with equal keys validated on nearly the same images."""
    a, b = ~np.isnan(left.raw), ~np.isnan(right.raw)
    overlap = (a & b).sum(axis=1) / np.maximum((a | b).sum(axis=1), 1)
    return bool((overlap >= MIN_OVERLAP).all())


def _on_common_splits(
    a: ScoredRun,
    b: ScoredRun,
    left: ScoreMatrix,
    right: ScoreMatrix,
    keys: Sequence[tuple[int, int]],
) -> Differences:
    paired = left.select_models(keys), right.select_models(keys)
    if len(keys) < MIN_RELIABLE_SCORES:
        differences = _on_means(*paired)
    else:
        differences = _on_redrawn_splits(a, b, *paired)
    if len(keys) == len(left.keys) == len(right.keys):
        return differences
    note = f"{len(keys)} of {len(left.keys)} and {len(right.keys)} trainings have the same split"
    return replace(differences, note=note)


def _on_pooled_folds(left: ScoreMatrix, right: ScoreMatrix) -> Differences:
    """The folds of a repeat together predict each image once."""
    differences = _on_shared_images(left.pool_folds(), right.pool_folds())
    folds = left.folds, right.folds
    if differences.design != "one model":
        return differences
    design: Design = "pooled folds" if min(folds) > 1 else "one model"
    return replace(differences, design=design, trainings=folds)


def _on_shared_images(left: ScoreMatrix, right: ScoreMatrix) -> Differences:
    if not (left.is_complete and right.is_complete):
        missing = np.isnan(left.raw).any(axis=0) | np.isnan(right.raw).any(axis=0)
        images = left.images[~missing]
        left, right = left.select_images(images), right.select_images(images)
    a, b = left.values, right.values
    groups = left.groups if left.has_shared_groups else None
    trainings, count = (len(a), len(b)), len(left.images)
    if len(a) == len(b) == 1:
        return Differences("one model", a[0] - b[0], count, left.metric, groups)
    if min(trainings) < MIN_RELIABLE_SCORES:
        return _on_means(left, right)
    if len(a) == len(b):
        return Differences("crossed", a - b, count, left.metric, groups, trainings)
    return Differences("unpaired", a, count, left.metric, groups, trainings, b)


def _on_means(left: ScoreMatrix, right: ScoreMatrix) -> Differences:
    """Each image's mean over the models that predicted it: a claim about these models.

    For runs with too few models to estimate how much new trainings differ, and for runs that have
    no split in common.
    """
    predicted = ~(np.isnan(left.raw).all(axis=0) | np.isnan(right.raw).all(axis=0))
    images = left.images[predicted]
    left, right = left.select_images(images), right.select_images(images)
    values: np.ndarray = np.nanmean(left.values, axis=0) - np.nanmean(right.values, axis=0)
    groups = left.groups if left.has_shared_groups else None
    trainings = len(left.raw), len(right.raw)
    return Differences(
        "means", values, len(images), left.metric, groups, trainings, is_averaged=True
    )


def _on_redrawn_splits(
    a: ScoredRun, b: ScoredRun, left: ScoreMatrix, right: ScoreMatrix
) -> Differences:
    """One mean difference per split, over the images that both runs validated on in it."""
    valid = ~(np.isnan(left.raw) | np.isnan(right.raw))
    differences = left.mask(valid).values - right.mask(valid).values
    sizes = valid.sum(axis=1)
    values: np.ndarray = np.nanmean(differences, axis=1)
    groups = left.groups if left.has_shared_groups else None
    names = [f"r{repeat}f{fold}" for repeat, fold in left.keys]
    trained = [min(a.train_sizes[name], b.train_sizes[name]) for name in names]
    design: Design = "redrawn"
    if left.folds == 2 and left.repeats == 5:
        design, values = "5x2", values.reshape(5, 2)
    return Differences(
        design,
        values,
        differences.shape[1],
        left.metric,
        groups,
        n_train=float(np.mean(trained)),
        n_test=float(sizes.mean()),
        trainings=(len(names), len(names)),
        by_image=differences,
    )


def mean_differences(differences: Sequence[Differences]) -> Differences | None:
    """The mean over several pairs of runs; None if their designs differ or are unpaired.

    From four pairs of few trainings on, pairs and images are crossed: the pairs tell how much new
    trainings, and the other settings, change the difference. Fewer pairs support a claim about
    these trainings only.
    """
    first = differences[0]
    if first.design == "unpaired" or any(
        other.design != first.design or other.values.shape != first.values.shape
        for other in differences
    ):
        return None
    is_about_models = first.design in ("one model", "pooled folds", "means")
    if is_about_models and len(differences) >= MIN_RELIABLE_SCORES:
        stacked = np.array([other.values for other in differences])
        return replace(
            first, design="crossed", values=stacked, trainings=(len(stacked), len(stacked))
        )
    return replace(
        first,
        values=np.mean([other.values for other in differences], axis=0),
        by_image=None,
        is_averaged=len(differences) > 1,
    )
