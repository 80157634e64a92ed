"""The numbers of a forest plot in words: beside its rows, as a table, as a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from fashion_exp.reporting.formats import number, percent, span
from fashion_exp.reporting.percentage_points import difference_span, difference_text
from fashion_exp.reporting.report_content import Forest, ForestRow
from fashion_exp.reporting.tables import PlainTable

MOST_NOTES = 6


def forest_table(told: Forest, difference: bool = False) -> PlainTable:
    """Every number of the figure, and the rows that it leaves out."""
    kind = "difference, points" if difference and told.percent else "estimate"
    rows = [
        (
            row.name,
            written(row.estimate, told.percent, difference),
            *(written(limit, told.percent, difference) for limit in (row.low, row.high)),
            "; ".join(filter(None, ("the winner" if row.winner else "", row.note))),
        )
        for row in told.rows
    ]
    header = ["", kind, "lower limit", "upper limit", "note"]
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return PlainTable(header, rows, told.title)


def forest_sentence(told: Forest, difference: bool = False) -> str:
    """What the figure shows, for who does not see it."""
    rows = [row for row in told.rows if row.estimate is not None]
    ends = {row.name: row for row in (*rows[:1], *rows[-1:])}
    shown = "; ".join(
        f"{row.name}: {estimate_text(row, told, difference)}" for row in ends.values()
    )
    lines = "; ".join(line_text(name, at, told, difference) for name, at in told.lines.items())
    between = " The first and the last:" if len(rows) > 2 else ""
    count = f"{len(told.rows)} row{'s' * (len(told.rows) != 1)} with intervals."
    bands = "; ".join(
        f"{name}, {written(low, told.percent, difference)} to "
        f"{written(high, told.percent, difference)}"
        for name, (low, high) in told.bands.items()
    )
    named = (lines and f"Lines: {lines}.", bands and f"Bands: {bands}.")
    return " ".join(filter(None, (count + between, shown and f"{shown}.", *named)))


def distinct_notes(rows: Sequence[ForestRow]) -> list[str]:
    """Each note once; none if there are too many for the foot of a figure."""
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    return notes if len(notes) <= MOST_NOTES else []


def written(value: float | None, share: bool, difference: bool) -> str:
    """A value of a forest: a share in percent, a difference in points, a loss as it is."""
    if difference:
        return difference_text(value, share)
    return percent(value) if share else number(value)


def estimate_text(row: ForestRow, told: Forest, difference: bool) -> str:
    """The estimate and, in parentheses, its limits."""
    text = written(row.estimate, told.percent, difference)
    if row.low is None or row.high is None:
        return text
    if difference:
        limits = difference_span(row.low, row.high, told.percent)
    elif told.percent:
        limits = span(row.low, row.high)
    else:
        limits = f"{number(row.low)}\N{EN DASH}{number(row.high)}"
    return f"{text} ({limits})"


def line_text(name: str, at: float, told: Forest, difference: bool) -> str:
    """A reference line by its name and value; the name alone says where no difference is."""
    return name if difference and at == 0 else f"{name} {written(at, told.percent, difference)}"
