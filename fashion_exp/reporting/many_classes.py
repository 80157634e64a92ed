"""The confusion matrix of many classes: a coarse map, and the pairs that are confused most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_exp.reporting import style
from fashion_exp.reporting.formats import percent, pluralize, shorten_to_cells
from fashion_exp.reporting.tables import PlainTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

MAX_CLASSES = 30
"""In a matrix with a number in each cell."""
MAX_PAIRS = 20
_MAX_MAP_CELLS = 200
"""Per side."""
_MAP_INCHES = 4.2
_MAX_CLASS_NAME = 26
"""Terminal columns."""


def most_confused(counts: np.ndarray, classes: Sequence[str]) -> PlainTable:
    """The pairs of true and predicted class with the most predictions."""
    errors = np.array(counts)
    np.fill_diagonal(errors, 0)
    totals = np.asarray(counts).sum(axis=1)
    pairs = int(np.count_nonzero(errors))
    order = np.argsort(-errors, axis=None, kind="stable")[: min(MAX_PAIRS, pairs)]
    rows = []
    for true, predicted in zip(*np.unravel_index(order, errors.shape), strict=True):
        count = int(errors[true, predicted])
        share = percent(count / totals[true])
        rows.append((classes[true], classes[predicted], f"{count:,}", share))
    header = ("true class", "predicted class", "count", "of the true class")
    if pairs > MAX_PAIRS:
        note = f"The {MAX_PAIRS} most confused pairs of {pairs:,}."
    else:
        note = f"{pluralize(pairs, 'confused pair')}."
    return PlainTable(header, rows, notes=[note])


def confusion_map(counts: np.ndarray) -> np.ndarray:
    """RGB colors of a coarse map with at most `_MAX_MAP_CELLS` cells per side.

    A cell is the share of its row, in neighboring classes if there are more of them than cells. The
    color grows with the root of the share, because errors are spread over many classes.
    """
    from matplotlib.colors import LinearSegmentedColormap

    starts = np.arange(0, len(counts), classes_per_cell(len(counts)))
    cells = np.add.reduceat(np.add.reduceat(counts, starts, axis=0), starts, axis=1)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    colormap = LinearSegmentedColormap.from_list("shares", style.SEQUENTIAL)
    colors = colormap(np.sqrt(shares))[..., :3]
    colors[cells == 0] = 1.0
    return (255 * colors).round().astype(np.uint8)


def classes_per_cell(classes: int) -> int:
    """Number of neighboring classes that one cell of the map summarizes, per axis."""
    return -(-classes // _MAX_MAP_CELLS)


def map_caption(classes: int) -> str:
    each = classes_per_cell(classes)
    cells = f"; a cell is {each} × {each} classes" if each > 1 else ""
    return f"All {classes:,} classes in their order{cells}; darker: a larger share of the row."


def map_image(counts: np.ndarray) -> Image.Image:
    """The map with one pixel per cell."""
    from PIL import Image

    return Image.fromarray(confusion_map(counts))


def many_classes_figure(
    counts: np.ndarray, classes: Sequence[str], heading: Sequence[str]
) -> Figure:
    """The map and the list of pairs beside it; `heading` are a title and a line below it."""
    from matplotlib.figure import Figure

    table = most_confused(counts, classes)
    names = [[shorten_to_cells(name, _MAX_CLASS_NAME) for name in row[:2]] for row in table.rows]
    rows = [[*pair, *row[2:]] for pair, row in zip(names, table.rows, strict=True)]
    columns = list(zip(table.header, *rows, strict=True))
    widths = [max(style.text_width(t, style.LABEL) for t in column) + 0.2 for column in columns]
    width = _MAP_INCHES + 0.4 + sum(widths)
    figure = Figure(figsize=(width, _MAP_INCHES))
    _draw_map(figure, counts)
    ends = (_MAP_INCHES + 0.4 + np.cumsum(widths)) / width
    line = style.LABEL * style.LINE_HEIGHT / 72 / _MAP_INCHES
    for index, (column, end) in enumerate(zip(columns, ends, strict=True)):
        is_number = index > 1
        x = end if is_number else end - widths[index] / width
        for number, text in enumerate(column):
            color = style.INK if number else style.MUTED
            align: dict[str, Any] = {"ha": "right" if is_number else "left", "va": "top"}
            y = 1 - number * line
            figure.text(x, y, text, **align, **style.text_style(style.LABEL, color))
    note = style.text_style(style.SMALL, style.MUTED)
    x = float(ends[0] - widths[0] / width)
    figure.text(x, 1 - (len(rows) + 1.5) * line, table.notes[0], va="top", **note)
    _write_heading(figure, heading)
    return figure


def _draw_map(figure: Figure, counts: np.ndarray) -> None:
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0, 0, _MAP_INCHES / width, _MAP_INCHES / height))
    axes.imshow(confusion_map(counts), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(style.RULE)
    axes.set_ylabel("true class", **style.text_style(style.LABEL, style.MUTED))
    caption = style.wrap_text(map_caption(len(counts)), style.SMALL, _MAP_INCHES)
    muted = style.text_style(style.SMALL, style.MUTED)
    axes.set_xlabel("\n".join(["predicted class", *caption]), **muted)


def _write_heading(figure: Figure, heading: Sequence[str]) -> None:
    title, below = heading
    height = figure.get_figheight()
    muted = style.text_style(style.LABEL, style.MUTED)
    figure.text(0, 1 + 0.15 / height, below, va="bottom", **muted)
    lines = style.wrap_text(title, style.TITLE, figure.get_figwidth(), bold=True)
    bold = style.text_style(style.TITLE, bold=True)
    figure.text(0, 1 + 0.35 / height, "\n".join(lines), va="bottom", **bold)
