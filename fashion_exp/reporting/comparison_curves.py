"""The validation curves of all runs of a comparison in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_exp.reporting import style
from fashion_exp.reporting.formats import DASH, percent, pluralize
from fashion_exp.reporting.report_content import Curve
from fashion_exp.reporting.tables import PlainTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_SHARED = 8
"""Curves in one panel; more get one panel each."""
MAX_PANELS = 24

_SOLID, _DASHED, _DOTTED = "solid", (0, (5, 2)), (0, (1.2, 1.6))
_LINE_STYLES: Sequence[tuple[str, Any]] = (
    (style.BLUE, _SOLID),
    (style.VERMILION, _SOLID),
    (style.GREEN, _SOLID),
    (style.PURPLE, _SOLID),
    (style.BROWN, _DASHED),
    (style.INK, _DASHED),
    (style.BLUE, _DOTTED),
    (style.VERMILION, _DOTTED),
)


def validation_curves(curves: Sequence[Curve], width: float) -> Figure:
    """Draws each run's mean over its trainings as a line, in a band from minimum to maximum.

    Up to `MAX_SHARED` runs share a panel with a legend beside it. More runs, and all runs in a
    figure narrower than 5 inches, get small panels of their own.
    """
    shared = len(curves) <= MAX_SHARED and width > 5
    return _shared_panel(curves, width) if shared else _small_panels(curves, width)


def curves_table(curves: Sequence[Curve]) -> PlainTable:
    """The numbers of the figure."""
    header = ("", "trainings", "epochs", "first epoch", "highest", "at epoch", "last epoch")
    rows = []
    for curve in curves:
        mean = _mean(curve)
        finite = np.flatnonzero(np.isfinite(mean))
        numbers = [DASH] * 4
        if len(finite):
            best = int(finite[np.argmax(mean[finite])])
            first, highest, last = (percent(float(mean[i])) for i in (finite[0], best, finite[-1]))
            numbers = [first, highest, f"{best + 1}", last]
        epochs = max(map(len, curve.lines), default=0)
        name = f"{curve.name} (best run)" if curve.winner else curve.name
        rows.append((name, f"{len(curve.lines)}", f"{epochs}", *numbers))
    note = "Means over the trainings of a run, up to the last epoch that all of them reached."
    return PlainTable(header, rows, notes=[note])


def curves_sentence(curves: Sequence[Curve]) -> str:
    """A description of the figure for screen readers."""
    last = {curve.name: value for curve in curves if (value := _last(curve)) is not None}
    count = pluralize(len(curves), "run")
    if not last:
        return f"{count} without a finite accuracy."
    high, low = max(last, key=last.__getitem__), min(last, key=last.__getitem__)
    text = f"{count}. At its last epoch {high} is highest with {percent(last[high])}"
    return text + (f", {low} lowest with {percent(last[low])}." if low != high else ".")


def _common_lines(curve: Curve) -> np.ndarray:
    """(trainings, epochs) up to the last epoch that every training reached.

    Beyond it the mean would jump each time a training stops.
    """
    length = min(map(len, curve.lines), default=0)
    return np.asarray([line[:length] for line in curve.lines], float).reshape(-1, length)


def _mean(curve: Curve) -> np.ndarray:
    return _common_lines(curve).mean(axis=0) if curve.lines else np.empty(0)


def _last(curve: Curve) -> float | None:
    mean = _mean(curve)
    finite = mean[np.isfinite(mean)]
    return float(finite[-1]) if len(finite) else None


def _shared_panel(curves: Sequence[Curve], width: float) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 3.6), layout="constrained")
    axes = figure.add_subplot()
    _format_axes(axes, curves)
    axes.set_xlabel("epoch", **style.text_style(style.LABEL))
    drawn = []
    for curve, (color, dashes) in zip(curves, _LINE_STYLES, strict=False):
        name = style.wrap_text(curve.name, style.LABEL, 0.34 * width, curve.winner)
        label = "\n".join([*name, percent(_last(curve))])
        drawn.append((curve, _draw(axes, curve, color, dashes), label))
    drawn.sort(key=lambda item: -(_last(item[0]) or 0.0))  # as the lines end, from top to bottom
    legend = figure.legend(
        [line for _, line, _ in drawn],
        [name for *_, name in drawn],
        loc="outside right center",
        frameon=False,
        handlelength=2.4,
    )
    for text, (curve, *_) in zip(legend.get_texts(), drawn, strict=True):
        text.update(style.text_style(style.LABEL, bold=curve.winner))
    return figure


def _small_panels(curves: Sequence[Curve], width: float) -> Figure:
    from matplotlib.figure import Figure

    shown = curves[:MAX_PANELS]
    columns = min(4 if width > 5 else 2, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(width, 2.5 * rows + 1), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    best = next((curve for curve in curves if curve.winner), None)
    for index, (curve, axes) in enumerate(zip(shown, panels, strict=False)):
        _format_axes(axes, curves)
        is_lowest = index + columns >= len(shown)
        axes.tick_params(labelleft=index % columns == 0, labelbottom=is_lowest)
        if is_lowest:
            axes.set_xlabel("epoch", labelpad=1, **style.text_style(style.SMALL, style.MUTED))
        if best is not None and curve is not best:
            _draw_mean(axes, best, color=style.MUTED, linewidth=1, linestyle=_DOTTED)
        _draw(axes, curve, style.BLUE, _SOLID)
        end = percent(_last(curve)) + (", best run" if curve.winner else "")
        name = style.wrap_text(curve.name, style.SMALL, width / columns - 0.4, curve.winner)
        title = style.text_style(style.SMALL, bold=curve.winner)
        axes.set_title("\n".join([*name, end]), loc="left", y=1, pad=3, **title)
    for axes in panels[len(shown) :]:
        axes.remove()
    style.fix_layout(figure, panels[0], 0.95, rows)
    return figure


def _format_axes(axes: Axes, curves: Sequence[Curve]) -> None:
    """Sets limits and ticks that suit all curves."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    style.style_axes(axes)
    axes.patch.set_visible(False)
    values = np.asarray([value for curve in curves for line in curve.lines for value in line])
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    pad = max(0.06 * (high - low), 0.01)
    axes.set_ylim(max(low - pad, -0.005), min(high + pad, 1.005))
    last = max((len(line) for curve in curves for line in curve.lines), default=1)
    margin = 0.5 if last <= 1 else 0.03 * (last - 1)
    axes.set_xlim(1 - margin, max(last, 1) + margin)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    decimals = 1 if high - low < 0.03 else 0
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=decimals, symbol=" %"))


def _draw(axes: Axes, curve: Curve, color: str, dashes: Any) -> Any:
    """Draws the band and the mean; returns the line of the mean."""
    lines = _common_lines(curve)
    if len(lines) > 1:
        x = np.arange(1, lines.shape[1] + 1)
        band = (lines.min(axis=0), lines.max(axis=0))
        axes.fill_between(x, *band, color=color, alpha=0.14, linewidth=0, zorder=2)
    line_style: dict[str, Any] = {"marker": "o", "markersize": 5} if lines.shape[1] == 1 else {}
    line_style |= {"linewidth": 2.4 if curve.winner else 1.5, "color": color, "linestyle": dashes}
    return _draw_mean(axes, curve, zorder=3, **line_style)


def _draw_mean(axes: Axes, curve: Curve, **line_style: Any) -> Any:
    mean = _mean(curve)
    (line,) = axes.plot(np.arange(1, len(mean) + 1), mean, **line_style)
    return line
