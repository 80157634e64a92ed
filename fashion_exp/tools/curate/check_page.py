"""What the check found, told: in sentences, as a table, as a page with the photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fashion_exp.data.sources.curation_lists import FINE, QUARANTINE
from fashion_exp.reporting.photo_page import Album, Chapter
from fashion_exp.reporting.report_content import PhotoGroup
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.tools.curate.findings import KINDS, LEFT_OUT, Finding
from fashion_exp.tools.curate.thumbnails import MOST_PHOTOS, now, photo

_MOST_OF_A_KIND = 60


def answer(files: int, findings: Sequence[Finding], theirs: int) -> list[str]:
    away = len({finding.place.path for finding in findings if finding.leaves_out})
    others = len({f.place.path for f in findings if not f.leaves_out})
    lead = f"{away:,} of {files:,} files must not be trained on." if away else (
        f"All {files:,} files can be trained on.")  # fmt: skip
    if theirs:
        lead += f" Lines by hand in {QUARANTINE}: {theirs:,}."
    also = f"{others:,} are worth a look." if others else "Nothing else stands out."
    return [f"{lead} {also}"]


def kinds_table(findings: Sequence[Finding]) -> PlainTable:
    """A row a kind that was found, the graver first."""
    files = Counter(finding.kind for finding in findings)
    rows = [
        [kind, f"{files[kind]:,}", "quarantine" if kind in LEFT_OUT else "listed", meaning]
        for kind, meaning in KINDS.items()
        if files[kind]
    ]
    return PlainTable(["finding", "files", "", "meaning"], rows)


def check_album(
    title: str, files: int, findings: Sequence[Finding], theirs: int, max_megapixels: float
) -> Album:
    """`theirs`: lines of the quarantine that a person wrote."""
    notes = [
        f"Files in {QUARANTINE} are left out by dataset=folder and dataset=csv from the next run "
        "on. Nothing was moved or deleted.",
        f"The list may be edited: lines that you add stay, and a line whose reason is '{FINE}' "
        "keeps its photo in. A line that is only deleted comes back with the next check.",
    ]
    if theirs:
        notes.append(f"Lines of the quarantine written by hand, kept: {theirs}.")
    chapters = [Chapter("findings", "Findings", notes, [kinds_table(findings)])]
    budget = MOST_PHOTOS
    for kind, meaning in KINDS.items():
        of_kind = [finding for finding in findings if finding.kind == kind]
        shown = of_kind[: min(_MOST_OF_A_KIND, budget)]
        budget -= len(shown)
        if of_kind:
            photos = [photo(f.place, f.detail, max_megapixels) for f in shown]
            said = [f"{meaning[0].upper()}{meaning[1:]}."]
            group = PhotoGroup("Files", len(of_kind), photos)
            chapters.append(Chapter(kind, kind.capitalize(), said, photos=[group]))
    return Album(
        title, now(), answer(files, findings, theirs), chapters, "The same is in check.json."
    )


def as_data(finding: Finding) -> dict[str, Any]:
    """What `--json` gives of a finding."""
    place = finding.place
    return {
        "path": place.path,
        "label": place.label,
        "part": place.part,
        "kind": finding.kind,
        "detail": finding.detail,
        "leaves_out": finding.leaves_out,
    }
