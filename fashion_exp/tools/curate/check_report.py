"""Report of `data check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fashion_exp.data.sources.curation_lists import FINE, QUARANTINE_FILE
from fashion_exp.inspection.image_tree import ImageTree, display_path
from fashion_exp.reporting.formats import pluralize
from fashion_exp.reporting.photo_page import MAX_PHOTOS, Section
from fashion_exp.reporting.report_content import PhotoGroup
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.tools.curate.findings import KINDS, QUARANTINED_KINDS, Finding
from fashion_exp.tools.curate.report import FolderReport, photo

_MAX_PER_KIND = 60


def check_report(
    tree: ImageTree,
    findings: Sequence[Finding],
    list_file: Path,
    line_counts: tuple[int, int],
    max_megapixels: float,
) -> FolderReport:
    """`line_counts`: generated and manual lines of the quarantine list."""
    generated, manual = line_counts
    notes = [
        f"dataset=folder and dataset=csv skip the files in {QUARANTINE_FILE} from the next run "
        "on. Nothing was moved or deleted.",
        f"You may edit the list: lines that you add are kept, and the reason '{FINE}' keeps the "
        "photo in the data set. A generated line that you delete comes back with the next check.",
    ]
    if manual:
        notes.append(f"Manual lines of {QUARANTINE_FILE}, kept: {manual}.")
    data = {
        "quarantine": display_path(list_file) if list_file.exists() else None,
        "quarantined": generated,
        "by_hand": manual,
        "findings": [
            {
                "path": finding.file.path,
                "label": finding.file.label,
                "part": finding.file.part,
                "kind": finding.kind,
                "detail": finding.detail,
                "leaves_out": finding.is_quarantined,
            }
            for finding in findings
        ],
    }
    sections = [
        Section("findings", "Findings", notes, [_kinds_table(findings)]),
        *_kind_sections(findings, max_megapixels),
    ]
    return FolderReport([_conclusion(len(tree.images), findings, manual)], sections, data)


def _conclusion(file_count: int, findings: Sequence[Finding], manual: int) -> str:
    unusable = len({f.file.path for f in findings if f.is_quarantined})
    unusual = len({f.file.path for f in findings if not f.is_quarantined})
    return " ".join(
        [
            f"{unusable:,} of {file_count:,} files must not be used for training."
            if unusable
            else f"All {file_count:,} files can be used for training.",
            *([f"{QUARANTINE_FILE} has {pluralize(manual, 'manual line')}."] if manual else []),
            f"{pluralize(unusual, 'file')} to look at more closely."
            if unusual
            else "There are no other findings.",
        ]
    )


def _kinds_table(findings: Sequence[Finding]) -> PlainTable:
    """One row per kind of finding, most serious first."""
    counts = Counter(finding.kind for finding in findings)
    rows = [
        [kind, f"{counts[kind]:,}", "quarantined" if kind in QUARANTINED_KINDS else "kept", meaning]
        for kind, meaning in KINDS.items()
        if counts[kind]
    ]
    return PlainTable(["finding", "files", "action", "meaning"], rows)


def _kind_sections(findings: Sequence[Finding], max_megapixels: float) -> list[Section]:
    sections = []
    budget = MAX_PHOTOS
    for kind, meaning in KINDS.items():
        of_kind = [finding for finding in findings if finding.kind == kind]
        if not of_kind:
            continue
        shown = of_kind[: min(_MAX_PER_KIND, budget)]
        budget -= len(shown)
        photos = [photo(f.file, f.detail, max_megapixels) for f in shown]
        sentence = f"{meaning[0].upper()}{meaning[1:]}."
        group = PhotoGroup("Files", len(of_kind), photos)
        sections.append(Section(kind, kind.capitalize(), [sentence], photos=[group]))
    return sections
