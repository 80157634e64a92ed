"""All figures of a report: SVGs for desktop and phone, and PNG files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.reporting import style
from fashion_exp.reporting.comparison_curves import (
    MAX_PANELS,
    MAX_SHARED,
    curves_sentence,
    curves_table,
    validation_curves,
)
from fashion_exp.reporting.drawing import optional_figure
from fashion_exp.reporting.figures import confusion_matrix
from fashion_exp.reporting.forest import forest_figure
from fashion_exp.reporting.forest_text import forest_sentence, forest_table
from fashion_exp.reporting.report_content import Curve, ForestPlot, Report
from fashion_exp.reporting.svg import inline_svg
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.reporting.verdict_matrix import verdict_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_CONFUSIONS = 12


@dataclass(frozen=True)
class Drawing:
    """One figure as the page needs it."""

    name: str
    """File name of its PNG without suffix, and prefix of its ids in the page."""
    title: str
    sentence: str
    """The content of the figure in words."""
    wide: str
    """SVG element for desktops; empty if the figure cannot be drawn."""
    narrow: str
    """SVG element for phones."""
    table: PlainTable
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Drawings:
    accuracy: Sequence[Drawing]
    curves: Drawing | None
    effects: Sequence[Drawing]
    files: Sequence[Path]
    """All PNGs."""

    @property
    def missing(self) -> list[str]:
        """The names of the PNGs that could not be drawn."""
        return [file.name for file in self.files if not file.exists()]


def draw_all(report: Report, folder: Path) -> Drawings:
    """Draws every figure and writes the PNGs into `folder`."""
    accuracy = [
        _forest(f"accuracy-{number}", plot, folder, difference=False)
        for number, plot in enumerate(report.accuracy, start=1)
    ]
    effects = [
        _forest(f"effect-{number}", plot, folder, difference=True)
        for number, plot in enumerate(report.effects, start=1)
    ]
    curves = _curves(report.curves, report.accuracy_name, folder)
    drawings = [*accuracy, *([curves] if curves else []), *effects]
    files = [folder / f"{drawing.name}.png" for drawing in drawings]
    return Drawings(accuracy, curves, effects, [*files, *_matrices(report, folder)])


def _forest(name: str, plot: ForestPlot, folder: Path, difference: bool) -> Drawing:
    draw = partial(forest_figure, plot, difference=difference)
    sentence, table = forest_sentence(plot, difference), forest_table(plot, difference)
    return _drawing(name, plot.title, sentence, draw, table, folder)


def _curves(curves: Sequence[Curve], accuracy_name: str, folder: Path) -> Drawing | None:
    curves = [curve for curve in curves if any(curve.lines)]
    if not curves:
        return None
    notes = []
    if any(len(curve.lines) > 1 for curve in curves):
        notes.append("Line: mean over a run's trainings. Band: from the lowest to the highest.")
    if len(curves) > MAX_SHARED and any(curve.winner for curve in curves):
        notes.append("Dotted line in every other panel: the best run.")
    if len(curves) > MAX_PANELS:
        notes.append(f"The first {MAX_PANELS} of {len(curves)} runs; the table below has all.")
    draw, sentence = partial(validation_curves, curves), curves_sentence(curves)
    title = f"Validation {accuracy_name} by epoch"
    return _drawing("curves", title, sentence, draw, curves_table(curves), folder, notes)


def _drawing(
    name: str,
    title: str,
    sentence: str,
    draw: Callable[[float], Figure],
    table: PlainTable,
    folder: Path,
    notes: Sequence[str] = (),
) -> Drawing:
    with optional_figure(folder / f"{name}.png") as file:
        wide, narrow = draw(style.WIDE), draw(style.NARROW)
        wide_svg = inline_svg(wide, f"{name}-wide", title, sentence)
        narrow_svg = inline_svg(narrow, f"{name}-narrow", title, sentence)
        # In the page the heading is the title; a file needs its own.
        style.add_title(wide, title)
        style.save(wide, file)
        return Drawing(name, title, sentence, wide_svg, narrow_svg, table, notes)
    return Drawing(name, title, sentence, "", "", table, notes)


def _matrices(report: Report, folder: Path) -> list[Path]:
    """Writes the figures of what the page shows as HTML tables."""
    files = []
    if report.verdicts is not None and len(report.verdicts.names) > 1:
        files.append(folder / "verdicts.png")
        with optional_figure(files[-1]) as file:
            style.save(verdict_figure(report.verdicts), file)
    for number, confusion in enumerate(report.confusions[:MAX_CONFUSIONS], start=1):
        files.append(folder / f"confusion-{number:02}.png")
        with optional_figure(files[-1]) as file:
            title = f"{confusion.name}, {confusion.part}, {confusion.counted}"
            style.save(confusion_matrix(confusion.counts, confusion.classes, title), file)
    return files
