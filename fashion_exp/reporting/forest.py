"""The forest plot: one row per estimate with its interval, and reference lines and bands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_exp.reporting import style
from fashion_exp.reporting.forest_text import distinct_notes, estimate_text, reference_text
from fashion_exp.reporting.formats import signed
from fashion_exp.reporting.report_content import ForestPlot, ForestRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_ROWS = 60
_MAX_NAME_WIDTH = 0.38
"""Share of a wide figure; longer names are wrapped."""
_MAX_STRETCH = 2.2
"""The axis reaches a reference unless this makes it longer than all intervals by this factor."""

# The y axis counts lines of text.
_LINE = style.LABEL * style.LINE_HEIGHT / 72
"""Inches."""
_GAP = 0.6
"""Between two rows."""
_BAR = 1.0
"""Height of an interval that has its name above it."""

_DASHES: Sequence[Any] = ((0, (4, 2)), (0, (1, 1.5)), (0, (7, 2, 1, 2)), (0, (10, 3)))
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class _Row:
    """A row with its position on the y axis."""

    row: ForestRow
    name: list[str]
    """Lines, with the superscript of the note."""
    value: str
    """Empty if it is the last line of the name."""
    top: float
    center: float
    """Where the interval is."""
    bottom: float


def forest_figure(plot: ForestPlot, width: float = style.WIDE, difference: bool = False) -> Figure:
    """Draws the first `MAX_ROWS` rows in a figure of `width` inches.

    Below 5 inches, names and numbers stand above their intervals instead of beside them.
    `difference`: the estimates are differences; the axis includes 0, and numbers have signs.
    """
    from matplotlib.figure import Figure

    narrow = width < 5
    rows = _place_rows(plot, width, difference)
    end = rows[-1].bottom if rows else 1.0
    figure = Figure(figsize=(width, _LINE * end + 3), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=axis_limits(plot, difference), ylim=(end, 0), yticks=[])
    _format_axes(axes, plot.is_share, difference, narrow)
    for item in rows:
        _draw_interval(axes, item)
        _label_row(axes, item, narrow)
    # On a phone, lines are interrupted where names and numbers stand.
    spans = [(item.center - 0.4 * _BAR, item.center + 0.4 * _BAR) for item in rows]
    _draw_references(axes, plot, spans if narrow else [(0, end)], difference)
    _explain_marks(axes, plot)
    style.legend_below(figure, *axes.get_legend_handles_labels())
    style.fix_layout(figure, axes, _LINE * end)
    return figure


def axis_limits(plot: ForestPlot, difference: bool = False) -> tuple[float, float]:
    """The limits of the x axis; references that are far away are outside."""
    rows = plot.rows[:MAX_ROWS]
    numbers = (value for row in rows for value in (row.estimate, row.low, row.high))
    values = [value for value in numbers if value is not None and math.isfinite(value)]
    values = [*values, 0.0] if difference or not values else values
    low, high = min(values), max(values)
    min_length = 0.02 if plot.is_share else 0.02 * max(map(abs, values)) or 1.0
    max_length = _MAX_STRETCH * max(high - low, min_length)
    for ends in (*plot.bands.values(), *((value, value) for value in plot.lines.values())):
        wider = min(low, *ends), max(high, *ends)
        if wider[1] - wider[0] <= max_length:
            low, high = wider
    pad = max(0.05 * (high - low), (min_length - (high - low)) / 2)
    if not plot.is_share or difference:
        return low - pad, high + pad
    # Shares end at 0 and 1; a small margin keeps the markers whole.
    return max(low - pad, -0.004), min(high + pad, 1.004)


def _place_rows(plot: ForestPlot, width: float, difference: bool) -> list[_Row]:
    rows = plot.rows[:MAX_ROWS]
    notes = distinct_notes(rows)
    narrow = width < 5
    room = width - 0.15 if narrow else _MAX_NAME_WIDTH * width
    placed: list[_Row] = []
    top = _GAP / 2
    for row in rows:
        mark = _superscript(notes.index(row.note) + 1) if row.note in notes else ""
        name = style.wrap_text(row.name.strip() + mark, style.LABEL, room, row.winner)
        value = estimate_text(row, plot, difference)
        one_line = f"{name[0]}   {value}"
        if narrow and (len(name) > 1 or style.text_width(one_line, style.LABEL, row.winner) > room):
            name, value = [*name, value], ""
        center = top + (len(name) + _BAR / 2 if narrow else len(name) / 2)
        bottom = top + len(name) + _BAR * narrow + _GAP / 2
        placed.append(_Row(row, name, value, top, center, bottom))
        top = bottom + _GAP / 2
    return placed


def _format_axes(axes: Axes, is_share: bool, difference: bool, narrow: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    style.style_axes(axes)
    axes.spines["left"].set_visible(False)
    axes.patch.set_visible(False)
    bins = 5 if narrow else 8
    axes.xaxis.set_major_locator(MaxNLocator(bins, steps=[1, 2, 5, 10], min_n_ticks=3))
    if is_share:
        steps = 100 * np.diff(axes.get_xticks())
        decimals = 0 if np.allclose(steps, steps.round()) else 1

        def tick_text(value: float, _: int | None) -> str:
            rounded = round(100 * value, 6)
            return signed(rounded, decimals) if difference else f"{rounded:.{decimals}f} %"

        axes.xaxis.set_major_formatter(FuncFormatter(tick_text))
    if difference:
        unit = "difference, percentage points" if is_share else "difference"
        axes.set_xlabel(unit, labelpad=2, **style.text_style(style.SMALL, style.MUTED))


def _draw_interval(axes: Axes, item: _Row) -> None:
    row = item.row
    color = style.MUTED if row.muted else style.BLUE
    if row.low is not None and row.high is not None:
        axes.hlines(item.center, row.low, row.high, color, linewidth=2.2 if row.winner else 1.5)
    if row.estimate is not None:
        size = 6.5 if row.winner else 5.5
        axes.plot(row.estimate, item.center, clip_on=False, zorder=4, **_marker(row, size))


def _marker(row: ForestRow, size: float) -> dict[str, Any]:
    """A diamond for the best run; hollow where the note matters."""
    color = style.MUTED if row.muted else style.BLUE
    return {
        "marker": "D" if row.winner else "o",
        "linestyle": "none",
        "color": color,
        "markersize": size,
        "markerfacecolor": style.PAPER if row.muted else color,
        "markeredgewidth": 1.3,
    }


def _label_row(axes: Axes, item: _Row, narrow: bool) -> None:
    color = style.MUTED if item.row.muted else style.INK
    text = style.text_style(style.LABEL, color, item.row.winner) | {"va": "center_baseline"}
    text |= {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    # One text per line: in SVG only single lines are aligned on the right by the browser.
    if narrow:
        for index, line in enumerate(item.name, start=1):
            axes.annotate(line, (0, item.top + index - 0.5), (0, 0), **text)
        axes.annotate(item.value, (1, item.top + 0.5), (0, 0), ha="right", **text)
    else:
        top = item.center - len(item.name) / 2
        for index, line in enumerate(item.name, start=1):
            axes.annotate(line, (0, top + index - 0.5), (-8, 0), ha="right", **text)
        axes.annotate(item.value, (1, item.center), (8, 0), **text)


def _draw_references(
    axes: Axes, plot: ForestPlot, spans: Sequence[tuple[float, float]], difference: bool
) -> None:
    """Lines and bands, with labels for the legend; an arrow points to those outside."""
    low, high = axes.get_xlim()
    lines: dict[float, list[str]] = {}
    for name, value in sorted(plot.lines.items(), key=lambda line: line[1]):
        lines.setdefault(value, []).append(name)
    dashes = cycle(_DASHES)
    for value, names in lines.items():
        label = reference_text(", ".join(names), value, plot, difference)
        if low <= value <= high:
            x, starts, ends = [value] * len(spans), *np.reshape(spans, (-1, 2)).T
            line: dict[str, Any] = {"linestyles": [next(dashes)], "linewidth": 1, "zorder": 1}
            axes.vlines(x, starts, ends, style.MUTED, label=label, **line)
        else:
            arrow = "\N{LEFTWARDS ARROW}" if value < low else "\N{RIGHTWARDS ARROW}"
            axes.plot([], [], linestyle="none", label=f"{arrow} {label}")
    for name, (start, end) in plot.bands.items():
        if start <= high and end >= low:
            band = (max(start, low), min(end, high))
            axes.axvspan(*band, color=style.EMPTY, linewidth=0, zorder=0, label=name)


def _explain_marks(axes: Axes, plot: ForestPlot) -> None:
    """Adds markers and notes to the legend."""
    rows = plot.rows[:MAX_ROWS]
    if any(row.winner for row in rows):
        best = ForestRow("", None, None, None, winner=True)
        axes.plot([], [], label="the best run", **_marker(best, 5))
    if any(row.muted for row in rows):
        muted = ForestRow("", None, None, None, muted=True)
        axes.plot([], [], label="see its note", **_marker(muted, 5))
    for index, note in enumerate(distinct_notes(rows), start=1):
        axes.plot([], [], linestyle="none", label=f"{_superscript(index)} {note}")
    if len(plot.rows) > len(rows):
        text = f"The first {len(rows)} of {len(plot.rows)} rows."
        axes.plot([], [], linestyle="none", label=text)


def _superscript(number: int) -> str:
    return f"{number}".translate(_SUPERSCRIPTS)
