"""The forest plot: an estimate a row, its interval as a line, and lines to hold it against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_exp.reporting import style, text_layout
from fashion_exp.reporting.forest_plan import (
    BAR,
    TEXT,
    Label,
    Plan,
    Row,
    axis_ends,
    footnotes,
    place_labels,
    plan_rows,
)
from fashion_exp.reporting.percentage_points import signed
from fashion_exp.reporting.report_content import Forest, ForestRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, NARROW = 9.0, 3.45
"""Inches: a desktop's column, and a phone's."""
MOST_ROWS = 60


def forest(told: Forest, width: float = WIDE, difference: bool = False) -> Figure:
    """The first rows, in their order; `difference` draws them around nothing, in points."""
    from matplotlib.figure import Figure

    shown = told.rows[:MOST_ROWS]
    plan = plan_rows(told, shown, axis_ends(told, shown, difference), width, difference)
    labels = place_labels(told, plan, difference)
    feet = [
        line
        for text in footnotes(told, shown)
        for line in text_layout.wrap(text, style.SMALL, width - 0.1)
    ]
    top = 0.06 + TEXT * (1 + max((label.level for label in labels), default=-1))
    scale = 0.46 if difference else 0.32
    bottom = scale + (0.06 + TEXT * len(feet) if feet else 0)
    height = top + plan.body + bottom
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes(
        (plan.left / width, bottom / height, plan.plot / width, plan.body / height)
    )
    _prepare(axes, plan, told.percent, difference)
    _draw_references(axes, plan, told, labels)
    for row in plan.rows:
        _draw_row(axes, row.told, plan.middle(row))
        _write_row(axes, plan, row)
    for place, line in enumerate(feet):
        y = (bottom - scale - 0.06 - TEXT * place) / height
        small: dict[str, Any] = {"fontsize": style.SMALL, "color": style.MUTED, "va": "top"}
        figure.text(0.03 / width, y, line, **small, **style.any_text())
    return figure


def _prepare(axes: Axes, plan: Plan, share: bool, difference: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    style.tidy(axes)
    axes.spines["left"].set_visible(False)
    axes.patch.set_visible(False)
    axes.set_xlim(plan.low, plan.high)
    # Heights are inches, so that a row looks alike in every figure.
    axes.set_ylim(plan.body, 0)
    axes.set_yticks([])
    most = 5 if plan.narrow else 8
    axes.xaxis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10], min_n_ticks=3))
    if share:
        ticks = 100 * np.diff(axes.get_xticks())
        decimals = 0 if np.allclose(ticks, ticks.round()) else 1

        def written(value: float, _: int | None) -> str:
            rounded = round(100 * value, 6)
            return signed(rounded, decimals) if difference else f"{rounded:.{decimals}f} %"

        axes.xaxis.set_major_formatter(FuncFormatter(written))
    if difference:
        unit = "difference, percentage points" if share else "difference"
        axes.set_xlabel(unit, fontsize=style.SMALL, color=style.MUTED, labelpad=2)


def _draw_references(axes: Axes, plan: Plan, told: Forest, labels: Sequence[Label]) -> None:
    for start, end in told.bands.values():
        axes.axvspan(max(start, plan.low), min(end, plan.high), color=style.EMPTY, lw=0, zorder=0)
    for label in labels:
        y = -0.04 - TEXT * label.level
        text: dict[str, Any] = {"fontsize": style.SMALL, "color": style.MUTED, "va": "bottom"}
        # Its ground hides the line of a label that stands higher.
        text["bbox"] = {"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.5}
        text["transform"] = axes.get_yaxis_transform()
        axes.text(plan.across(label.start), y, label.text, zorder=2, **text, **style.any_text())
        if label.line is None:
            continue
        pieces = [(y, 0.0 if plan.narrow else plan.body)]
        if plan.narrow:
            # Not through the names and numbers that stand over the intervals.
            middles = [plan.middle(row) for row in plan.rows]
            pieces += [(middle - BAR / 2 + 0.02, middle + BAR / 2) for middle in middles]
        look: dict[str, Any] = {"linewidth": 1.0, "color": style.MUTED, "clip_on": False}
        look["linestyle"] = "solid" if plan.narrow else (0, (4, 2))
        for piece in pieces:
            axes.plot([label.line, label.line], piece, zorder=1, **look)


def _draw_row(axes: Axes, row: ForestRow, middle: float) -> None:
    colour = style.MUTED if row.muted else style.BLUE
    if row.low is not None and row.high is not None:
        line: dict[str, Any] = {"color": colour, "linewidth": 2.2 if row.winner else 1.5}
        axes.plot([row.low, row.high], [middle, middle], solid_capstyle="butt", zorder=3, **line)
    if row.estimate is not None:
        marker: dict[str, Any] = {
            "marker": "D" if row.winner else "o",
            "color": colour,
            "linestyle": "none",
            "markersize": 6.5 if row.winner else 5.5,
            "markerfacecolor": style.PAPER if row.muted else colour,
            "markeredgecolor": colour,
            "markeredgewidth": 1.3,
        }
        axes.plot([row.estimate], [middle], clip_on=False, zorder=4, **marker)


def _write_row(axes: Axes, plan: Plan, row: Row) -> None:
    text: dict[str, Any] = {
        "fontsize": style.LABEL,
        "fontweight": "bold" if row.told.winner else "normal",
        "color": style.MUTED if row.told.muted else style.INK,
        "va": "center_baseline",
        "transform": axes.get_yaxis_transform(),
        **style.any_text(),
    }
    count = len(row.lines)
    above = TEXT * (count - 1) / 2
    first = row.top + TEXT / 2 if plan.narrow else plan.middle(row) - above
    for place, line in enumerate(row.lines):
        axes.text(plan.across(0.03), first + TEXT * place, line, **text)
    if plan.under:
        axes.text(plan.across(0.03), first + TEXT * count, row.value, **text)
    else:
        y = first if plan.narrow else plan.middle(row)
        axes.text(plan.across(plan.width - 0.03), y, row.value, ha="right", **text)
