"""Which of several tools is better, and whether the predictions support it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fashion_exp.comparison.conclusions import verdict_sentences
from fashion_exp.comparison.family import PairwiseComparison
from fashion_exp.comparison.plans import pair_to_decide, separation_plan
from fashion_exp.evaluation.intervals import accuracy_interval, recipe_interval
from fashion_exp.judging.runs import JoinedTools, JudgedRun
from fashion_exp.stats.interval import MIN_RELIABLE_SCORES, Interval
from fashion_exp.stats.redrawn import interval_of_models

if TYPE_CHECKING:
    from fashion_exp.comparison.scored_run import ScoreMatrix
    from fashion_exp.comparison.settings import ComparisonSettings
    from fashion_exp.stats.limits import Shape


@dataclass(frozen=True)
class Judgement(PairwiseComparison):
    """Tools compared on the items that all of them predicted."""

    runs: Sequence[JudgedRun]
    part: str = "test"
    notes: Sequence[str] = ()
    """How the tables were read."""
    about_trainings: bool = True
    item: str = "item"

    counts_looks = False
    part_of_items = ""

    @staticmethod
    def of(joined: JoinedTools, settings: ComparisonSettings) -> Judgement:
        return Judgement(joined.runs, settings, part=joined.part, notes=joined.notes)

    @cached_property
    def names(self) -> list[str]:
        return [run.name for run in self.runs]

    @cached_property
    def ranking(self) -> list[int]:
        sign = 1 if self.settings.described.lower_is_better else -1
        scores = [sign * (self.estimates[index].estimate or 0) for index in range(len(self.runs))]
        return sorted(range(len(self.runs)), key=scores.__getitem__)

    @property
    def compared_items(self) -> str:
        return f"{self.item}s"

    @property
    def compared_by(self) -> str:
        return self.settings.described.label

    ranked_by = compared_by

    def matrix(self, index: int) -> ScoreMatrix:
        return self.runs[index].score_matrix(self.part, self.settings.metric)

    @cached_property
    def estimates(self) -> list[Interval]:
        """The metric of each run with the interval for the models at hand."""
        return [self._models_interval(index) for index in range(len(self.runs))]

    def _models_interval(self, index: int) -> Interval:
        matrix, level = self.matrix(index), self.settings.level
        values = matrix.values
        by_item = values[0] if len(values) == 1 else np.nanmean(values, axis=0)
        groups = matrix.groups if matrix.has_shared_groups else None
        if self.settings.described.is_binary:
            return accuracy_interval(by_item, groups, level, len(values))
        shape = self._shape
        return interval_of_models(by_item, level, shape=shape, groups=groups, models=len(values))

    @property
    def _shape(self) -> Shape:
        """Of the limits: Wilson's for shares, Student's for scores of any kind."""
        is_share = self.settings.described.is_share
        return "wilson" if is_share else "hall" if self.settings.metric == "loss" else "t"

    def recipe_interval(self, index: int) -> Interval | None:
        """For a new training; None with fewer than four."""
        matrix, run = self.matrix(index), self.runs[index]
        if len(matrix.raw) < MIN_RELIABLE_SCORES:
            return None
        shape = self._shape
        groups = matrix.groups if matrix.has_shared_groups else None
        values, n_train = matrix.values, None
        if not matrix.is_complete:
            is_pooled = not run.redrawn and matrix.repeats > 1
            values = matrix.pool_folds().values if is_pooled else values
            names = [f"r{repeat}f{fold}" for repeat, fold in matrix.keys]
            n_train = None if is_pooled else [float(run.train_sizes[name]) for name in names]
        repeats = [repeat for repeat, _ in matrix.keys]
        interval = recipe_interval(values, repeats, n_train, self.settings.level, shape, groups)
        return interval if interval.status == "ok" else None

    @cached_property
    def conclusions(self) -> list[str]:
        """What the data support, in sentences; the first says which tool is better."""
        if len(self.runs) == 1:
            return []
        return verdict_sentences(self)

    @cached_property
    def plans(self) -> list[str]:
        """How many items or trainings would decide what is undecided."""
        pair = pair_to_decide(self)
        return [] if pair is None else list(separation_plan(self, pair))

    @property
    def table(self) -> pd.DataFrame:
        """`rows` as a table."""
        return pd.DataFrame(self.rows, dtype=object)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One row per tool, best first: the metric with the limits of its interval for the models
        at hand (`low`, `high`) and for a new training (`t_low`, `t_high`)."""
        rows = []
        for index in self.ranking:
            interval, recipe = self.estimates[index], self.recipe_interval(index)
            rows.append({
                "name": self.names[index],
                "estimate": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "t_low": recipe and recipe.low,
                "t_high": recipe and recipe.high,
                "items": len(self.matrix(index).images),
                "trainings": len(self.matrix(index).raw),
                "note": interval.note,
            })  # fmt: skip
        return rows
