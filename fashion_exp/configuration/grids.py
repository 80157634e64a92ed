"""The grid points of a multirun, and the search space of a search."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from math import prod

from hydra.core.override_parser.types import IntervalSweep, Override

from fashion_exp.configuration.overrides import (
    MAX_VALUES,
    parse_overrides,
    quote_if_needed,
    split_override,
    sweep_values,
)
from fashion_exp.errors import InputError

GridPoint = tuple[str, ...]
"""The overrides of one job, beside those that all jobs share."""

SEEDS = ("seed", "split.seed")


def grid_points(
    swept: Sequence[str], zipped: Sequence[str], listed: Sequence[str]
) -> list[GridPoint]:
    """Every combination of the values of the swept overrides.

    The options in `zipped` are varied together. `listed` are single grid points, each a line of
    overrides; together they count as one more axis. Raises `InputError` if they do not fit.
    """
    axes = _axes(swept)
    points = [split_grid_point(line) for line in listed]
    _check_listed(axes, points)
    for option in zipped:
        if option not in axes:
            raise InputError(
                f"sweep.zip: {option} is not swept; swept: {', '.join(axes) or 'nothing'}"
            )
    counts = {option: len(axes[option]) for option in zipped}
    if len(set(counts.values())) > 1:
        numbers = ", ".join(f"{option} has {count}" for option, count in counts.items())
        raise InputError(f"sweep.zip: the options need equally many values, but {numbers}")
    together: list[GridPoint] = list(zip(*(axes[option] for option in zipped), strict=True))
    all_axes: list[list[GridPoint]] = [
        [(override,) for override in overrides]
        for option, overrides in axes.items()
        if option not in zipped
    ]
    all_axes += [axis for axis in (together, points) if axis]
    if (jobs := prod(map(len, all_axes))) > MAX_VALUES:
        raise InputError(f"{jobs:,} jobs: at most {MAX_VALUES:,} are run; sweep fewer values")
    return [tuple(chain.from_iterable(combination)) for combination in product(*all_axes)]


def split_grid_point(line: object) -> GridPoint:
    """The overrides of an entry of `sweep.points`; raises `InputError` if it is malformed."""
    try:
        if not isinstance(line, str):
            raise ValueError("not text")
        return tuple(map(quote_if_needed, shlex.split(line)))
    except ValueError as error:
        raise InputError(
            f"sweep.points: {line}: {str(error).lower()}; write each point as it would be typed: "
            "\"sweep.points=['model=vgg16 optim.lr=2e-4','model=resnet50']\""
        ) from None


def parse_grid_point(line: object) -> list[Override]:
    """The parsed overrides of an entry of `sweep.points`; raises `InputError`."""
    try:
        return parse_overrides(split_grid_point(line))
    except InputError as error:
        raise InputError(f"sweep.points: {str(error).removeprefix('sweep.points: ')}") from None


def swept_keys(swept: Sequence[str], listed: Sequence[str]) -> list[str]:
    """The options that differ between grid points, in the order typed."""
    overrides = [*swept, *chain.from_iterable(map(split_grid_point, listed))]
    return list(dict.fromkeys(split_override(override)[0] for override in overrides))


def check_swept_keys(keys: Sequence[str]) -> None:
    """Raises `InputError` for options that must not be swept."""
    for key in keys:
        if key.startswith("hydra"):
            raise InputError(f"{key}: applies to the whole sweep and takes one value")
        if key in SEEDS or key.startswith("seeds."):
            raise InputError(
                f"{key}: seeds cannot be swept: picking the best seed is selection bias; use "
                "repeats=5 to train five times within each job"
            )


@dataclass(frozen=True)
class Range:
    """An interval that a search draws from, both ends included."""

    key: str
    low: float
    high: float
    log: bool
    integer: bool

    @property
    def ends(self) -> tuple[str, str]:
        return f"{self.key}={self.low:g}", f"{self.key}={self.high:g}"

    @property
    def between(self) -> tuple[str, ...]:
        value = self.low + 0.4 * (self.high - self.low)
        return (f"{self.key}={int(value) if self.integer else f'{value:.5g}'}",)


@dataclass(frozen=True)
class Choices:
    """A list that a search draws from: the override for each value."""

    key: str
    overrides: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, str]:
        return self.overrides[0], self.overrides[-1]

    @property
    def between(self) -> tuple[str, ...]:
        return self.overrides[1:-1]


Axis = Range | Choices


def search_space(swept: Sequence[str]) -> list[Axis]:
    """The axes of a search. Raises `InputError` for a range that cannot be searched."""
    return [_search_axis(override) for override in parse_overrides(swept, multirun=True)]


def _search_axis(override: Override) -> Axis:
    value, key = override.value(), override.get_key_element()
    if not isinstance(value, IntervalSweep):
        return Choices(key, tuple(sweep_values(override)))
    assert value.start is not None and value.end is not None
    for tag in value.tags - {"log"}:
        raise InputError(f"{override.input_line}: unknown tag {tag}; the only one is tag(log, …)")
    log, integer = "log" in value.tags, isinstance(value.start, int)
    if not value.start < value.end:
        raise InputError(f"{override.input_line}: lower bound must be below upper bound")
    if log and value.start <= 0:
        raise InputError(f"{override.input_line}: a logarithmic range must start above 0")
    return Range(key, value.start, value.end, log, integer)


def probe_points(swept: Sequence[str]) -> list[GridPoint]:
    """The grid points that are checked before a search begins.

    All axes at their low ends; all at their high ends; and, with the others at their low ends,
    each further value of a list and one value within each range.
    """
    axes = search_space(swept)
    lows = tuple(axis.ends[0] for axis in axes)
    between = [
        (*lows[:i], override, *lows[i + 1 :])
        for i, axis in enumerate(axes)
        for override in axis.between
    ]
    return [lows, tuple(axis.ends[1] for axis in axes), *between]


def _axes(swept: Sequence[str]) -> dict[str, list[str]]:
    """The overrides that each swept option stands for, in the order typed."""
    axes: dict[str, list[str]] = {}
    for override in parse_overrides(swept, multirun=True):
        if override.is_interval_sweep():
            raise InputError(
                f"{override.input_line}: a grid needs single values; use hydra/sweeper=optuna to "
                "search a range"
            )
        axes[_option_of(override)] = sweep_values(override)
    return axes


def _option_of(override: Override) -> str:
    return split_override(override.get_key_element())[0]


def _check_listed(axes: Mapping[str, list[str]], points: Sequence[GridPoint]) -> None:
    for override in chain.from_iterable(map(parse_overrides, points)):
        if override.is_sweep_override():
            raise InputError(f"sweep.points: {override.input_line}: give one value per point")
        if _option_of(override) in axes:
            raise InputError(
                f"sweep.points: {override.input_line}: this option is also swept; remove one"
            )
