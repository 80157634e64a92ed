"""Compares several runs: pairwise tests, effects of options, and the best run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

from fashion_exp.comparison import best_run, factors
from fashion_exp.comparison.differences import (
    compute_differences,
    incomparable_reason,
    mean_differences,
)
from fashion_exp.comparison.family import PairwiseComparison
from fashion_exp.comparison.label_changes import describe_label_versions
from fashion_exp.comparison.looks import count_looks
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.run_data import RunData, distinct_names
from fashion_exp.comparison.training_share import candidates_note, winner_candidates
from fashion_exp.evaluation.targets import measures
from fashion_exp.stats.interval import MIN_RELIABLE_SCORES

if TYPE_CHECKING:
    from pathlib import Path

    from fashion_exp.stats.interval import Interval
    from fashion_exp.stats.selection import Selection


@dataclass(frozen=True)
class Effect:
    """One level of a factor against its first level, over pairs of runs that differ in nothing
    else."""

    factor: factors.Factor
    name: str
    interval: Interval
    pairs: int


@dataclass(frozen=True)
class Comparison(PairwiseComparison):
    runs: Sequence[RunData]

    def __post_init__(self) -> None:
        """Evaluates the runs at the level of the comparison instead of their own, and names the
        metric by their targets."""
        if (name := self.settings.on) is not None:
            for run in self.runs:
                run.require_evaluation(name)
        at_level = [run.at_level(self.settings.level) for run in self.runs]
        object.__setattr__(self, "runs", at_level)
        metric, (accuracy, loss) = self.settings.metric, measures(self.runs[0].result.facts)
        name = {"accuracy": accuracy, "loss": f"{loss} loss"}.get(metric)
        if name and name != self.settings.described.label:
            settings = replace(self.settings, column=replace(METRICS[metric], label=name))
            object.__setattr__(self, "settings", settings)

    @property
    def accuracy_name(self) -> str:
        """What the accuracy of the runs is called."""
        return measures(self.runs[0].result.facts)[0]

    def counted_in(self, outputs: Path) -> Self:
        """The same with the number of looks at these recipes, which it is recorded as."""
        look = count_looks(self.runs, self.part, self.settings.metric, outputs)
        settings = replace(self.settings, looks=look.number, share=look.share, race=look.race)
        return replace(self, settings=settings)

    @cached_property
    def names(self) -> list[str]:
        return distinct_names(self.runs)

    @cached_property
    def part(self) -> str:
        """The images the runs are compared on: those of an evaluation if one is named, else test if
        all runs were evaluated on it."""
        return self.settings.on or self.own_part

    @cached_property
    def own_part(self) -> str:
        """ "test" if all runs were evaluated on it, else "validation"."""
        return "test" if all(run.is_test_evaluated for run in self.runs) else "validation"

    @cached_property
    def candidates(self) -> list[int]:
        """Indices of the runs that the winner is chosen from: those with the largest training
        share, best validation score first, whatever their test scores."""
        indices = winner_candidates([run.options for run in self.runs])
        return self._rank(indices)

    @cached_property
    def ranking(self) -> list[int]:
        """Indices of the runs: the candidates, then the others, each best first."""
        return [
            *self.candidates,
            *self._rank(sorted({*range(len(self.runs))} - {*self.candidates})),
        ]

    def _rank(self, indices: Sequence[int]) -> list[int]:
        order = best_run.rank_runs([self.runs[index] for index in indices], self.settings.metric)
        return [indices[position] for position in order]

    @property
    def compared(self) -> list[int]:
        """Indices of the runs that are tested against each other, best first.

        Runs with a smaller training share validate on other images, so that their pairs with the
        candidates would be another test, about these models. They are compared on test images, and
        if only one run has the largest share.
        """
        is_same_part = self.part != "validation" or len(self.candidates) < 2
        return self.ranking if is_same_part else self.candidates

    @property
    def is_best_chosen_by_others(self) -> bool:
        """Validation images choose it, so it is given beforehand for test images, unless the claim
        is about new trainings: a lucky training looks good on both."""
        trainings = sorted(self.runs[index].summary(self.part).trainings for index in self.compared)
        is_about_recipes = len(trainings) > 1 and trainings[-2] >= MIN_RELIABLE_SCORES
        return self.part != "validation" and not is_about_recipes

    @property
    def candidates_note(self) -> str:
        """Which runs the winner is chosen from; empty if from all."""
        return candidates_note([run.options for run in self.runs])

    @cached_property
    def selection(self) -> Selection | None:
        """The winner's accuracy corrected for its selection; None if there was none."""
        runs = [self.runs[index] for index in self.candidates]
        if len(runs) < 2 or any(
            incomparable_reason(runs[0], other, "validation", "accuracy") for other in runs
        ):
            return None
        return best_run.correct_for_selection(runs, self.settings.level, self.settings.metric)

    @cached_property
    def factors(self) -> list[factors.Factor]:
        return factors.find_factors(self.runs)

    @cached_property
    def confounds(self) -> list[str]:
        """Sentences about what else differs between the runs."""
        return [
            *describe_label_versions(self.runs, self.names, self.part),
            *factors.describe_confounds(self.runs, self.names, self.factors),
        ]

    @cached_property
    def effects(self) -> list[Effect]:
        """Main effects of the swept options: means over matched pairs of runs."""
        part, metric = self.part, self.settings.metric
        effects = []
        for matched in factors.matched_pairs(self.runs, self.factors):
            pairs = [(self.runs[a], self.runs[b]) for a, b in matched.pairs]
            differences = [
                compute_differences(a, b, part, metric)
                for a, b in pairs
                if not incomparable_reason(a, b, part, metric)
            ]
            mean = mean_differences(differences) if differences else None
            if mean is None:
                continue
            factor = matched.factor
            level, first = (
                factors.level_name(factor, self.runs, index) for index in (matched.level, 0)
            )
            name = f"{factor.name} {level} against {first}"
            interval = mean.test(self.settings.level).interval
            effects.append(Effect(factor, name, interval, len(differences)))
        return effects

    @cached_property
    def target(self) -> best_run.TargetResult | None:
        """Whether the winner reaches the target, on its test images if they were evaluated.

        Its validation images selected it, which the bounds on them allow for.
        """
        target, level = self.settings.target, self.settings.level
        if target is None:
            return None
        run = self.runs[self.winner]
        if run.is_test_evaluated:
            return best_run.evaluate_target(run, "test", target, level)
        if self.selection is None:
            return best_run.evaluate_target(run, "validation", target, level)
        candidates = [self.runs[index] for index in self.candidates]
        return best_run.evaluate_selected_target(candidates, target, level, self.settings.metric)
