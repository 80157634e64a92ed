"""The pairs of several runs that are tested as one family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import pandas as pd

from fashion_exp.comparison.pairs import Pair, compare_pairs, omnibus_test
from fashion_exp.reporting.formats import pluralize
from fashion_exp.stats.multiplicity import may_be_best

if TYPE_CHECKING:
    from fashion_exp.comparison.scored_run import ScoredRun
    from fashion_exp.comparison.settings import ComparisonSettings
    from fashion_exp.stats.multiplicity import OmnibusTest


@dataclass(frozen=True)
class PairwiseComparison(ABC):
    runs: Sequence[ScoredRun]
    settings: ComparisonSettings
    omitted_runs: int = 0
    """Further runs that failed or did not finish. Their comparisons count in the family."""

    item = "photo"
    """What is predicted, in sentences."""
    about_trainings = True
    """Whether what is compared was trained, and another training may reverse a verdict."""
    counts_looks = True
    """Whether earlier comparisons of the same recipes on fewer data are counted."""

    @property
    @abstractmethod
    def names(self) -> Sequence[str]: ...

    @property
    @abstractmethod
    def part(self) -> str:
        """The images the runs are compared on."""

    @property
    @abstractmethod
    def ranking(self) -> Sequence[int]:
        """Indices of the runs, best first."""

    @property
    def candidates(self) -> Sequence[int]:
        """Indices of the runs that the winner is chosen from, best first."""
        return self.ranking

    @property
    def compared(self) -> Sequence[int]:
        """Indices of the runs that are tested against each other, best first."""
        return self.ranking

    @property
    def is_best_chosen_by_others(self) -> bool:
        """Whether other data than those compared choose the best run."""
        return False

    @property
    def part_of_items(self) -> str:
        """The part in a count of items ("1,720 test photos"); may be empty."""
        return self.part

    @property
    def compared_items(self) -> str:
        """What the runs are compared on: "test images"."""
        return f"{self.part} images"

    @property
    def compared_by(self) -> str:
        """The quantity compared: "test accuracy"."""
        return f"{self.part} {self.settings.described.label}"

    @property
    def ranked_by(self) -> str:
        """The quantity that ranks the runs."""
        return f"validation {self.settings.described.label}"

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
        """Number of runs that the best one was chosen from by the data compared; 0 if by others."""
        total = len(self.compared) + self.omitted_runs
        if self.settings.baseline is not None or self.settings.pairs == "all" or total < 3:
            return 0
        return 0 if self.is_best_chosen_by_others else total

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
        metric = self.settings.described
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

    @property
    def verdicts(self) -> pd.DataFrame:
        """One row per pair: the verdict on a against b, a minus b with limits that agree with it
        (for all pairs jointly), p and Holm's p, the test, and what the interval estimates."""
        return pd.DataFrame([pair.as_json(self.names) for pair in self.pairs])
