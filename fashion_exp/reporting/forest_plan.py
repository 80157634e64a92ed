"""Where everything of a forest plot stands, and what of its texts fits there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fashion_exp.reporting import style, text_layout
from fashion_exp.reporting.forest_numbers import distinct_notes, estimate_text, line_text
from fashion_exp.reporting.report_content import Forest, ForestRow

# Inches.
_GAP = 0.12
TEXT = 0.16
"""Height of a line of text."""
_WIDE_ROW = 0.26
BAR = 0.15
"""What an interval takes of a narrow row; its name and its numbers stand above it."""
_APART = 0.09
"""Between narrow rows."""
_WIDEST_NAME = 0.4
"""Of the width of a figure; a wider name is broken."""

_REACH = 2.2
"""How long the axis may be, in widths of all intervals together; to what is further off an arrow
points."""


@dataclass(frozen=True)
class Row:
    told: ForestRow
    lines: Sequence[str]
    """The name with the sign of its note; its middle is left out where it is very long."""
    value: str
    top: float
    """Inches from the top of the first row."""
    height: float


@dataclass(frozen=True)
class Plan:
    """Where everything stands; lengths in inches, `low` and `high` the ends of the axis."""

    rows: Sequence[Row]
    low: float
    high: float
    width: float
    left: float
    right: float
    narrow: bool
    """Names and numbers stand over the intervals, not beside them."""
    under: bool
    """Narrow, and the numbers have a line of their own below the name."""

    @property
    def plot(self) -> float:
        return self.width - self.left - self.right

    @property
    def body(self) -> float:
        return sum(row.height for row in self.rows) + 0.05

    def middle(self, row: Row) -> float:
        """Where the interval is."""
        return row.top + (row.height - _APART - BAR / 2 if self.narrow else row.height / 2)

    def across(self, x: float) -> float:
        """Inches from the figure's left side as a share of the axis."""
        return (x - self.left) / self.plot


@dataclass(frozen=True)
class Label:
    """What is written over a line or a band."""

    text: str
    line: float | None
    """Where the line is; none below the label of a band."""
    start: float
    """Inches from the figure's left side."""
    level: int
    """Lines of text between it and the rows."""


def axis_ends(told: Forest, rows: Sequence[ForestRow], difference: bool) -> tuple[float, float]:
    """Both ends of the axis; a line that is too far off is not on it."""
    told_values = (value for row in rows for value in (row.estimate, row.low, row.high))
    values = [value for value in told_values if value is not None and math.isfinite(value)]
    values = [*values, 0.0] if difference or not values else values
    low, high = min(values), max(values)
    least = 0.02 if told.percent else 0.02 * max(map(abs, values)) or 1.0
    reach = _REACH * max(high - low, least)
    for ends in (*told.bands.values(), *((at, at) for at in told.lines.values())):
        wider = min(low, *ends), max(high, *ends)
        if wider[1] - wider[0] <= reach:
            low, high = wider
    pad = max(0.05 * (high - low), (least - (high - low)) / 2)
    if not told.percent or difference:
        return low - pad, high + pad
    # A share cannot pass its ends; the little beyond them keeps the marker whole.
    return max(low - pad, -0.004), min(high + pad, 1.004)


def plan_rows(
    told: Forest,
    rows: Sequence[ForestRow],
    ends: tuple[float, float],
    width: float,
    difference: bool,
) -> Plan:
    """The layout for a width in inches: below 5 the texts stand over their intervals."""
    signs = [_sign(row, distinct_notes(rows)) for row in rows]
    values = [estimate_text(row, told, difference) for row in rows]
    names = [
        text_layout.inches(row.name + sign, style.LABEL, row.winner)
        for row, sign in zip(rows, signs, strict=True)
    ]
    numbers = [
        text_layout.inches(value, style.LABEL, row.winner)
        for row, value in zip(rows, values, strict=True)
    ]
    narrow, under = width < 5, False
    if narrow:
        left = right = 0.14
        room = width - 0.06
        under = any(sum(size) + 2 * _GAP > room for size in zip(names, numbers, strict=True))
    else:
        room = min(max([*names, 0.2]) + 0.02, _WIDEST_NAME * width)
        left, right = room + 2 * _GAP, max([*numbers, 0.2]) + 2 * _GAP
    placed: list[Row] = []
    top = 0.03
    for row, sign, value in zip(rows, signs, values, strict=True):
        lines = _lines(row, sign, room, 3 if narrow else 2)
        text = TEXT * (len(lines) + under)
        height = text + BAR + _APART if narrow else max(_WIDE_ROW, text + 0.07)
        placed.append(Row(row, lines, value, top, height))
        top += height
    return Plan(placed, *ends, width, left, right, narrow, under)


def _lines(row: ForestRow, sign: str, room: float, most: int) -> list[str]:
    room -= text_layout.inches(sign, style.LABEL, row.winner)
    *lines, last = text_layout.wrap(row.name, style.LABEL, room, row.winner, most) or [""]
    return [*lines, last + sign]


_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _sign(row: ForestRow, notes: Sequence[str]) -> str:
    return f"{notes.index(row.note) + 1}".translate(_SUPERSCRIPTS) if row.note in notes else ""


def footnotes(told: Forest, rows: Sequence[ForestRow]) -> list[str]:
    notes = distinct_notes(rows)
    """What stands below the figure."""
    feet = [f"{place}".translate(_SUPERSCRIPTS) + f" {note}" for place, note in enumerate(notes, 1)]
    if any(row.winner for row in rows):
        feet.append("Diamond: the winner.")
    if any(row.muted for row in rows):
        feet.append("Hollow: to be read with its note.")
    if len(told.rows) > len(rows):
        feet.append(f"The first {len(rows)} of {len(told.rows)} rows.")
    return feet


def place_labels(told: Forest, plan: Plan, difference: bool) -> list[Label]:
    """Lines from left to right, then bands, each as low as it can stand without touching another.

    Equal lines share one label; an arrow leads to a line that is not on the axis.
    """
    at: dict[float, list[str]] = {}
    for name, value in told.lines.items():
        at.setdefault(value, []).append(name)
    asked: list[tuple[str, float | None, float, float]] = []
    for value in sorted(at):
        *others, last = at[value]
        text = ", ".join([*others, line_text(last, value, told, difference)])
        if plan.low <= value <= plan.high:
            asked.append((text, value, value, 0.5))
        elif value < plan.low:
            asked.append((f"\N{LEFTWARDS ARROW} {text}", None, plan.low, 0.0))
        else:
            asked.append((f"{text} \N{RIGHTWARDS ARROW}", None, plan.high, 1.0))
    for name, (start, end) in told.bands.items():
        if start <= plan.high and end >= plan.low:
            middle = (max(start, plan.low) + min(end, plan.high)) / 2
            asked.append((name, None, middle, 0.5))
    taken: list[list[tuple[float, float]]] = []
    placed = []
    for name, line, over, lean in asked:
        text = text_layout.fit(name, style.SMALL, plan.width - 0.06)
        wide = text_layout.inches(text, style.SMALL)
        x = plan.left + (over - plan.low) / (plan.high - plan.low) * plan.plot
        start = min(max(x - lean * wide, 0.03), plan.width - wide - 0.03)
        place = (start - _GAP / 2, start + wide + _GAP / 2)
        free = (
            level
            for level, others in enumerate(taken)
            if all(place[1] <= other[0] or other[1] <= place[0] for other in others)
        )
        level = next(free, len(taken))
        taken += [[]] if level == len(taken) else []
        taken[level].append(place)
        placed.append(Label(text, line, start, level))
    return placed
