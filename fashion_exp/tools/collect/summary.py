"""Counts of a collection as a data structure, as tables and as the page `collection.html`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from fashion_exp.atomic_io import write_text
from fashion_exp.data.regular_files import open_regular_file
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.reporting.collection_page import (
    ClassSection,
    CollectionPage,
    ImageCard,
    render_page,
)
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.tools.collect.decoder import Decoder
from fashion_exp.tools.collect.manifest import Entry, Manifest
from fashion_exp.tools.collect.plan import Plan
from fashion_exp.tools.collect.rejections import Postponed, Rejected

PAGE_NAME = "collection.html"
MAX_IMAGES_PER_CLASS = 60
"""On the page; of larger classes it shows a regular sample."""
_MAX_REASONS = 100


@dataclass(frozen=True)
class ClassSummary:
    label: str
    target: int
    examined: int
    accepted: int
    """Existing images of this class only."""
    copies: int
    conflicts: int
    """Images that another class has, too; training ignores them until all but one are deleted."""
    rejected: dict[str, int]
    """By kind of reason."""
    failed: dict[str, int]
    """By kind of reason; the next run tries these again."""
    attribute_counts: dict[str, int]
    """Accepted images by the plan's attribute; "" if they have none."""

    def to_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "wanted": self.target,
            "looked_at": self.examined,
            "accepted": self.accepted,
            "copies": self.copies,
            "conflicts": self.conflicts,
            "rejected": self.rejected,
            "failed": self.failed,
            "colours": self.attribute_counts,
        }


def summarize(plan: Plan, manifest: Manifest) -> list[ClassSummary]:
    """One summary per class, in the order of the plan."""
    entries: dict[str, list[Entry]] = {label: [] for label in plan.classes}
    for entry in manifest.entries:
        if entry.candidate.label in entries:
            entries[entry.candidate.label].append(entry)
    accepted, conflicts = manifest.accepted_hashes(), manifest.conflicts()
    return [
        _class_summary(
            plan,
            label,
            class_entries,
            accepted.get(label, set()),
            sum(label in files for files in conflicts),
        )
        for label, class_entries in entries.items()
    ]


def _class_summary(
    plan: Plan, label: str, entries: list[Entry], accepted: set[str], conflicts: int
) -> ClassSummary:
    attributes = Counter(
        entry.candidate.attributes.get(plan.attribute, "")
        for entry in entries
        if entry.outcome.sha256 in accepted and entry.outcome.status != "copy"
    )
    return ClassSummary(
        label=label,
        target=plan.target_of(label),
        examined=len(entries),
        accepted=len(accepted),
        copies=sum(entry.outcome.status == "copy" for entry in entries),
        conflicts=conflicts,
        rejected=_count_kinds(entries, "rejected"),
        failed=_count_kinds(entries, "failed"),
        attribute_counts=dict(sorted(attributes.items())),
    )


def _count_kinds(entries: Iterable[Entry], status: str) -> dict[str, int]:
    kinds = Counter(entry.outcome.kind for entry in entries if entry.outcome.status == status)
    return dict(kinds.most_common())


def class_table(summaries: list[ClassSummary]) -> PlainTable:
    """One row per class."""
    header = [
        "class", "target", "examined", "accepted", "copies", "conflicts", "rejected", "to retry",
    ]  # fmt: skip
    rows = []
    for item in summaries:
        counts = (
            item.target, item.examined, item.accepted, item.copies, item.conflicts,
            sum(item.rejected.values()), sum(item.failed.values()),
        )  # fmt: skip
        rows.append([item.label, *(f"{count:,}" for count in counts)])
    return PlainTable(header, rows)


def kind_table(summaries: list[ClassSummary]) -> PlainTable:
    """One row per kind of rejection and failure, most frequent first, with counts per class."""
    rows = []
    for consequence, counts_by_class in (
        ("rejected", {item.label: item.rejected for item in summaries}),
        ("to retry", {item.label: item.failed for item in summaries}),
    ):
        totals = Counter[str]()
        for counts in counts_by_class.values():
            totals.update(counts)
        for kind, total in totals.most_common():
            classes = ", ".join(
                f"{label} {counts[kind]:,}"
                for label, counts in counts_by_class.items()
                if kind in counts
            )
            rows.append([kind, consequence, f"{total:,}", classes])
    return PlainTable(["reason", "", "images", "classes"], rows)


def print_summary(summaries: list[ClassSummary], console: Console) -> None:
    console.print(class_table(summaries))
    if (kinds := kind_table(summaries)).rows:
        console.print("", kinds, sep="\n")


def write_page(
    plan: Plan, manifest: Manifest, decoder: Decoder, folder: Path, summaries: list[ClassSummary]
) -> Path:
    """Writes `collection.html`; returns its path."""
    conflicts = [list(files.values()) for files in manifest.conflicts()]
    conflict_files = {file for files in conflicts for file in files}
    entries = [e for e in manifest.entries_with_file() if e.outcome.status != "copy"]
    sections = []
    for summary in summaries:
        class_entries = [e for e in entries if e.candidate.label == summary.label]
        step = max(1, -(-len(class_entries) // MAX_IMAGES_PER_CLASS))
        cards = [
            _image_card(entry, entry.outcome.file in conflict_files, plan, decoder, folder)
            for entry in class_entries[::step]
        ]
        note = _attribute_note(plan.attribute, summary.attribute_counts)
        sections.append(ClassSection(summary.label, len(class_entries), note, cards))
    page = CollectionPage(
        title=folder.name,
        created=time.strftime("%Y-%m-%d %H:%M"),
        lead=_lead(summaries),
        summary=class_table(summaries),
        classes=sections,
        conflicts=conflicts,
        reasons=_reason_table(manifest),
    )
    write_text(folder / PAGE_NAME, render_page(page))
    return folder / PAGE_NAME


def _lead(summaries: list[ClassSummary]) -> str:
    accepted = sum(item.accepted for item in summaries)
    target = sum(item.target for item in summaries)
    incomplete = ", ".join(item.label for item in summaries if item.accepted < item.target)
    note = f"; below target: {incomplete}" if incomplete else ""
    return f"{accepted:,} of {target:,} images in {len(summaries)} classes{note}"


def _attribute_note(attribute: str, counts: dict[str, int]) -> str:
    """Such as "colour: blue 5, none 2"; empty if no image has the attribute."""
    if not any(counts):
        return ""
    return f"{attribute}: " + ", ".join(f"{v or 'none'} {count:,}" for v, count in counts.items())


def _image_card(
    entry: Entry, is_conflict: bool, plan: Plan, decoder: Decoder, folder: Path
) -> ImageCard:
    candidate = entry.candidate
    try:
        with open_regular_file(folder / entry.outcome.file) as file:
            thumbnail = decoder.decode(file.read(), thumbnail=True).thumbnail
    except (UnreadableImageError, Rejected, Postponed):
        # The file has changed since it was accepted.
        thumbnail = b""
    return ImageCard(
        thumbnail=thumbnail,
        file=entry.outcome.file,
        caption=candidate.attributes.get(plan.attribute, ""),
        creator=candidate.creator,
        licence=candidate.licence,
        licence_url=candidate.licence_url,
        source=candidate.landing_page or candidate.url,
        is_conflict=is_conflict,
    )


def _reason_table(manifest: Manifest) -> PlainTable:
    """The reasons for rejections and failures, most frequent first."""
    counts = Counter(
        (entry.outcome.status, entry.outcome.kind, entry.outcome.reason)
        for entry in manifest.entries
        if entry.outcome.status in ("rejected", "failed")
    )
    rows = [
        [kind, reason, "to retry" if status == "failed" else "rejected", f"{count:,}"]
        for (status, kind, reason), count in counts.most_common(_MAX_REASONS)
    ]
    return PlainTable(["kind", "reason", "", "count"], rows)
