"""The cells of a multirun: every combination, values side by side, cells one by one, ranges."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import IntervalSweep, Override

from fashion_exp.configuration.overrides import parse_overrides, quote_if_needed
from fashion_exp.errors import InputError

GridPoint = tuple[str, ...]
"""The overrides that a job has beside those that all share."""

SEEDS = ("seed", "split.seed")


def grid_points(
    swept: Sequence[str], zipped: Sequence[str], listed: Sequence[str]
) -> list[GridPoint]:
    """The cells of the `swept` overrides and of those `listed`, each a line of overrides.

    Every combination of the values of each key; keys of `zipped` are walked through side by side;
    a listed cell counts as one value. Raises `InputError` for what does not go together.
    """
    axes = _axes(swept)
    whole = [split_grid_point(line) for line in listed]
    _check_listed(axes, whole)
    for key in zipped:
        if key not in axes:
            told = ", ".join(axes) or "nothing"
            raise InputError(f"sweep.zip: {key} is not swept; swept is {told}")
    counts = {key: len(axes[key]) for key in zipped}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{key} has {count}" for key, count in counts.items())
        raise InputError(f"sweep.zip: as many values for each key, but {told}")
    together: list[GridPoint] = list(zip(*(axes[key] for key in zipped), strict=True))
    walked: list[list[GridPoint]] = [
        [(line,) for line in lines] for key, lines in axes.items() if key not in zipped
    ]
    walked += [more for more in (together, whole) if more]
    return [tuple(chain.from_iterable(cell)) for cell in product(*walked)]


def split_grid_point(cell: object) -> GridPoint:
    """The overrides of a cell of `sweep.cells`; raises `InputError` where it is no line of them."""
    try:
        if not isinstance(cell, str):
            raise ValueError("no text")
        return tuple(map(quote_if_needed, shlex.split(cell)))
    except ValueError as error:
        raise InputError(
            f"sweep.cells: {cell}: {str(error).lower()}; each is a line as it would be typed: "
            "\"sweep.cells=['model=vgg16 optim.lr=2e-4','model=resnet50']\""
        ) from None


def swept_keys(swept: Sequence[str], listed: Sequence[str]) -> list[str]:
    """The keys that differ from cell to cell, each once, in the order typed."""
    words = [*swept, *chain.from_iterable(map(split_grid_point, listed))]
    return list(dict.fromkeys(word.lstrip("+").partition("=")[0] for word in words))


def check_swept_keys(keys: Sequence[str]) -> None:
    """Raises `InputError` for what is no setting to choose by."""
    for key in keys:
        if key.startswith("hydra"):
            raise InputError(f"{key}: belongs to the sweep as a whole, and takes one value")
        if key in SEEDS or key.startswith("seeds."):
            raise InputError(
                f"{key}: a seed is no setting to choose by, and the best of several is luck; "
                "repeats=5 trains five times within each job, and judges by all of them"
            )


@dataclass(frozen=True)
class Range:
    """What a search may take from an interval, both ends included."""

    key: str
    low: float
    high: float
    log: bool
    whole: bool

    @property
    def ends(self) -> tuple[str, str]:
        return f"{self.key}={self.low:g}", f"{self.key}={self.high:g}"

    @property
    def between(self) -> tuple[str, ...]:
        inside = self.low + 0.4 * (self.high - self.low)
        return (f"{self.key}={int(inside) if self.whole else f'{inside:.5g}'}",)


@dataclass(frozen=True)
class Choices:
    """What a search may take from a list: the override of each value."""

    key: str
    lines: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, str]:
        return self.lines[0], self.lines[-1]

    @property
    def between(self) -> tuple[str, ...]:
        return self.lines[1:-1]


Axis = Range | Choices


def search_space(swept: Sequence[str]) -> list[Axis]:
    """The axes of a search. Raises `InputError` for a range that cannot be searched."""
    return [_axis(override) for override in parse_overrides(swept)]


def _axis(override: Override) -> Axis:
    value, key = override.value(), override.get_key_element()
    if not isinstance(value, IntervalSweep):
        return Choices(key, tuple(_lines(override)))
    assert value.start is not None and value.end is not None
    for tag in value.tags - {"log"}:
        raise InputError(
            f"{override.input_line}: {tag}: no such tag; tag(log, …) alone has a meaning here"
        )
    log, whole = "log" in value.tags, isinstance(value.start, int)
    if not value.start < value.end or (log and value.start <= 0):
        raise InputError(
            f"{override.input_line}: the range has to go upwards"
            + (", and a logarithmic one starts above 0" if log else "")
        )
    return Range(key, value.start, value.end, log, whole)


def probe_points(swept: Sequence[str]) -> list[GridPoint]:
    """What a search is checked by before it begins: all of its ranges and lists at their low ends,
    all at their high ends, and beside the low ends of the rest each other value of a list, and one
    within each range."""
    axes = search_space(swept)
    lows = tuple(axis.ends[0] for axis in axes)
    between = [
        (*lows[:place], line, *lows[place + 1 :])
        for place, axis in enumerate(axes)
        for line in axis.between
    ]
    return [lows, tuple(axis.ends[1] for axis in axes), *between]


def _axes(swept: Sequence[str]) -> dict[str, list[str]]:
    """The overrides that each swept key stands for, in the order typed."""
    axes: dict[str, list[str]] = {}
    for override in parse_overrides(swept):
        if override.is_interval_sweep():
            raise InputError(
                f"{override.input_line}: a range has no list of values; hydra/sweeper=optuna "
                "searches it"
            )
        axes[override.get_key_element()] = list(_lines(override))
    return axes


def _lines(override: Override) -> Iterator[str]:
    for batch in BasicSweeper.split_arguments([override], None):
        for (line,) in batch:
            yield line


def _check_listed(axes: Mapping[str, list[str]], whole: Sequence[GridPoint]) -> None:
    for cell in whole:
        for override in parse_overrides(cell):
            if override.is_sweep_override():
                raise InputError(f"sweep.cells: {override.input_line} has several values; one each")
            if override.get_key_element() in axes:
                raise InputError(
                    f"sweep.cells: {override.input_line}: swept beside the cells too; leave one out"
                )
