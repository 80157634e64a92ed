"""A report in GitHub's Markdown, with the same content as the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fashion_exp.reporting.comparison_figures import MAX_CONFUSIONS, Drawing, Drawings
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.many_classes import MAX_CLASSES, most_confused
from fashion_exp.reporting.report_content import Confusion, Finding, Report, Severity
from fashion_exp.reporting.tables import PlainTable, escape_markdown, markdown_table
from fashion_exp.reporting.verdict_matrix import first_pairs

_SEVERITIES: Sequence[Severity] = ("wrong", "doubtful", "fine")


def markdown(report: Report, drawings: Drawings) -> str:
    """The whole file; it refers to the PNGs in `figures/` next to it."""
    lead, *answer = [escape_markdown(sentence) for sentence in report.answer] or [""]
    head = [f"# {escape_markdown(report.title)}", escape_markdown(report.created)]
    head += [f"**{lead}**", *answer] if lead else []
    pairs = first_pairs(report.pairs)
    caption = [escape_markdown(report.verdicts.caption)] if report.verdicts else []
    groups = [f"{group.title}: {group.count:,}" for group in report.photos]
    confusions = [_confusion(item) for item in report.confusions[:MAX_CONFUSIONS]]
    sections = {
        "Audit": _audit(report.audit),
        "Runs": [markdown_table(report.shown_runs)] if report.runs.rows else [],
        report.accuracy_name.capitalize(): [_figure(drawing) for drawing in drawings.accuracy],
        "Validation curves": [_figure(drawings.curves)] if drawings.curves else [],
        "Pairs": [*caption, markdown_table(pairs)] if pairs else [],
        "Effects": [_figure(drawing) for drawing in drawings.effects],
        "Settings that changed together": _list(report.confounds) + _commands(report.missing_cells),
        "Required sample sizes": [*_table(report.shown_uncertainty), *_list(report.plan)],
        "Confusion matrices": [*confusions, *_table(report.classes)],
        "Slices": [markdown_table(table) for table in report.slices],
        "Photos": _list(groups),
        "How to reproduce": _commands([*report.best_run, *report.reproduce]),
        "Methods": _list(report.methods),
    }
    for title, parts in sections.items():
        head += [f"## {title}", *(part.strip("\n") for part in parts)] if parts else []
    if drawings.missing:
        head.append(f"Figures that could not be drawn: {', '.join(drawings.missing)}.")
    return "\n\n".join(head) + "\n"


def _table(table: PlainTable | None) -> list[str]:
    return [markdown_table(table)] if table and table.rows else []


def _list(sentences: Sequence[str]) -> list[str]:
    lines = "\n".join(f"- {escape_markdown(sentence)}" for sentence in sentences)
    return [lines] if lines else []


def _commands(lines: Sequence[str]) -> list[str]:
    # Indented, not fenced: a command may contain backticks.
    block = "\n".join(f"    {' '.join(line.splitlines())}" for line in lines)
    return [block] if block else []


def _audit(findings: Sequence[Finding]) -> list[str]:
    rows = [
        (finding.title, finding.severity, finding.detail, "; ".join(finding.runs) or "all")
        for finding in sorted(findings, key=lambda item: _SEVERITIES.index(item.severity))
    ]
    return [markdown_table(PlainTable(("", "severity", "result", "runs"), rows))] if rows else []


def _figure(drawing: Drawing) -> str:
    image = f"![{escape_markdown(drawing.title)}](figures/{drawing.name}.png)"
    image = image if drawing.wide else "This figure could not be drawn."
    table = replace(drawing.table, title=drawing.table.title or drawing.title)
    return "\n\n".join([image, escape_markdown(drawing.sentence), markdown_table(table)])


def _confusion(confusion: Confusion) -> str:
    title = f"{confusion.name}, {confusion.part}: {confusion.counted}"
    if len(confusion.classes) > MAX_CLASSES:
        return markdown_table(
            replace(most_confused(confusion.counts, confusion.classes), title=title)
        )
    rows = []
    for name, counts in zip(confusion.classes, confusion.counts.tolist(), strict=True):
        total = sum(counts)
        shares = [f"{count:,} ({percent(count / total)})" if total else "0" for count in counts]
        rows.append((name, *shares, f"{total:,}"))
    header = ("true / predicted", *confusion.classes, "predictions")
    return markdown_table(PlainTable(header, rows, title))
