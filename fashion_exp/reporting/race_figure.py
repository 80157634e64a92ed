"""The interval of a difference, look by look of a race."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.reporting import style

_STRIP = 31
"""Characters of an interval on the terminal; odd, so that 0 is in the middle."""


@dataclass(frozen=True)
class Step:
    """A look; the difference and its limits in the unit that is shown."""

    repeats: int
    difference: float
    low: float
    high: float


def draw_race(
    steps: Sequence[Step], title: str, unit: str, rope: float, at_most: int, path: Path
) -> None:
    """Draws each look's interval at its own level, 0, and the region of practical equivalence."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(style.WIDE, 3.4), layout="constrained")
    axes = figure.subplots()
    style.style_axes(axes)
    axes.axhspan(-rope, rope, color=style.EMPTY, zorder=0)
    axes.axhline(0, color=style.INK, linewidth=0.8)
    x = [step.repeats for step in steps]
    axes.vlines(x, [s.low for s in steps], [s.high for s in steps], color=style.BLUE, linewidth=1.6)
    axes.plot(x, [step.difference for step in steps], "o", color=style.BLUE, markersize=4)
    axes.set_xlim(0, at_most + 1)
    widest = max(max(abs(step.low), abs(step.high)) for step in steps)
    limit = min(widest, 3 * max(abs(s) for step in steps[-3:] for s in (step.low, step.high)))
    axes.set_ylim(-1.1 * limit, 1.1 * limit)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    text = style.text_style(style.LABEL)
    axes.set_xlabel(f"repeats of each (at most {at_most})", **text)
    axes.set_ylabel(unit, **text)
    style.add_title(figure, title)
    style.save(figure, path)


def interval_strip(step: Step, limit: float) -> str:
    """One line of text: the interval from -limit to limit around 0 ("      ├──●────┤")."""
    half = _STRIP // 2

    def column(value: float) -> int:
        return round(half * min(max(value / limit, -1.0), 1.0)) + half if limit else half

    low, middle, high = column(step.low), column(step.difference), column(step.high)
    cells = [" "] * _STRIP
    cells[half] = "|"
    for position in range(low, high + 1):
        cells[position] = "┼" if position == half else "─"
    cells[middle] = "●"
    return "".join(cells)
