"""The pairwise verdicts as signs and words, and as a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fashion_exp.reporting import style, text_layout
from fashion_exp.reporting.percentage_points import difference_span, difference_text
from fashion_exp.reporting.report_content import Cell, Verdict, VerdictMatrix
from fashion_exp.reporting.tables import PlainTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMES = 30
MOST_PAIRS = MOST_NAMES * (MOST_NAMES - 1) // 2
MOST_WITH_WORDS = 12
"""Runs in a matrix whose cells have room for more than a sign."""

SIGNS: dict[Verdict, str] = {
    "better": "+",
    "worse": "\N{MINUS SIGN}",
    "equivalent": "=",
    "undecided": "?",
    "not comparable": "×",
}
_FILLS: dict[Verdict, str] = {"better": "#CFE5F4", "worse": "#FADCC6", "equivalent": "#E3E3E3"}


def p_text(p: float) -> str:
    """ "p = 0.032" or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def cell_text(cell: Cell, row: str, column: str, share: bool = True) -> str:
    """All that is known of a pair in one line."""
    parts = [f"{row} against {column}: {cell.verdict}"]
    if cell.difference is not None:
        unit = " points" if share else ""
        told = f"{difference_text(cell.difference, share)}{unit}"
        if cell.low is not None and cell.high is not None:
            told += f" ({difference_span(cell.low, cell.high, share)})"
        parts.append(told)
    parts += [f"{p_text(cell.p)} by Holm"] if cell.p is not None else []
    return ", ".join([*parts, *filter(None, (cell.note,))])


def verdict_figure(matrix: VerdictMatrix) -> Figure:
    """Row against column; what is on the page as a table, for where pictures are shown alone."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    names = matrix.names[:MOST_NAMES]
    size = len(names)
    roomy = size <= MOST_WITH_WORDS
    width, height = (0.78, 0.4) if roomy else (0.24, 0.24)
    figure = Figure(figsize=(width * size, height * size))
    # The axes are all of the figure, so that a cell has a known size; `save` adds what is outside.
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, size), ylim=(size, 0))
    axes.axis("off")
    for (row, column), cell in matrix.cells.items():
        if max(row, column) < size:
            fill = _FILLS.get(cell.verdict, style.PAPER)
            place: dict[str, Any] = {"facecolor": fill, "edgecolor": style.RULE, "linewidth": 0.5}
            axes.add_patch(Rectangle((column, row), 1, 1, **place))
            _write_cell(axes, cell, (row, column), matrix.percent, roomy)
    text: dict[str, Any] = {"fontsize": style.LABEL, "color": style.INK, **style.any_text()}
    for place_, name in enumerate(names):
        number = f"{place_ + 1}"
        axes.text(place_ + 0.5, -0.1 / height, number, ha="center", va="bottom", **text)
        shown = f"{text_layout.fit(name, style.LABEL, 3.2)}  {number}"
        axes.text(-0.08 / width, place_ + 0.5, shown, ha="right", va="center", **text)
    words = "row against column:  " + ",  ".join(f"{s} {word}" for word, s in SIGNS.items())
    rest = f"{size} of {len(matrix.names)} runs. " * (len(matrix.names) > size)
    lines = [words, *text_layout.wrap(rest + matrix.caption, style.SMALL, max(width * size, 5.0))]
    small: dict[str, Any] = {"fontsize": style.SMALL, "color": style.MUTED, **style.any_text()}
    for line_, line in enumerate(lines):
        y = size + (0.1 + 0.15 * line_) / height
        axes.text(
            size if width * size > 5.0 else 0,
            y,
            line,
            va="top",
            **small,
            ha="right" if width * size > 5.0 else "center",
        )
    return figure


def _write_cell(axes: Axes, cell: Cell, place: tuple[int, int], share: bool, roomy: bool) -> None:
    middle: dict[str, Any] = {"ha": "center", "va": "center", "color": style.INK}
    x, y = place[1] + 0.5, place[0] + 0.5
    if not roomy:
        axes.text(x, y, SIGNS[cell.verdict], fontsize=style.LABEL, **middle)
        return
    number = "" if cell.difference is None else difference_text(cell.difference, share)
    axes.text(x, y - 0.2, number, fontsize=style.LABEL, **middle)
    axes.text(x, y + 0.22, cell.verdict, fontsize=6.5, **middle)


def most_pairs(pairs: PlainTable | None) -> PlainTable | None:
    """As many rows of the pairs as a page can carry; a note says how many there are."""
    if pairs is None or len(pairs.rows) <= MOST_PAIRS:
        return pairs
    told = f"The first {MOST_PAIRS} of {len(pairs.rows):,} pairs; all are in pairs.csv."
    return replace(pairs, rows=pairs.rows[:MOST_PAIRS], notes=[told, *pairs.notes])
