"""The numbers of a forest plot as texts: beside its rows, as a table, as a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from fashion_exp.reporting.formats import (
    DASH,
    difference_range,
    difference_text,
    number,
    percent,
    pluralize,
    with_limits,
)
from fashion_exp.reporting.report_content import ForestPlot, ForestRow
from fashion_exp.reporting.tables import PlainTable

MAX_NOTES = 6


def forest_table(plot: ForestPlot, difference: bool = False) -> PlainTable:
    """Every number of the figure, including the rows that are not drawn."""
    rows = [
        (
            row.name,
            *(value_text(v, plot, difference) for v in (row.estimate, row.low, row.high)),
            "; ".join(filter(None, ("best run" if row.winner else "", row.note))),
        )
        for row in plot.rows
    ]
    kind = "difference, points" if difference and plot.is_share else "estimate"
    header = ["", kind, "lower limit", "upper limit", "note"]
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return PlainTable(header, rows, plot.title)


def forest_sentence(plot: ForestPlot, difference: bool = False) -> str:
    """A description of the figure for screen readers."""
    rows = [row for row in plot.rows if row.estimate is not None]
    ends = {row.name: f"{row.name}: {estimate_text(row, plot, difference)}" for row in rows}
    first_and_last = list(ends.values())[:: max(len(ends) - 1, 1)]
    lines = [reference_text(name, x, plot, difference) for name, x in plot.lines.items()]
    bands = [
        f"{name}, {value_text(low, plot, difference)} to {value_text(high, plot, difference)}"
        for name, (low, high) in plot.bands.items()
    ]
    parts = [f"{pluralize(len(plot.rows), 'row')} with intervals."]
    parts += ["The first and the last:"] if len(rows) > 2 else []
    parts += [f"{'; '.join(first_and_last)}."] if rows else []
    parts += [f"Lines: {'; '.join(lines)}."] if lines else []
    parts += [f"Bands: {'; '.join(bands)}."] if bands else []
    return " ".join(parts)


def distinct_notes(rows: Sequence[ForestRow]) -> list[str]:
    """Each note once; none if there are more than `MAX_NOTES`, too many below a figure."""
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    return notes if len(notes) <= MAX_NOTES else []


def value_text(value: float | None, plot: ForestPlot, difference: bool) -> str:
    """A difference of shares in percentage points, a share in percent, a loss as it is."""
    if difference:
        return difference_text(value, plot.is_share)
    return percent(value) if plot.is_share else number(value)


def estimate_text(row: ForestRow, plot: ForestPlot, difference: bool) -> str:
    """The estimate with its limits in parentheses."""
    if row.estimate is None:
        return DASH
    if not difference:
        return with_limits(row.estimate, row.low, row.high, plot.is_share)
    text = difference_text(row.estimate, plot.is_share)
    if row.low is None or row.high is None:
        return text
    return f"{text} ({difference_range(row.low, row.high, plot.is_share)})"


def reference_text(name: str, value: float, plot: ForestPlot, difference: bool) -> str:
    """The name of a line with its value; the name alone for a difference of 0."""
    return name if difference and value == 0 else f"{name} {value_text(value, plot, difference)}"
