"""The figures of a report: drawn for the page, for a phone, and as pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_exp.reporting import figures, style, text_layout
from fashion_exp.reporting.comparison_curves import (
    MOST_PANELS,
    MOST_TOGETHER,
    curves_sentence,
    curves_table,
    validation_curves,
)
from fashion_exp.reporting.forest import NARROW, WIDE, forest
from fashion_exp.reporting.forest_numbers import forest_sentence, forest_table
from fashion_exp.reporting.report_content import Forest, Report
from fashion_exp.reporting.svg import inline_svg
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.reporting.verdict_matrix import verdict_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CONFUSIONS = 12
_MOST_NAMED = 8
CURVES_TITLE = "Validation accuracy by epoch"


@dataclass(frozen=True)
class Drawing:
    """One figure as the page needs it."""

    name: str
    """Of its PNG, without the suffix, and of its ids in the page."""
    title: str
    sentence: str
    """What it shows, in words."""
    wide: str
    narrow: str
    """SVG elements, for a desktop and for a phone."""
    table: PlainTable
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drawings:
    accuracy: tuple[Drawing, ...]
    curves: Drawing | None
    effects: tuple[Drawing, ...]
    pictures: tuple[Path, ...]
    """Every PNG that was written."""


def draw_all(report: Report, folder: Path) -> Drawings:
    """Draw every figure; the PNGs go into `folder`."""
    accuracy = tuple(_forests("accuracy", report.accuracy, folder, difference=False))
    effects = tuple(_forests("effect", report.effects, folder, difference=True))
    curves = _curves(report, folder)
    drawn = [*accuracy, *([curves] if curves else []), *effects]
    pictures = [folder / f"{drawing.name}.png" for drawing in drawn]
    pictures += _pictures_alone(report, folder)
    return Drawings(accuracy, curves, effects, tuple(pictures))


def _forests(
    kind: str, forests: Sequence[Forest], folder: Path, difference: bool
) -> Iterator[Drawing]:
    for place, told in enumerate(forests, start=1):

        def make(width: float, told: Forest = told) -> Figure:
            return forest(told, width, difference)

        sentence = forest_sentence(told, difference)
        table = forest_table(told, difference)
        yield _drawing(f"{kind}-{place}", told.title, sentence, make, table, folder)


def _curves(report: Report, folder: Path) -> Drawing | None:
    curves = [curve for curve in report.curves if any(len(line) for line in curve.lines)]
    if not curves:
        return None
    notes = []
    if any(len(curve.lines) > 1 for curve in curves):
        notes.append("Line: the mean of a run's trainings. Band: from the lowest to the highest.")
    if len(curves) > MOST_TOGETHER and any(curve.winner for curve in curves):
        notes.append("Dotted, in every other panel: the winner.")
    if len(curves) > MOST_PANELS:
        notes.append(_left_out([curve.name for curve in curves]))

    def make(width: float) -> Figure:
        return validation_curves(curves, width)

    sentence, table = curves_sentence(curves), curves_table(curves)
    return _drawing("curves", CURVES_TITLE, sentence, make, table, folder, tuple(notes))


def _left_out(names: Sequence[str]) -> str:
    told = f"The first {MOST_PANELS} of {len(names)} runs are drawn"
    others = names[MOST_PANELS:]
    if len(others) <= _MOST_NAMED:
        return f"{told}; left out: {', '.join(others)}."
    return f"{told}; left out: {others[0]} to {others[-1]}, in the order of the table below."


def _drawing(
    name: str,
    title: str,
    sentence: str,
    make: Callable[[float], Figure],
    table: PlainTable,
    folder: Path,
    notes: tuple[str, ...] = (),
) -> Drawing:
    wide = make(WIDE)
    svg = inline_svg(wide, f"{name}-wide", title, sentence)
    narrow = inline_svg(make(NARROW), f"{name}-narrow", title, sentence)
    # On the page its heading says what it is; a picture alone must say it itself.
    _entitle(wide, title)
    style.save(wide, folder / f"{name}.png")
    return Drawing(name, title, sentence, svg, narrow, table, notes)


def _entitle(figure: Figure, title: str) -> None:
    width, height = figure.get_size_inches()
    bold: dict[str, Any] = {"fontweight": "bold", "fontsize": style.TITLE, "color": style.INK}
    lines = text_layout.wrap(title, style.TITLE * 1.13, width - 0.1)
    for place, line in enumerate(reversed(lines)):
        y = 1 + (0.12 + 0.19 * place) / height
        figure.text(0.03 / width, y, line, **bold, **style.any_text())


def _pictures_alone(report: Report, folder: Path) -> list[Path]:
    """What the page shows as a table."""
    written = []
    if report.verdicts is not None and len(report.verdicts.names) > 1:
        written.append(style.save(verdict_figure(report.verdicts), folder / "verdicts.png"))
    for place, told in enumerate(report.confusions[:MOST_CONFUSIONS], start=1):
        matrix = np.asarray(told.counts)
        figure = figures.confusion(matrix, told.classes, f"{told.name}, {told.part}")
        written.append(style.save(figure, folder / f"confusion-{place:02}.png"))
    return written
