"""The tables of slices, for the terminal and the report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fashion_exp.reporting.formats import (
    DASH,
    difference_range,
    difference_text,
    p_cell,
    with_limits,
)
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.stats.slices import MIN_SLICE

if TYPE_CHECKING:
    from fashion_exp.comparison.slices import SliceAnalysis
    from fashion_exp.stats.interval import Interval


def slices_table(analysis: SliceAnalysis) -> PlainTable:
    """One row per slice; the accuracy and verdict of each run."""
    names, level = analysis.compared.names, 100 * analysis.compared.settings.level
    several = len(names) > 1
    header = ["slice", "images"]
    for name in names:
        header += [name if several else "accuracy", f"{name} vs rest" if several else "vs rest"]
    rows = []
    for part in analysis.slices:
        row = [f"{part.column} {part.value}", f"{max(r.images for r in part.results):,}"]
        for result in part.results:
            accuracy = result.accuracy
            text = DASH
            if accuracy.estimate is not None:
                text = with_limits(accuracy.estimate, accuracy.low, accuracy.high)
            row += [text, _rest(result.difference)]
            if result.verdict in ("worse", "better"):
                row[-1] += f" {result.verdict}"
        rows.append(row)
    note = (
        f"Accuracy with its {level:g} % interval. vs rest: points above the accuracy on the other "
        f"images, with limits that hold for all slices of a run jointly ({level:g} %); better "
        f"and worse are those that exclude 0. {DASH}: fewer than {MIN_SLICE} independent images in "
        "the slice or in the rest."
    )
    return PlainTable(header, rows, title="Slices", notes=[note])


def pairs_of_slices_table(analysis: SliceAnalysis) -> PlainTable | None:
    """None for one run."""
    names, alpha = analysis.compared.names, analysis.compared.settings.pair_alpha
    rows = [
        [f"{part.column} {part.value}", names[pair.first], names[pair.second],
         _rest(pair.joint), DASH if pair.p_holm is None else p_cell(pair.p_holm),
         pair.verdict(alpha)]
        for part in analysis.slices
        for pair in part.pairs
    ]  # fmt: skip
    if not rows:
        return None
    header = ["slice", "first", "second", "first minus second", "p (adjusted)", "verdict"]
    note = (
        "Points, with limits for all rows jointly; p adjusted for all rows (Holm). The claim is "
        "about the models at hand."
    )
    return PlainTable(header, rows, title="Runs on slices", notes=[note])


def slice_report_tables(analysis: SliceAnalysis) -> list[PlainTable]:
    """With the sentences above the first one."""
    tables = [replace(slices_table(analysis), intro=analysis.sentences)]
    pairs = pairs_of_slices_table(analysis)
    return tables if pairs is None else [*tables, pairs]


def _rest(difference: Interval | None) -> str:
    if difference is None or difference.estimate is None:
        return DASH
    if difference.low is None or difference.high is None:
        return difference_text(difference.estimate)
    limits = difference_range(difference.low, difference.high)
    return f"{difference_text(difference.estimate)} ({limits})"
