"""Which knobs differ between the runs, and what that allows to conclude."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from fashion_exp.comparison.run_data import RunData, rerun_command
from fashion_exp.configuration.schema import RESULT_NEUTRAL_OPTIONS

BUDGET_RATIO = 2
"""Training budgets that differ by more than this are said."""
MOST_CELLS = 256
"""Grids larger than this are no grids that anybody meant to run."""


@dataclass(frozen=True)
class Factor:
    """Knobs that change together over the runs: what one of them does, no run can tell."""

    knobs: tuple[str, ...]
    levels: tuple[int, ...]
    """Of each run; runs of one level have the same values."""

    @property
    def name(self) -> str:
        """The knob's last word; of several, the one that says most."""
        telling = next((k for k in ("model.name", "dataset.name") if k in self.knobs), None)
        knob = telling or self.knobs[0]
        group, _, last = knob.rpartition(".")
        return group if last == "name" else last


def factors(members: Sequence[RunData]) -> list[Factor]:
    """The knobs in which the runs differ, those that always change together as one factor."""
    by_partition: dict[tuple[int, ...], list[str]] = {}
    for knob in members[0].knobs:
        if knob in RESULT_NEUTRAL_OPTIONS or knob.startswith("sweep."):
            continue
        values = [repr(member.knobs.get(knob)) for member in members]
        distinct = list(dict.fromkeys(values))
        if len(distinct) > 1:
            levels = tuple(distinct.index(value) for value in values)
            by_partition.setdefault(levels, []).append(knob)
    return [Factor(tuple(names), levels) for levels, names in by_partition.items()]


def level_name(factor: Factor, members: Sequence[RunData], level: int) -> str:
    """The value of a factor's leading knob at a level."""
    knob = next((k for k in factor.knobs if k.endswith(".name")), factor.knobs[0])
    value = members[factor.levels.index(level)].knobs.get(knob)
    return f"{value:g}" if isinstance(value, float) else str(value)


def differing(found: Sequence[Factor], a: int, b: int) -> list[Factor]:
    return [factor for factor in found if factor.levels[a] != factor.levels[b]]


def confounds(
    members: Sequence[RunData], names: Sequence[str], found: Sequence[Factor]
) -> list[str]:
    """Sentences about what differs beside the one thing that a comparison is about."""
    told = [_together(factor) for factor in found if len(factor.knobs) > 1]
    several = [
        (a, b, apart)
        for a, b in combinations(range(len(members)), 2)
        if len(apart := differing(found, a, b)) > 1
    ]
    if len(members) <= 4:
        told += [
            f"{names[a]} and {names[b]} differ in {len(apart)} factors: "
            f"{', '.join(factor.name for factor in apart)}."
            for a, b, apart in several
        ]
    elif several:
        pairs = len(members) * (len(members) - 1) // 2
        told.append(
            f"{len(several)} of the {pairs} pairs differ in more than one factor "
            f"({', '.join(factor.name for factor in found)}): such a pair's difference is of all "
            "of them together. Main effects compare runs that differ in one factor alone."
        )
    return told + list(_budgets(members, names))


def _together(factor: Factor) -> str:
    return (
        f"{', '.join(factor.knobs)} change together in these runs: what each of them does cannot "
        "be told apart."
    )


def updates(member: RunData) -> int:
    """Optimizer steps of one training."""
    return int(member.trainings["updates"].max())


def _budgets(members: Sequence[RunData], names: Sequence[str]) -> Iterator[str]:
    steps = [updates(member) for member in members]
    least, most = min(steps), max(steps)
    if most > BUDGET_RATIO * least:
        yield (
            f"Training budgets differ by more than {BUDGET_RATIO}×: {names[steps.index(least)]} "
            f"made {least:,} updates, {names[steps.index(most)]} {most:,}."
        )


def missing_cells(members: Sequence[RunData], found: Sequence[Factor]) -> list[str]:
    """Commands of the combinations of levels that no run has, where they are few enough."""
    grid = list(product(*(sorted(set(factor.levels)) for factor in found))) if found else []
    if not 1 < len(grid) <= MOST_CELLS:
        return []
    present = set(zip(*(factor.levels for factor in found), strict=True))
    return [line for cell in grid if cell not in present if (line := _cell(members, found, cell))]


def _cell(members: Sequence[RunData], found: Sequence[Factor], cell: tuple[int, ...]) -> str:
    """The command of a run nearest to the cell, with what differs typed after it."""

    def distance(place: int) -> tuple[int, int]:
        apart = [f for f, level in zip(found, cell, strict=True) if f.levels[place] != level]
        return sum(len(factor.knobs) for factor in apart), place

    base = min(range(len(members)), key=distance)
    words = list(members[base].overrides)
    for factor, level in zip(found, cell, strict=True):
        if factor.levels[base] == level:
            continue
        if len(factor.knobs) > 1:
            return ""  # another group's choice stands behind it: no single knob to type
        knob = factor.knobs[0]
        value = members[factor.levels.index(level)].knobs.get(knob)
        if value is None or members[base].knobs.get(knob) is None:
            return ""  # it cannot act there
        words = [word for word in words if word.lstrip("+").partition("=")[0] != knob]
        words.append(f"{knob}={_typed(value)}")
    return rerun_command(words)


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Matched:
    """A level of a factor against its first, and the pairs of runs that differ in this alone."""

    factor: Factor
    level: int
    pairs: tuple[tuple[int, int], ...]


def matched_pairs(members: Sequence[RunData], found: Sequence[Factor]) -> list[Matched]:
    """What the main effects are made of: each later level of a factor against its first."""
    matched = []
    for factor in found:
        for high in sorted(set(factor.levels))[1:]:
            pairs = tuple(
                (b, a)
                for a, b in product(range(len(members)), repeat=2)
                if factor.levels[a] == 0
                and factor.levels[b] == high
                and differing(found, a, b) == [factor]
            )
            if pairs:
                matched.append(Matched(factor, high, pairs))
    return matched
