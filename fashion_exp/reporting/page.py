"""A report as files: one page that needs nothing else, the same as Markdown, tables, figures."""

from __future__ import annotations

import base64
import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashion_exp.atomic_io import write_text
from fashion_exp.reporting.comparison_figures import MOST_CONFUSIONS, Drawings, draw_all
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.percentage_points import difference_text
from fashion_exp.reporting.report_content import Confusion, Photo, Report, VerdictMatrix
from fashion_exp.reporting.report_markdown import markdown
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.reporting.verdict_matrix import (
    MOST_NAMES,
    MOST_WITH_WORDS,
    SIGNS,
    cell_text,
    most_pairs,
)

if TYPE_CHECKING:
    from jinja2 import Environment

_OURS = ("accuracy-*.png", "effect-*.png", "confusion-*.png", "curves.png", "verdicts.png")


def write_report(report: Report, folder: Path) -> Path:
    """Write report.html, report.md, runs.csv, pairs.csv and figures/*.png into `folder`.

    Each is whole or as it was before; what an earlier report left and this one does not have is
    removed. Returns the path of the page.
    """
    figures = folder / "figures"
    drawings = draw_all(report, figures)
    _write_csv(report.runs, folder / "runs.csv")
    if report.pairs is not None:
        _write_csv(report.pairs, folder / "pairs.csv")
    else:
        (folder / "pairs.csv").unlink(missing_ok=True)
    for stale in {path for name in _OURS for path in figures.glob(name)} - {*drawings.pictures}:
        stale.unlink()
    write_text(folder / "report.md", markdown(report, drawings))
    page = folder / "report.html"
    write_text(page, html(report, drawings))
    return page


def html(report: Report, drawings: Drawings) -> str:
    """The whole page."""
    template = environment().get_template("report.html.j2")
    return template.render(
        report=report,
        drawings=drawings,
        verdicts=_verdict_table(report.verdicts),
        pairs=most_pairs(report.pairs),
        confusions=[_confusion_table(told) for told in report.confusions[:MOST_CONFUSIONS]],
        signs=SIGNS,
    )


def environment() -> Environment:
    """Of the templates beside this file, with the filters that they use."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "right_aligned": right_aligned,
        "data_uri": _data_uri,
        "percent": percent,
        "difference": difference_text,
        "tied": tied,
        "words": re.compile(r"(\s+)").split,
    }
    return environment


_NUMBER = re.compile(r"[+\N{MINUS SIGN}-]?\d[\d.,]*(e[+-]?\d+)?\b(?!/)|[<>] ?\d|\N{EN DASH}$|$")


def right_aligned(table: PlainTable) -> list[bool]:
    """Of each column, whether it is of numbers: texts that begin with one, dashes and gaps."""
    columns = [[row[place] for row in table.rows] for place in range(len(table.header))]
    return [
        place > 0 and any(column) and all(_NUMBER.match(cell) for cell in column)
        for place, column in enumerate(columns)
    ]


def tied(text: str) -> str:
    """The text, with a number and its sign never at two lines' ends."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\bn) (?==)|(?<=[<>=]) (?=\d)", "\N{NO-BREAK SPACE}", text)


def _data_uri(photo: Photo) -> str:
    assert photo.picture is not None
    return f"data:image/jpeg;base64,{base64.b64encode(photo.picture).decode()}"


def _verdict_table(matrix: VerdictMatrix | None) -> dict[str, Any] | None:
    """The matrix row by row: of a cell its class, sign, words and numbers, or None."""
    if matrix is None or len(matrix.names) < 2:
        return None
    names = list(matrix.names[:MOST_NAMES])
    rows = []
    for row, name in enumerate(names):
        cells = []
        for column, other in enumerate(names):
            cell = matrix.cells.get((row, column))
            told = (
                None
                if cell is None
                else {"cell": cell, "all": cell_text(cell, name, other, matrix.percent)}
            )
            cells.append(told)
        rows.append((name, cells))
    return {
        "names": names,
        "rows": rows,
        "roomy": len(names) <= MOST_WITH_WORDS,
        "left_out": len(matrix.names) - len(names),
        "caption": matrix.caption,
        "percent": matrix.percent,
    }


def _confusion_table(told: Confusion) -> dict[str, Any]:
    """Counts with their share of the true class."""
    rows = []
    for name, counts in zip(told.classes, told.counts, strict=True):
        total = sum(counts)
        rates = [count / total if total else 0.0 for count in counts]
        rows.append((name, list(zip(counts, rates, strict=True)), total))
    everything = sum(total for *_, total in rows)
    right = sum(told.counts[place][place] for place in range(len(told.classes)))
    accuracy = percent(right / everything if everything else None)
    return {"told": told, "rows": rows, "accuracy": accuracy, "total": everything}


def _write_csv(table: PlainTable, path: Path) -> None:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([table.header, *table.rows])
    write_text(path, target.getvalue())
