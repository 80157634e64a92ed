"""The validation curves of all runs of a study, in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_exp.reporting import style, text_layout
from fashion_exp.reporting.figures import apart
from fashion_exp.reporting.formats import DASH, percent
from fashion_exp.reporting.report_content import Curve
from fashion_exp.reporting.svg import BROWN, PURPLE
from fashion_exp.reporting.tables import PlainTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_TOGETHER = 8
"""Curves in one panel; more have a panel each."""
MOST_PANELS = 24

# Inches: a line of small text.
_TEXT = 0.145

_SOLID, _DASHED, _DOTTED = "solid", (0, (5, 2)), (0, (1.2, 1.6))
_LOOKS: Sequence[tuple[str, Any]] = (
    (style.BLUE, _SOLID),
    (style.VERMILION, _SOLID),
    (style.GREEN, _SOLID),
    (PURPLE, _SOLID),
    (BROWN, _DASHED),
    (style.INK, _DASHED),
    (style.BLUE, _DOTTED),
    (style.VERMILION, _DOTTED),
)


def validation_curves(curves: Sequence[Curve], width: float) -> Figure:
    """A thick line a run, the mean of its trainings, in a band from the lowest to the highest.

    Beyond eight runs, and on a phone's width, where names beside the lines would take half of it,
    each has a panel of its own.
    """
    few = len(curves) <= MOST_TOGETHER and width > 5
    return _together(curves, width) if few else _apiece(curves, width)


def curves_table(curves: Sequence[Curve]) -> PlainTable:
    """The numbers behind the figure."""
    header = ("", "trainings", "epochs", "first epoch", "highest", "at epoch", "last epoch")
    rows = []
    for curve in curves:
        mean = _mean(curve)
        known = np.flatnonzero(np.isfinite(mean))
        best = int(known[np.argmax(mean[known])]) if len(known) else None
        ends = (mean[known[0]], mean[best], mean[known[-1]]) if best is not None else ()
        first, highest, last = (percent(float(end)) for end in ends) if ends else [DASH] * 3
        at = DASH if best is None else f"{best + 1}"
        epochs = max((len(line) for line in curve.lines), default=0)
        name = f"{curve.name} (the winner)" if curve.winner else curve.name
        rows.append((name, f"{len(curve.lines)}", f"{epochs}", first, highest, at, last))
    note = "Means over the trainings of a run, up to the epoch that all of them reached."
    return PlainTable(header, rows, notes=[note])


def curves_sentence(curves: Sequence[Curve]) -> str:
    """What the figure shows, for who does not see it."""
    last = {curve.name: _last(curve) for curve in curves}
    known = {name: value for name, value in last.items() if value is not None}
    count = f"{len(curves)} run{'s' * (len(curves) != 1)}"
    if not known:
        return f"{count} without a finite accuracy."
    high, low = max(known, key=lambda n: known[n]), min(known, key=lambda n: known[n])
    ends = f"At its last epoch {high} is highest with {percent(known[high])}"
    if low != high:
        ends += f", {low} lowest with {percent(known[low])}"
    return f"{count}. {ends}."


def _mean(curve: Curve) -> np.ndarray:
    """By epoch, as far as every training went: after one stops, the others' mean would jump."""
    length = min((len(line) for line in curve.lines), default=0)
    return np.asarray([line[:length] for line in curve.lines], float).reshape(-1, length).mean(0)


def _last(curve: Curve) -> float | None:
    mean = _mean(curve) if curve.lines else np.empty(0)
    finite = mean[np.isfinite(mean)]
    return float(finite[-1]) if len(finite) else None


def _together(curves: Sequence[Curve], width: float) -> Figure:
    from matplotlib.figure import Figure

    height = 3.6
    names = [f"{curve.name}  {percent(_last(curve))}" for curve in curves]
    room = min(text_layout.widest(names, style.LABEL, bold=True), 0.38 * width)
    left, right, bottom, top = 0.55, room + 0.34, 0.5, 0.12
    inside = (width - left - right, height - bottom - top)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left / width, bottom / height, inside[0] / width, inside[1] / height))
    _prepare(axes, curves)
    axes.set_xlabel("epoch", fontsize=style.LABEL, color=style.INK)
    for curve, (colour, dashes) in zip(curves, _LOOKS, strict=False):
        _draw(axes, curve, colour, dashes)
    _label(axes, curves, inside, room)
    return figure


def _label(axes: Axes, curves: Sequence[Curve], inside: tuple[float, float], room: float) -> None:
    """Names beside the ends of their lines, moved apart, each joined to its end by a thin line."""
    low, high = axes.get_ylim()
    ends = [low if (last := _last(curve)) is None else last for curve in curves]
    shares = [(end - low) / (high - low) for end in ends]
    across = axes.get_xlim()
    heights = _below_top(apart(shares, gap := 0.155 / inside[1]), gap)
    for curve, share, height, (colour, _) in zip(curves, shares, heights, _LOOKS, strict=False):
        start = (_length(curve) - across[0]) / (across[1] - across[0])
        x = [start, 1.0, 1 + 0.2 / inside[0]]
        value = f"  {percent(_last(curve))}"
        left = room - text_layout.inches(value, style.LABEL, curve.winner)
        leader: dict[str, Any] = {"linewidth": 0.6, "clip_on": False, "zorder": 1}
        axes.plot(x, [share, share, height], color=colour, transform=axes.transAxes, **leader)
        axes.text(
            1 + 0.24 / inside[0],
            height,
            text_layout.fit(curve.name, style.LABEL, left, curve.winner) + value,
            transform=axes.transAxes,
            fontsize=style.LABEL,
            fontweight="bold" if curve.winner else "normal",
            color=style.INK,
            va="center_baseline",
            **style.any_text(),
        )


def _below_top(heights: Sequence[float], gap: float) -> list[float]:
    """The heights with what rose over the panel pushed back, and what is then in its way."""
    lowered = list(heights)
    ceiling = 1.0
    for place in sorted(range(len(heights)), key=lambda place: -heights[place]):
        lowered[place] = min(lowered[place], ceiling)
        ceiling = lowered[place] - gap
    return lowered


def _length(curve: Curve) -> int:
    return min((len(line) for line in curve.lines), default=1)


def _apiece(curves: Sequence[Curve], width: float) -> Figure:
    from matplotlib.figure import Figure

    shown = curves[:MOST_PANELS]
    columns = min(4 if width > 5 else 2, len(shown))
    rows = -(-len(shown) // columns)
    left, bottom, top, gap = 0.52, 0.46, 0.06, 0.16
    panel = (width - left - 0.06 - gap * (columns - 1)) / columns
    heads = [
        text_layout.wrap(curve.name, style.SMALL, panel, curve.winner, most=3) for curve in shown
    ]
    high, between = 0.95, 0.22
    words = 0.07 + _TEXT * (1 + max(len(lines) for lines in heads))
    step = words + high + between
    height = top + rows * step - between + bottom
    figure = Figure(figsize=(width, height))
    reference = next((curve for curve in curves if curve.winner), None)
    for place, (curve, lines) in enumerate(zip(shown, heads, strict=True)):
        row, column = divmod(place, columns)
        x, y = left + column * (panel + gap), height - top - row * step - words - high
        axes = figure.add_axes((x / width, y / height, panel / width, high / height))
        _prepare(axes, curves)
        axes.tick_params(labelleft=column == 0, labelbottom=place + columns >= len(shown))
        if place + columns >= len(shown):
            axes.set_xlabel("epoch", fontsize=style.SMALL, color=style.MUTED, labelpad=1)
        if reference is not None and curve is not reference:
            axes.plot(*_points(reference), color=style.MUTED, linewidth=1, linestyle=_DOTTED)
        _draw(axes, curve, style.BLUE, _SOLID)
        _write_head(axes, curve, lines, high)
    return figure


def _write_head(axes: Axes, curve: Curve, lines: Sequence[str], high: float) -> None:
    """Over a panel: whose it is, and where it ends."""
    last = percent(_last(curve)) + (", the winner" if curve.winner else "")
    common: dict[str, Any] = {"transform": axes.transAxes, "fontsize": style.SMALL}
    axes.text(0, 1 + 0.07 / high, last, color=style.MUTED, **common)
    bold: dict[str, Any] = {"fontweight": "bold" if curve.winner else "normal"}
    for place, line in enumerate(reversed(lines), start=1):
        y = 1 + (0.07 + _TEXT * place) / high
        axes.text(0, y, line, color=style.INK, **bold, **common, **style.any_text())


def _prepare(axes: Axes, curves: Sequence[Curve]) -> None:
    """The same axes for every panel."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    style.tidy(axes)
    axes.patch.set_visible(False)
    told = [value for curve in curves for line in curve.lines for value in line]
    values = np.asarray(told, float)[np.isfinite(told)]
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


def _points(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    mean = _mean(curve)
    return np.arange(1, len(mean) + 1), mean


def _draw(axes: Axes, curve: Curve, colour: str, dashes: Any) -> None:
    if not curve.lines:
        return
    x, mean = _points(curve)
    if len(curve.lines) > 1:
        every = np.asarray([line[: len(mean)] for line in curve.lines], float)
        ends = (every.min(0), every.max(0))
        axes.fill_between(x, *ends, color=colour, alpha=0.14, linewidth=0, zorder=2)
    lone: dict[str, Any] = {"marker": "o", "markersize": 5} if len(mean) == 1 else {}
    width = 2.4 if curve.winner else 1.5
    axes.plot(x, mean, color=colour, linestyle=dashes, linewidth=width, zorder=3, **lone)
