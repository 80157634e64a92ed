"""The pairwise verdicts as symbols, labels and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_exp.reporting import style
from fashion_exp.reporting.formats import (
    difference_range,
    difference_text,
    p_text,
    shorten_to_cells,
)
from fashion_exp.reporting.report_content import VerdictCell, VerdictLabel, VerdictMatrix
from fashion_exp.reporting.tables import PlainTable, first_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_NAMES = 30
MAX_PAIRS = MAX_NAMES * (MAX_NAMES - 1) // 2
MAX_LABELED = 12
"""Runs in a matrix whose cells have room for numbers and labels; larger ones show symbols."""

SYMBOLS: dict[VerdictLabel, str] = {
    "better": "+",
    "worse": "\N{MINUS SIGN}",
    "equivalent": "=",
    "undecided": "?",
    "not comparable": "×",
}
_COLORS: dict[VerdictLabel, str] = {
    "better": "#CFE5F4",
    "worse": "#FADCC6",
    "equivalent": "#E3E3E3",
}


def cell_text(cell: VerdictCell, row: str, column: str, is_share: bool = True) -> str:
    """Everything about a pair in one line."""
    parts = [f"{row} against {column}: {cell.verdict}"]
    if cell.difference is not None:
        difference = difference_text(cell.difference, is_share) + " points" * is_share
        if cell.low is not None and cell.high is not None:
            limits = difference_range(cell.low, cell.high, is_share)
            difference += f" ({limits}, all jointly)"
        parts.append(difference)
    if cell.p is not None:
        parts.append(f"{p_text(cell.p)} (adjusted)")
    return ", ".join([*parts, cell.note] if cell.note else parts)


def verdict_figure(matrix: VerdictMatrix) -> Figure:
    """The first `MAX_NAMES` runs, row against column."""
    from matplotlib.colors import to_rgba

    names = matrix.names[:MAX_NAMES]
    size = len(names)
    has_labels = size <= MAX_LABELED
    width, height = (0.78, 0.4) if has_labels else (0.24, 0.24)
    colors = np.ones((size, size, 4))
    for (row, column), cell in matrix.cells.items():
        if max(row, column) < size:
            colors[row, column] = to_rgba(_COLORS.get(cell.verdict, style.PAPER))
    figure, axes = style.cell_figure(colors, width, height)
    middle: dict[str, Any] = {"ha": "center", "va": "center", "color": style.INK}
    for (row, column), cell in matrix.cells.items():
        if max(row, column) >= size:
            continue
        if has_labels:
            number = difference_text(cell.difference, matrix.is_share)
            number = "" if cell.difference is None else number
            axes.text(column, row - 0.2, number, fontsize=style.LABEL, **middle)
            axes.text(column, row + 0.22, cell.verdict, fontsize=6.5, **middle)
        else:
            axes.text(column, row, SYMBOLS[cell.verdict], fontsize=style.LABEL, **middle)
    numbers = range(1, size + 1)
    labels = [f"{shorten_to_cells(name, 50)}  {n}" for name, n in zip(names, numbers, strict=True)]
    axes.set_yticks(range(size), labels, **style.text_style(style.LABEL))
    axes.set_xticks(range(size), [f"{n}" for n in numbers], **style.text_style(style.LABEL))
    axes.xaxis.tick_top()
    symbols = ",  ".join(f"{symbol} {verdict}" for verdict, symbol in SYMBOLS.items())
    shown = f"{size} of {len(matrix.names)} runs. " * (len(matrix.names) > size)
    caption = style.wrap_text(shown + matrix.caption, style.SMALL, max(width * size, 5.0))
    text = "\n".join([f"Row against column:  {symbols}", *caption])
    axes.set_xlabel(text, loc="right", **style.text_style(style.SMALL, style.MUTED))
    return figure


def first_pairs(pairs: PlainTable | None) -> PlainTable | None:
    """As many rows as a page can carry."""
    return None if pairs is None else first_rows(pairs, MAX_PAIRS, Path("pairs.csv"))
