"""A report in GitHub's Markdown: the same answer, audit, tables and numbers as the page."""

from __future__ import annotations

from collections.abc import Sequence

from fashion_exp.reporting.comparison_figures import MOST_CONFUSIONS, Drawing, Drawings
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.report_content import Confusion, Finding, Report, Severity
from fashion_exp.reporting.tables import PlainTable, escape, markdown_table
from fashion_exp.reporting.verdict_matrix import most_pairs

_ORDER: Sequence[Severity] = ("wrong", "doubtful", "fine")


def markdown(report: Report, drawings: Drawings) -> str:
    """The whole file; its figures are the PNGs in `figures/` beside it."""
    pairs = most_pairs(report.pairs)
    caption = [escape(report.verdicts.caption)] if report.verdicts else []
    confusions = [_confusion(told) for told in report.confusions[:MOST_CONFUSIONS]]
    lone = [_commands(report.missing_cells)] if report.missing_cells else []
    parts = [
        _section("Audit", _audit(report.audit)),
        _section("Runs", [markdown_table(report.runs)] if report.runs.rows else []),
        _section("Accuracy", [_figure(told) for told in drawings.accuracy]),
        _section("Validation curves", [_figure(drawings.curves)] if drawings.curves else []),
        _section("Pairs", [*caption, markdown_table(pairs)] if pairs else []),
        _section("Effects", [_figure(told) for told in drawings.effects]),
        _section("What cannot be told apart", [*_list(report.confounds), *lone]),
        _section("What would decide it", _list(report.plan)),
        _section("Confusions", confusions),
        _section("Photos", _list([f"{told.title}: {told.count:,}" for told in report.photos])),
        _section("How to reproduce", [_commands(report.reproduce)] if report.reproduce else []),
        _section("Methods", _list(report.methods)),
    ]
    return "\n\n".join([*_opening(report), *filter(None, parts)]) + "\n"


def _opening(report: Report) -> list[str]:
    answer = [escape(sentence) for sentence in report.answer]
    lead = [f"**{answer[0]}**"] if answer else []
    return [f"# {escape(report.title)}", escape(report.created), *lead, *answer[1:]]


def _section(title: str, parts: Sequence[str]) -> str:
    return "\n\n".join([f"## {title}", *(part.strip("\n") for part in parts)]) if parts else ""


def _list(sentences: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {escape(sentence)}" for sentence in sentences)] if sentences else []


def _commands(lines: Sequence[str]) -> str:
    # Indented, not fenced: a command may hold any quote, and a backtick too.
    return "\n".join(f"    {' '.join(line.splitlines())}" for line in lines)


def _audit(findings: Sequence[Finding]) -> list[str]:
    ordered = sorted(findings, key=lambda found: _ORDER.index(found.severity))
    rows = [
        (found.title, found.severity, found.detail, "; ".join(found.runs) or "all")
        for found in ordered
    ]
    return [markdown_table(PlainTable(("", "severity", "found", "runs"), rows))] if rows else []


def _figure(told: Drawing) -> str:
    table = (
        told.table
        if told.table.title
        else PlainTable(told.table.header, told.table.rows, told.title, told.table.notes)
    )
    picture = f"![{escape(told.title)}](figures/{told.name}.png)"
    return "\n\n".join([picture, escape(told.sentence), markdown_table(table)])


def _confusion(told: Confusion) -> str:
    rows = []
    for name, counts in zip(told.classes, told.counts, strict=True):
        total = sum(counts)
        shares = [f"{count:,} ({percent(count / total)})" if total else "0" for count in counts]
        rows.append((name, *shares, f"{total:,}"))
    header = ("true / predicted", *told.classes, "count")
    return markdown_table(PlainTable(header, rows, f"{told.name}, {told.part}"))
