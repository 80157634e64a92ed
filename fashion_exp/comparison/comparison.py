"""Compares several runs: pairwise tests, effects of options, and the best run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Self

from fashion_exp.comparison import best_run, factors
from fashion_exp.comparison.differences import (
    compute_differences,
    incomparable_reason,
    mean_differences,
)
from fashion_exp.comparison.label_changes import describe_label_versions
from fashion_exp.comparison.looks import count_looks
from fashion_exp.comparison.metrics import METRICS
from fashion_exp.comparison.pairs import Pair, compare_pairs, omnibus_test
from fashion_exp.comparison.run_data import RunData, distinct_names
from fashion_exp.comparison.training_share import candidates_note, winner_candidates
from fashion_exp.reporting.formats import pluralize
from fashion_exp.stats.interval import MIN_RELIABLE_SCORES
from fashion_exp.stats.multiplicity import may_be_best

if TYPE_CHECKING:
    from pathlib import Path

    from fashion_exp.comparison.settings import ComparisonSettings
    from fashion_exp.stats.interval import Interval
    from fashion_exp.stats.multiplicity import OmnibusTest
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
class Comparison:
    runs: Sequence[RunData]
    settings: ComparisonSettings
    omitted_runs: int = 0
    """Further runs that failed or are too many to show. Their comparisons count in the family."""

    def __post_init__(self) -> None:
        """Evaluates the runs at the level of the comparison instead of their own."""
        if (name := self.settings.on) is not None:
            for run in self.runs:
                run.require_evaluation(name)
        at_level = [run.at_level(self.settings.level) for run in self.runs]
        object.__setattr__(self, "runs", at_level)

    def counted_in(self, outputs: Path) -> Self:
        """The same with the number of looks at these recipes, which it is recorded as."""
        looks = count_looks(self.runs, self.part, self.settings.metric, outputs)
        return replace(self, settings=replace(self.settings, looks=looks))

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
    def candidates_note(self) -> str:
        """Which runs the winner is chosen from; empty if from all."""
        return candidates_note([run.options for run in self.runs])

    @property
    def winner(self) -> int:
        return self.ranking[0]

    @property
    def runner_up(self) -> int | None:
        return self.candidates[1] if len(self.candidates) > 1 else None

    @cached_property
    def requested_pairs(self) -> list[tuple[int, int]]:
        """The better-ranked run of a pair is first, or the baseline is second."""
        baseline = self.settings.baseline
        if baseline is None:
            pairs = list(combinations(self.compared, 2))
            is_best_only = self.settings.pairs == "best"
            return pairs[: len(self.compared) - 1] if is_best_only else pairs
        return [(index, baseline) for index in self.ranking if index != baseline]

    @property
    def omitted_comparisons(self) -> int:
        """Comparisons with the omitted runs."""
        if self.settings.baseline is not None or self.settings.pairs == "best":
            return self.omitted_runs
        return comb(len(self.compared) + self.omitted_runs, 2) - len(self.requested_pairs)

    @property
    def family_size(self) -> int:
        """Number of comparisons that are tested together."""
        return len(self.requested_pairs) + self.omitted_comparisons

    @cached_property
    def selected_from(self) -> int:
        """Number of runs that the best one was chosen from by the data compared; 0 if by others.

        Validation images choose it, so it is given beforehand for test images, unless the claim is
        about new trainings: a lucky training looks good on both.
        """
        total = len(self.compared) + self.omitted_runs
        if self.settings.baseline is not None or self.settings.pairs == "all" or total < 3:
            return 0
        trainings = sorted(self.runs[index].summary(self.part).trainings for index in self.compared)
        if self.part != "validation" and (
            len(trainings) < 2 or trainings[-2] < MIN_RELIABLE_SCORES
        ):
            return 0
        return total

    @property
    def correction(self) -> str:
        """How the p-values allow for the number of comparisons."""
        size = pluralize(self.family_size, "comparison")
        if not self.selected_from:
            return f"Holm over {size}"
        return f"{size}, allowing for the choice of the best of {self.selected_from}"

    @property
    def bonferroni_factor(self) -> int:
        """By which the intervals for all comparisons jointly divide alpha."""
        return comb(self.selected_from, 2) if self.selected_from else self.family_size

    @cached_property
    def possible_best(self) -> list[int]:
        """The runs of which one is the best with probability 1 - alpha, best first.

        Empty if this is not what was tested: with a baseline, or fewer than three runs.
        """
        if self.settings.baseline is not None or len(self.compared) < 3:
            return []
        metric = METRICS[self.settings.metric]
        others = [pair for pair in self.pairs if pair.a == self.winner]
        p_values = [
            pair.test.trusted_p
            if pair.test is not None and metric.favors_first(pair.test.difference or 0)
            else None
            for pair in others
        ]
        total = len(self.compared) + self.omitted_runs
        possible = may_be_best(p_values, total, self.settings.pair_alpha)
        return [self.winner, *(p.b for p, may in zip(others, possible, strict=True) if may)]

    @cached_property
    def omnibus(self) -> OmnibusTest | None:
        """Tests whether any runs differ at all; None if the design has no such test."""
        settings = self.settings
        runs = [self.runs[index] for index in self.compared]
        if len(runs) < 3 or settings.metric != "accuracy" or settings.baseline is not None:
            return None
        return omnibus_test(runs, self.part)

    @cached_property
    def pairs(self) -> list[Pair]:
        return compare_pairs(
            self.runs,
            self.requested_pairs,
            self.part,
            self.settings,
            self.omitted_comparisons,
            self.selected_from,
        )

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
