"""Accuracies over numbers of labels, with bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_exp.reporting import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES: Sequence[tuple[str, Any]] = (
    (style.INK, (0, (4, 2))),
    *((color, "solid") for color in (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE)),
    *((color, (0, (1.2, 1.6))) for color in (style.BLUE, style.VERMILION, style.GREEN)),
)
"""Of the curves in turn; the first is the reference."""


@dataclass(frozen=True)
class LabelCurve:
    """Shares in [0, 1] at numbers of labels."""

    name: str
    labels: np.ndarray
    """(n,)"""
    accuracy: np.ndarray
    low: np.ndarray
    high: np.ndarray
    points_only: bool = False
    """Draws measured points with error bars instead of a line with a band."""


def label_curves(
    curves: Sequence[LabelCurve], title: str, x: str, target: float | None = None
) -> Figure:
    """The accuracy, %, over the number of labels `x`; `target` is a horizontal line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(style.WIDE, 4.4), layout="constrained")
    axes = figure.subplots()
    style.style_axes(axes)
    axes.grid(axis="y", color=style.EMPTY)
    for curve, (color, dashes) in zip(curves, _LINES, strict=False):
        center, low, high = (100 * part for part in (curve.accuracy, curve.low, curve.high))
        if curve.points_only:
            errors = np.maximum([center - low, high - center], 0)
            axes.errorbar(
                curve.labels, center, errors, fmt="o", color=color, markersize=4, linewidth=1.2,
                label=curve.name,
            )  # fmt: skip
            continue
        axes.fill_between(curve.labels, low, high, color=color, alpha=0.1, linewidth=0)
        axes.plot(
            curve.labels, center, color=color, linestyle=dashes, linewidth=1.8, label=curve.name
        )
    if target is not None:
        axes.axhline(100 * target, color=style.MUTED, linewidth=0.8, linestyle=(0, (2, 3)))
    text = style.text_style(style.LABEL)
    axes.set_xlabel(x, **text)
    axes.set_ylabel("accuracy, %", **text)
    axes.legend(frameon=False, fontsize=style.LABEL, loc="lower right")
    style.add_title(figure, title)
    return figure
