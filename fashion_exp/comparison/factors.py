"""Finds the settings in which runs differ, and what that allows to conclude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from fashion_exp.comparison.settings_in_force import (
    differing_settings,
    follow_from_network,
    follows_from_choice,
)
from fashion_exp.configuration.overrides import rerun_command, split_override
from fashion_exp.configuration.solved_heads import options_without_effect
from fashion_exp.errors import InputError
from fashion_exp.evaluation.run_dir import RunDir

if TYPE_CHECKING:
    from fashion_exp.comparison.run_data import RunData

MAX_BUDGET_RATIO = 2
"""Larger ratios of optimizer steps between runs are reported."""
MAX_GRID_POINTS = 256
"""Larger grids are not listed: nobody intended to run them."""
MAX_LISTED_RUNS = 4
"""The pairs of more runs are counted, not listed."""


@dataclass(frozen=True)
class Factor:
    """Options that always change together over the runs, so that their effects are confounded."""

    options: tuple[str, ...]
    levels: tuple[int, ...]
    """The level of each run; runs on the same level have the same values."""

    @property
    def name(self) -> str:
        """The short name of its most informative option."""
        preferred = ("model.name", "dataset.name")
        option = next((name for name in preferred if name in self.options), self.options[0])
        group, _, short = option.rpartition(".")
        return group if short == "name" else short


def find_factors(runs: Sequence[RunData]) -> list[Factor]:
    """The settings in force in which the runs differ; settings that always change together are one
    factor. What follows from the network is no setting beside `model.name`."""
    options_by_levels: dict[tuple[int, ...], list[str]] = {}
    settings = [run.settings for run in runs]
    following = follow_from_network(settings, [run.options for run in runs])
    for option, values in differing_settings(settings).items():
        if option in following:
            continue
        distinct = list(dict.fromkeys(map(repr, values)))
        levels = tuple(distinct.index(repr(value)) for value in values)
        options_by_levels.setdefault(levels, []).append(option)
    return [Factor(tuple(names), levels) for levels, names in options_by_levels.items()]


def level_name(factor: Factor, runs: Sequence[RunData], level: int) -> str:
    """The value of a factor's main option at a level."""
    names = (option for option in factor.options if option.endswith(".name"))
    option = next(names, factor.options[0])
    run = runs[factor.levels.index(level)]
    # The weights in force are a hash.
    value = (run.options if option == "model.weights" else run.settings).get(option)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _differing(factors: Sequence[Factor], a: int, b: int) -> list[Factor]:
    return [factor for factor in factors if factor.levels[a] != factor.levels[b]]


def describe_confounds(
    runs: Sequence[RunData], names: Sequence[str], factors: Sequence[Factor]
) -> list[str]:
    """Sentences about settings that changed together and different training budgets."""
    pairs = list(combinations(range(len(runs)), 2))
    differing = {(a, b): _differing(factors, a, b) for a, b in pairs}
    sentences = []
    if len(runs) > 2:
        together = [_settings(runs, [factor], range(len(runs))) for factor in factors]
        sentences = [
            f"{', '.join(settings)} changed together in all of these runs: their effects cannot be "
            "separated."
            for settings in together
            if len(settings) > 1
        ]
        differing = {
            pair: names_differing
            for pair, names_differing in differing.items()
            if len(names_differing) > 1
        }
    if len(runs) <= MAX_LISTED_RUNS:
        for (a, b), names_differing in differing.items():
            settings = _settings(runs, names_differing, (a, b))
            if len(settings) > 1:
                sentences.append(
                    f"{names[a]} and {names[b]} differ in {len(settings)} settings: "
                    f"{', '.join(settings)}."
                )
    elif differing:
        settings = _settings(runs, factors, range(len(runs)))
        sentences.append(
            f"{len(differing)} of the {len(pairs)} pairs differ in more than one setting "
            f"({', '.join(settings)}): the difference of such a pair is the effect of all of them "
            "together. Main effects compare only runs that differ in one."
        )
    counts = [update_count(run) for run in runs]
    low, high = min(counts), max(counts)
    if low and high > MAX_BUDGET_RATIO * low:
        sentences.append(
            f"Training budgets differ by more than a factor of {MAX_BUDGET_RATIO}: "
            f"{names[counts.index(low)]} has {low:,} updates, {names[counts.index(high)]} {high:,}."
        )
    return sentences


def _settings(
    runs: Sequence[RunData], factors: Sequence[Factor], compared: Sequence[int]
) -> list[str]:
    """All settings of these factors, without those that only follow from another one."""
    options = [option for factor in factors for option in factor.options]
    return [
        option
        for option in options
        if not follows_from_choice(option, [runs[index].settings for index in compared], options)
    ]


def update_count(run: RunData) -> int:
    """Optimizer steps of one training; 0 if unknown, as of imported predictions."""
    return int(run.trainings["updates"].max())


def missing_grid_commands(runs: Sequence[RunData], factors: Sequence[Factor]) -> list[str]:
    """Commands for the combinations of levels that no run has, without those that are refused.

    None if the grid is too large.
    """
    if any(RunDir(run.result.output).is_imported for run in runs):
        return []  # no command trains the model of another tool
    grid = list(product(*(sorted(set(factor.levels)) for factor in factors))) if factors else []
    if not 1 < len(grid) <= MAX_GRID_POINTS:
        return []
    present = set(zip(*(factor.levels for factor in factors), strict=True))
    missing = [_grid_overrides(runs, factors, point) for point in grid if point not in present]
    return [rerun_command(overrides) for overrides in missing if _is_accepted(overrides)]


def _is_accepted(overrides: Sequence[str]) -> bool:
    from fashion_exp.configuration.composition import parse_command_line  # few comparisons need it

    try:
        return bool(overrides) and len(parse_command_line(overrides).jobs) == 1
    except InputError:
        return False


def _grid_overrides(
    runs: Sequence[RunData], factors: Sequence[Factor], point: tuple[int, ...]
) -> list[str]:
    """The overrides of the run nearest to a grid point, with the differing options replaced.

    Empty if a differing option cannot be set alone.
    """

    def distance(index: int) -> tuple[int, int]:
        differing = [f for f, level in zip(factors, point, strict=True) if f.levels[index] != level]
        return sum(len(factor.options) for factor in differing), index

    nearest = min(range(len(runs)), key=distance)
    overrides = list(runs[nearest].overrides)
    for factor, level in zip(factors, point, strict=True):
        if factor.levels[nearest] == level:
            continue
        if len(factor.options) > 1:
            return []  # the options come from a choice of a group, not from one override
        option = factor.options[0]
        source = runs[factor.levels.index(level)]
        values = [
            kind.get(option)
            for run in (source, runs[nearest])
            for kind in (run.options, run.settings)
        ]
        if any(value is None for value in values):
            return []  # the option has no effect there
        value = source.options[option]
        if option == "model.head" and _changes_what_is_read(runs[nearest], value, factors):
            return []  # a level of another factor belongs to one of the heads only
        overrides = [text for text in overrides if split_override(text)[0] != option]
        overrides.append(f"{option}={_format_value(value)}")
    return overrides


def _changes_what_is_read(run: RunData, head: str, factors: Sequence[Factor]) -> bool:
    """Whether an option of the factors acts with the head of the run or with this one only."""
    unread = {*options_without_effect(run.options["model.head"])} ^ {*options_without_effect(head)}
    return any(not unread.isdisjoint(factor.options) for factor in factors)


def _format_value(value: Any) -> str:
    """As it is typed in an override."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(_format_value, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class MatchedPairs:
    """Pairs of runs (level, first level) that differ in this factor only."""

    factor: Factor
    level: int
    pairs: tuple[tuple[int, int], ...]


def matched_pairs(runs: Sequence[RunData], factors: Sequence[Factor]) -> list[MatchedPairs]:
    """The pairs behind the main effects: each later level of a factor against its first."""
    matched = []
    for factor in factors:
        for level in sorted(set(factor.levels))[1:]:
            pairs = tuple(
                (b, a)
                for a, b in product(range(len(runs)), repeat=2)
                if factor.levels[a] == 0
                and factor.levels[b] == level
                and _differing(factors, a, b) == [factor]
            )
            if pairs:
                matched.append(MatchedPairs(factor, level, pairs))
    return matched
