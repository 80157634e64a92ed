"""The figure of a learning-rate range test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fashion_exp.reporting import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def lr_figure(
    rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, suggested: float, title: str
) -> Figure:
    """The loss of each update over its learning rate, as measured and smoothed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 3.8), layout="constrained")
    axes = figure.subplots()
    style.style_axes(axes)
    axes.plot(rates, losses, color=style.BLUE, linewidth=0.7, alpha=0.4, label="loss of an update")
    axes.plot(rates, smoothed, color=style.BLUE, linewidth=2.0, label="smoothed")
    axes.axvline(
        suggested, color=style.VERMILION, linestyle=(0, (4, 2)), label=f"optim.lr={suggested:g}"
    )
    axes.set_xscale("log")
    low, high = float(smoothed.min()), float(smoothed[0])
    margin = 0.5 * max(high - low, 0.05 * abs(high))
    axes.set_ylim(low - margin, high + 2 * margin)
    axes.set_xlabel("learning rate", **style.text_style(style.LABEL))
    axes.set_ylabel("training loss", **style.text_style(style.LABEL))
    axes.legend(frameon=False, fontsize=style.LABEL, loc="best")
    style.add_title(figure, title)
    return figure
