"""Writes a report: a self-contained HTML page, the same in Markdown, CSV tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fashion_exp.atomic_io import write_text
from fashion_exp.reporting.comparison_figures import MAX_CONFUSIONS, Drawings, draw_all
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.many_classes import MAX_CLASSES, map_caption, map_image, most_confused
from fashion_exp.reporting.report_content import Confusion, Report
from fashion_exp.reporting.report_markdown import markdown
from fashion_exp.reporting.tables import csv_table
from fashion_exp.reporting.templates import png_uri, render
from fashion_exp.reporting.verdict_matrix import (
    MAX_LABELED,
    MAX_NAMES,
    SYMBOLS,
    cell_text,
    first_pairs,
)

_FIGURES = ("accuracy-*.png", "effect-*.png", "confusion-*.png", "curves.png", "verdicts.png")
"""Files of an earlier report that are removed; other files in the folder stay."""


def write_report(report: Report, folder: Path) -> Path:
    """Writes report.html, report.md, runs.csv, pairs.csv and figures/*.png into `folder`.

    Each file is written atomically. Figures and pairs.csv of an earlier report that this one lacks
    are removed. Returns the path of the page.
    """
    figures = folder / "figures"
    drawings = draw_all(report, figures)
    write_text(folder / "runs.csv", csv_table(report.runs))
    if report.pairs is not None:
        write_text(folder / "pairs.csv", csv_table(report.pairs))
    else:
        (folder / "pairs.csv").unlink(missing_ok=True)
    for stale in {path for name in _FIGURES for path in figures.glob(name)} - {*drawings.files}:
        stale.unlink()
    write_text(folder / "report.md", markdown(report, drawings))
    page = folder / "report.html"
    write_text(page, html(report, drawings))
    return page


def html(report: Report, drawings: Drawings) -> str:
    """The whole page."""
    return render(
        "report.html.j2",
        report=report,
        drawings=drawings,
        names=report.verdicts.names[:MAX_NAMES] if report.verdicts else [],
        max_labeled=MAX_LABELED,
        cell_text=cell_text,
        symbols=SYMBOLS,
        pairs=first_pairs(report.pairs),
        confusions=[_confusion_table(item) for item in report.confusions[:MAX_CONFUSIONS]],
    )


def _confusion_table(confusion: Confusion) -> dict[str, Any]:
    """Counts by row with their shares of the true class; of many classes a map and some pairs."""
    counts, classes = confusion.counts, confusion.classes
    total = int(counts.sum())
    accuracy = percent(counts.trace() / total if total else None)
    table: dict[str, Any] = {"content": confusion, "accuracy": accuracy, "total": total}
    if len(classes) > MAX_CLASSES:
        image = png_uri(map_image(counts))
        pairs = most_confused(counts, classes)
        return table | {"map": image, "caption": map_caption(len(classes)), "pairs": pairs}
    rows = []
    for name, row in zip(classes, counts.tolist(), strict=True):
        row_total = sum(row)
        rows.append((name, [(n, n / row_total if row_total else 0.0) for n in row], row_total))
    return table | {"rows": rows}
