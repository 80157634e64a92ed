"""A study: several runs, the question asked of them, and all that follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb

from fashion_exp.comparison import best_run, factors
from fashion_exp.comparison.label_changes import versions_told
from fashion_exp.comparison.pairs import (
    Pair,
    compare,
    differences,
    mean_differences,
    omnibus,
    why_not,
)
from fashion_exp.comparison.run_data import RunData, distinct_names
from fashion_exp.stats.interval import Interval
from fashion_exp.stats.multiplicity import OmnibusTest
from fashion_exp.stats.selection import Selection


@dataclass(frozen=True)
class Question:
    """What is asked of the runs."""

    metric: str = "accuracy"
    """A name of `METRICS`."""
    alpha: float = 0.05
    rope: float = 0.01
    """Differences smaller than this are of no practical interest."""
    exact: bool = False
    """McNemar's test exact instead of mid-p."""
    target: float | None = None
    baseline: int | None = None
    """The run that all others are compared with; None: all pairs."""
    human: tuple[float, int | None] | None = None
    """Accuracy of people, and the images it was measured on."""


@dataclass(frozen=True)
class Effect:
    """One level of a factor against its first, over runs that differ in nothing else."""

    factor: factors.Factor
    name: str
    interval: Interval
    pairs: int


@dataclass(frozen=True)
class Comparison:
    runs: Sequence[RunData]
    question: Question
    others: int = 0
    """Runs that were tried beside these, failed or too many to show: their comparisons stay in the
    family."""

    @cached_property
    def names(self) -> list[str]:
        return distinct_names(self.runs)

    @property
    def level(self) -> float:
        return 1 - self.question.alpha

    @cached_property
    def part(self) -> str:
        """What the runs are compared on: the test where all of them have opened it."""
        return "test" if all(member.opened for member in self.runs) else "validation"

    @cached_property
    def winner(self) -> int:
        """Chosen by validation, whatever the test says."""
        return best_run.index_of_best(self.runs, self.question.metric)

    @cached_property
    def asked(self) -> list[tuple[int, int]]:
        """The pairs compared, which are the family of Holm's correction."""
        places = range(len(self.runs))
        if self.question.baseline is None:
            return list(combinations(places, 2))
        return [
            (place, self.question.baseline) for place in places if place != self.question.baseline
        ]

    @cached_property
    def lost(self) -> int:
        """Comparisons that could not be made because they are with `others`."""
        if self.question.baseline is not None:
            return self.others
        return comb(len(self.runs) + self.others, 2) - len(self.asked)

    @property
    def family(self) -> int:
        """How many comparisons Holm's correction counts."""
        return len(self.asked) + self.lost

    @cached_property
    def gate(self) -> OmnibusTest | None:
        """Whether any of all pairs differs, where the design has a test of that."""
        asked = self.question
        if len(self.runs) < 3 or asked.metric != "accuracy" or asked.baseline is not None:
            return None
        return omnibus(self.runs, self.part)

    @cached_property
    def pairs(self) -> list[Pair]:
        asked = self.question
        return compare(
            self.runs, self.asked, self.part, asked.metric, asked.alpha, asked.rope,
            lost=self.lost, exact=asked.exact, gate=self.gate,
        )  # fmt: skip

    @cached_property
    def optimism(self) -> Selection | None:
        if len(self.runs) < 2 or any(
            why_not(self.runs[0], other, "validation", "accuracy") for other in self.runs
        ):
            return None
        return best_run.optimism(self.runs, self.level)

    @cached_property
    def factors(self) -> list[factors.Factor]:
        return factors.factors(self.runs)

    @cached_property
    def confounds(self) -> list[str]:
        """What differs between the runs beside the one thing that a comparison is about."""
        return [
            *versions_told(self.runs, self.names, self.part),
            *factors.confounds(self.runs, self.names, self.factors),
        ]

    @cached_property
    def effects(self) -> list[Effect]:
        """Main effects of the swept knobs, means over matched pairs of runs."""
        found = []
        for matched in factors.matched_pairs(self.runs, self.factors):
            comparable = [
                differences(self.runs[a], self.runs[b], self.part, self.question.metric)
                for a, b in matched.pairs
                if not why_not(self.runs[a], self.runs[b], self.part, self.question.metric)
            ]
            if comparable and (mean := mean_differences(comparable)) is not None:
                high, low = (
                    factors.level_name(matched.factor, self.runs, level)
                    for level in (matched.level, 0)
                )
                name = f"{matched.factor.name} {high} against {low}"
                interval = mean.test(self.level).interval
                found.append(Effect(matched.factor, name, interval, len(comparable)))
        return found

    @cached_property
    def target(self) -> best_run.Target | None:
        """Of the winner, on its test where that is open."""
        if self.question.target is None:
            return None
        best = self.runs[self.winner]
        part = "test" if best.opened else "validation"
        return best_run.reaches(best, part, self.question.target, self.level)

    @cached_property
    def runner_up(self) -> int | None:
        """The second by validation."""
        others = [place for place in range(len(self.runs)) if place != self.winner]
        if not others:
            return None
        rest = best_run.index_of_best([self.runs[place] for place in others], self.question.metric)
        return others[rest]
