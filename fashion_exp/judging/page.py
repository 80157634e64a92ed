"""The comparison of tools as the content of a page."""

from __future__ import annotations

import time
from os import PathLike
from pathlib import Path

from fashion_exp.comparison.report_data import pair_methods, verdict_matrix
from fashion_exp.comparison.report_tables import pairs_table
from fashion_exp.comparison.slice_tables import slice_report_tables
from fashion_exp.comparison.slices import SliceAnalysis
from fashion_exp.errors import InputError
from fashion_exp.judging.judgement import Judgement
from fashion_exp.paths import why_not_writable
from fashion_exp.reporting.formats import DASH, with_limits
from fashion_exp.reporting.report_content import ForestPlot, ForestRow, Report
from fashion_exp.reporting.tables import PlainTable


def write_page(
    judgement: Judgement, into: str | PathLike[str], command: str = "",
    slices: SliceAnalysis | None = None,
) -> Path:  # fmt: skip
    """Writes a page with tables and figures into a folder, and returns its path. `command` is what
    the page names to make it again; `slices` (`api.slices.judgement_slices`) are shown too.

    Raises `InputError` if nothing can be written there.
    """
    from fashion_exp.reporting.page import write_report

    folder = Path(into)
    if reason := why_not_writable(folder):
        raise InputError(f"{folder}: {reason}; choose another folder")
    return write_report(build_page(judgement, command, slices), folder)


def build_page(judgement: Judgement, command: str, slices: SliceAnalysis | None = None) -> Report:
    """All that the page, its tables and figures show. `command` makes the page again."""
    is_several = len(judgement.runs) > 1
    return Report(
        title=f"{judgement.settings.described.label} of {', '.join(judgement.names)}"[:200],
        created=time.strftime("%Y-%m-%d %H:%M"),
        answer=judgement.conclusions,
        audit=[],
        runs=tools_table(judgement),
        accuracy=_forests(judgement),
        curves=[],
        verdicts=verdict_matrix(judgement) if is_several else None,
        pairs=pairs_table(judgement) if is_several else None,
        effects=[],
        confounds=[],
        missing_cells=[],
        plan=judgement.plans if is_several else [],
        confusions=[],
        photos=[],
        reproduce=[command] if command else [],
        slices=[] if slices is None else slice_report_tables(slices),
        methods=[*(pair_methods(judgement) if is_several else []), *judgement.notes],
    )


def _forests(judgement: Judgement) -> list[ForestPlot]:
    """The metric of each tool, for the models at hand and for a new training."""
    metric, level = judgement.settings.described, f"{100 * judgement.settings.level:g} %"
    kinds = {"the models at hand": ("low", "high"), "a new training": ("t_low", "t_high")}
    plots = []
    for claim, (low, high) in kinds.items():
        rows = [
            ForestRow(
                row["name"], row["estimate"], row[low], row[high], row["note"],
                winner=index == 0 and len(judgement.runs) > 1,
            )
            for index, row in enumerate(judgement.rows)
            if row[low] is not None
        ]  # fmt: skip
        if rows:
            label = f"{metric.label[0].upper()}{metric.label[1:]}"
            plots.append(
                ForestPlot(f"{label}, {level} intervals for {claim}", rows, metric.is_share)
            )
    return plots


def tools_table(judgement: Judgement) -> PlainTable:
    """One row per tool, best first."""
    metric = judgement.settings.described
    rows = []
    for row in judgement.rows:
        limits = with_limits(row["estimate"], row["low"], row["high"], metric.is_share)
        t = with_limits(row["estimate"], row["t_low"], row["t_high"], metric.is_share)
        t = DASH if row["t_low"] is None else t.partition("(")[2].rstrip(")")
        rows.append([row["name"], limits, t, f"{row['items']:,}", f"{row['trainings']}"])
    level = f"{100 * judgement.settings.level:g} %"
    note = (
        f"Best first, with {level} intervals for the models at hand; t-interval: for a new "
        "training. n: different items. J: trainings."
    )
    return PlainTable(["tool", metric.label, "t-interval", "n", "J"], rows, notes=[note])
