"""The figure of a calibration: reliability, risk against coverage, set sizes, unknown classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fashion_exp.reporting import style
from fashion_exp.reporting.formats import shorten_to_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_CLASSES = 20
_MAX_NAME = 16
"""Terminal columns."""


class Point(NamedTuple):
    """A point with the limits of its value."""

    x: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CalibrationPlot:
    """What is drawn, by the name of the line; shares are in [0, 1]."""

    reliability: Mapping[str, Sequence[Point]]
    risk_coverage: Mapping[str, tuple[np.ndarray, np.ndarray]]
    """Coverage and risk."""
    sizes: Mapping[str, Sequence[int]]
    """Numbers of sets of 1, 2, … classes."""
    strangers: Mapping[str, Point]
    """The AUROC of each class that was left out; `x` is not used."""
    title: str


def calibration_figure(plot: CalibrationPlot) -> Figure:
    from matplotlib.figure import Figure

    panels = 4 if plot.strangers else 3
    figure = Figure(figsize=(3.1 * panels, 3.4), layout="constrained")
    axes = figure.subplots(1, panels)
    for panel in axes:
        style.style_axes(panel)
    _draw_reliability(axes[0], plot)
    _draw_risk(axes[1], plot)
    _draw_sizes(axes[2], plot)
    if plot.strangers:
        _draw_strangers(axes[3], plot)
    style.add_title(figure, plot.title)
    return figure


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", **style.text_style(style.LABEL, bold=True))
    axes.set_xlabel(x, **style.text_style(style.LABEL))
    axes.set_ylabel(y, **style.text_style(style.LABEL))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            frameon=False, fontsize=style.SMALL, loc="upper center", bbox_to_anchor=(0.5, -0.2),
            ncols=2,
        )  # fmt: skip


def _draw_reliability(axes: Axes, plot: CalibrationPlot) -> None:
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    colors = (style.VERMILION, style.BLUE)
    for color, marker, (name, points) in zip(
        colors, ("s", "o"), plot.reliability.items(), strict=False
    ):
        x, value, low, high = np.array(points).T
        axes.errorbar(
            x, value, np.clip([value - low, high - value], 0, None), color=color, marker=marker,
            markersize=4, linewidth=0.8, elinewidth=0.8, label=name,
        )  # fmt: skip
    drawn = [point for points in plot.reliability.values() for point in points]
    axes.set_xlim(min(0.9, *(point.x for point in drawn)) - 0.02, 1.02)
    axes.set_ylim(min(0.9, *(point.low for point in drawn)) - 0.02, 1.02)
    _label(axes, "Reliability, 95 % intervals", "confidence", "accuracy")


def _draw_risk(axes: Axes, plot: CalibrationPlot) -> None:
    for color, (name, (coverage, risk)) in zip(
        (style.BLUE, style.GREEN), plot.risk_coverage.items(), strict=False
    ):
        axes.plot(coverage, risk, color=color, linewidth=1.2, label=name)
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    _label(axes, "Rejecting the doubtful", "share of photos accepted", "share wrong of these")


def _draw_sizes(axes: Axes, plot: CalibrationPlot) -> None:
    largest = [np.flatnonzero(sizes).max() + 1 for sizes in plot.sizes.values() if any(sizes)]
    shown = max([2, *largest])  # a single bar would fill the panel
    width = 0.8 / max(len(plot.sizes), 1)
    for index, (color, (name, sizes)) in enumerate(
        zip((style.BLUE, style.GREEN), plot.sizes.items(), strict=False)
    ):
        shares = np.array(sizes[:shown]) / max(sum(sizes), 1)
        offset = (index - (len(plot.sizes) - 1) / 2) * width
        axes.bar(np.arange(1, shown + 1) + offset, shares, width, color=color, label=name)
    axes.set_xticks(range(1, shown + 1))
    _label(axes, "Prediction sets", "classes in the set", "share of photos")


def _draw_strangers(axes: Axes, plot: CalibrationPlot) -> None:
    rows = sorted(plot.strangers.items(), key=lambda item: item[1].value)[:MAX_CLASSES]
    for row, (_, point) in enumerate(rows):
        axes.plot([point.low, point.high], [row, row], color=style.BLUE, linewidth=1.2)
        axes.plot(point.value, row, "o", color=style.BLUE, markersize=4)
    names = [shorten_to_cells(name, _MAX_NAME) for name, _ in rows]
    axes.set_yticks(range(len(rows)), names, **style.text_style(style.SMALL))
    axes.axvline(0.5, color=style.MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set_xlim(min(0.45, *(point.low for _, point in rows)) - 0.02, 1.02)
    _label(axes, "Each class as the stranger", "AUROC of unfamiliar", "")
