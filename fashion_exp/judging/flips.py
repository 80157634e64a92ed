"""Which items a change gained and lost, beside the flips that a new training alone makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fashion_exp.comparison.gate import EXIT_CODES, Choice, Decision, Gate, decide
from fashion_exp.errors import ExitCode
from fashion_exp.judging.judgement import Judgement


@dataclass(frozen=True)
class FlipCounts:
    """Numbers of items, each a mean over the pairs of a training before and one after.

    Items of one group, such as copies, count as one together.
    """

    name: str
    """A class, or "all"."""
    items: float
    lost: float
    """Right before, wrong after."""
    gained: float
    new_training: float | None
    """Items right in one training and wrong in another of the same tool: as many are lost, and as
    many gained, by training it again. None if no tool has two trainings."""

    def as_json(self) -> dict[str, Any]:
        return vars(self).copy()


@dataclass(frozen=True)
class Flips:
    """From the first run of a judgement, the baseline, to the second."""

    judgement: Judgement

    @cached_property
    def _shares(self) -> tuple[np.ndarray, np.ndarray]:
        """(items,) share of the trainings that are right, before and after."""
        before, after = (_right(self.judgement, index).mean(axis=0) for index in (0, 1))
        return before, after

    @cached_property
    def _weights(self) -> np.ndarray:
        """(items,) 1 divided by the size of the item's group."""
        _, codes, sizes = np.unique(
            self.judgement.matrix(0).groups, return_inverse=True, return_counts=True
        )
        return np.asarray(1 / sizes[codes])

    @cached_property
    def counts(self) -> list[FlipCounts]:
        """All items, then each class."""
        everything = np.ones(len(self._weights), dtype=bool)
        return [
            self._count("all", everything),
            *(self._count(name, of_class) for name, of_class in self._classes.items()),
        ]

    @cached_property
    def _classes(self) -> Mapping[str, np.ndarray]:
        """(items,) which items a class has, by its name; classes without items are left out."""
        run = self.judgement.runs[0]
        assert run.truth is not None
        members = {name: run.truth == code for code, name in enumerate(run.classes)}
        return {name: mask for name, mask in members.items() if mask.any()}

    def _count(self, name: str, chosen: np.ndarray) -> FlipCounts:
        before, after = (share[chosen] for share in self._shares)
        weights = self._weights[chosen]
        noise = [
            float(weights @ variance[chosen])
            for variance in self._new_training
            if variance is not None
        ]
        return FlipCounts(
            name,
            float(weights.sum()),
            float(weights @ (before * (1 - after))),
            float(weights @ ((1 - before) * after)),
            float(np.mean(noise)) if noise else None,
        )

    @cached_property
    def _new_training(self) -> list[np.ndarray | None]:
        """(items,) of each run: the share of its ordered pairs of trainings that are right first
        and wrong second; None with one training."""
        shares: list[np.ndarray | None] = []
        for index in (0, 1):
            right = _right(self.judgement, index)
            count, mean = len(right), right.mean(axis=0)
            pairs = mean * (1 - mean) * count / max(count - 1, 1)
            shares.append(pairs if count > 1 else None)
        return shares

    @cached_property
    def items(self) -> pd.DataFrame:
        """The items that changed, most lost first: id, label, group (a number), and the shares of
        trainings that are right `before` and `after`."""
        before, after = self._shares
        run = self.judgement.runs[0]
        table = pd.DataFrame(
            {
                "id": run.items,
                "label": run.labels("").to_numpy(),
                "group": np.unique(self.judgement.matrix(0).groups, return_inverse=True)[1],
                "before": before,
                "after": after,
            }
        )
        changed = table[before != after]
        order = (changed["after"] - changed["before"]).sort_values(kind="stable").index
        return changed.loc[order].reset_index(drop=True)

    def sentence(self) -> str:
        """ "11 lost, 14 gained; 9 of each expected from a new training"."""
        counts = self.counts[0]
        text = f"{counts.lost:.3g} lost, {counts.gained:.3g} gained of {counts.items:,.0f} items"
        if counts.new_training is None:
            return (
                f"{text}. How many a new training alone would flip is unknown: give 2 or more "
                "trainings of a tool."
            )
        return (
            f"{text}; a new training alone loses about {counts.new_training:.3g} and gains as many."
        )

    def decide_classes(self, gate: Gate) -> ClassDecision:
        """Whether no class loses more than the margin."""
        settings, classes = self.judgement.settings, len(self._classes)
        strict = replace(settings, alpha=settings.alpha / classes)
        by_class = {}
        for name, members in self._classes.items():
            runs = [run.select(np.flatnonzero(members)) for run in self.judgement.runs]
            own = replace(self.judgement, runs=runs)
            by_class[name] = decision = decide(own, gate)
            if decision.decision == "discard" and classes > 1:
                decision = decide(replace(own, settings=strict), gate)
                at_alpha = f" at alpha = {settings.alpha:g}/{classes}, as one of {classes} classes"
                if decision.decision != "discard":
                    at_alpha += "; alone it would be discarded"
                by_class[name] = replace(decision, reason=f"{decision.reason}{at_alpha}")
        return ClassDecision(by_class, f"{gate.margin:g} {settings.described.unit}".rstrip())


@dataclass(frozen=True)
class ClassDecision:
    """Discard if a class is discarded, keep if every class is kept, else undecided.

    A class is kept at alpha, and discarded at alpha divided by the number of classes. So the whole
    is kept wrongly with probability alpha at most, as the class that loses most has to be kept too
    (intersection-union test, Berger 1982), and discarded wrongly with alpha at most (Bonferroni).
    If each were discarded at alpha, one of ten classes that lose just the margin would be with a
    probability of up to 10 alpha.
    """

    by_class: Mapping[str, Decision]
    margin: str
    """With its unit."""

    @property
    def decision(self) -> Choice:
        choices = {each.decision for each in self.by_class.values()}
        if "discard" in choices:
            return "discard"
        return "undecided" if "undecided" in choices else "keep"

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES[self.decision]

    @property
    def sentences(self) -> Sequence[str]:
        """On each class, then on the whole."""
        decision = self.decision
        names = [name for name, own in self.by_class.items() if own.decision == decision]
        reason = {
            "keep": f"no class loses more than {self.margin}",
            "discard": f"more than {self.margin} are lost in {', '.join(names)}",
            "undecided": f"whether more than {self.margin} are lost in {', '.join(names)}",
        }[decision]
        own = [f"{name}: {each.sentence}" for name, each in self.by_class.items()]
        return [*own, f"{decision}: {reason}."]

    def as_json(self) -> dict[str, Any]:
        classes = {name: own.as_json() for name, own in self.by_class.items()}
        return {
            "decision": self.decision, "exit_code": int(self.exit_code), "classes": classes
        }  # fmt: skip


def _right(judgement: Judgement, index: int) -> np.ndarray:
    """(trainings, items) 1 for right and 0 for wrong; the folds of a repeat are one training."""
    matrix = judgement.matrix(index)
    if matrix.is_complete:
        return matrix.values
    pooled = matrix.pool_folds()
    return pooled.values if pooled.is_complete else np.nanmean(pooled.values, axis=0)[None]
