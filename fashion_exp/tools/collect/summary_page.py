"""`collection.html`: the collection as people look at it, and its summary as a table."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from fashion_exp.atomic_io import write_text
from fashion_exp.reporting.collection_page import ClassSheet, CollectionPage, Shown, html
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.tools.collect.decoder import Decoder
from fashion_exp.tools.collect.manifest import Entry, Manifest
from fashion_exp.tools.collect.plan import Plan
from fashion_exp.tools.collect.progress_counts import Tally, conflicts, kept, present
from fashion_exp.tools.collect.rejections import Postponed, Rejected

FILE = "collection.html"
MOST_SHOWN = 60
"""Pictures of a class on the page; every so many-th where there are more."""


def summary(tallies: list[Tally]) -> PlainTable:
    """A row a class: what was wanted, and what became of what was looked at."""
    header = [
        "class",
        "wanted",
        "looked at",
        "accepted",
        "copies",
        "conflicts",
        "rejected",
        "to retry",
    ]
    rows = [
        [one.label, *(f"{count:,}" for count in (
            one.wanted, one.looked_at, one.accepted, one.copies, one.conflicts,
            sum(one.rejected.values()), sum(one.failed.values()),
        ))]
        for one in tallies
    ]  # fmt: skip
    return PlainTable(header, rows)


def not_taken(tallies: list[Tally]) -> PlainTable:
    """A row a kind of reason, the commonest first, with the classes it struck."""
    rows = []
    for fate, counts in (
        ("rejected", {one.label: one.rejected for one in tallies}),
        ("to retry", {one.label: one.failed for one in tallies}),
    ):
        kinds = Counter[str]()
        for of_class in counts.values():
            kinds.update(of_class)
        for kind, total in kinds.most_common():
            where = [f"{name} {of[kind]:,}" for name, of in counts.items() if kind in of]
            rows.append([kind, fate, f"{total:,}", ", ".join(where)])
    return PlainTable(["reason", "", "pictures", "of"], rows)


def write_sheet(
    plan: Plan, manifest: Manifest, decoder: Decoder, into: Path, tallies: list[Tally]
) -> Path:
    """Writes the page; gives its path."""
    there = [entry for entry in kept(manifest, into) if entry.outcome.status != "copy"]
    doubtful = conflicts(present(manifest, into))
    files = {file for picture in doubtful for file in picture}
    page = CollectionPage(
        title=into.name,
        created=time.strftime("%Y-%m-%d %H:%M"),
        lead=_lead(tallies),
        summary=summary(tallies),
        classes=[_class_sheet(one, there, files, plan, decoder, into) for one in tallies],
        conflicts=doubtful,
        reasons=_reasons(manifest),
    )
    write_text(into / FILE, html(page))
    return into / FILE


def _lead(tallies: list[Tally]) -> str:
    has, wanted = sum(one.accepted for one in tallies), sum(one.wanted for one in tallies)
    short = [one.label for one in tallies if one.accepted < one.wanted]
    less = f"; less than wanted of {', '.join(short)}" if short else ""
    return f"{has:,} of {wanted:,} pictures, in {len(tallies)} classes{less}"


def _class_sheet(
    one: Tally, there: list[Entry], doubtful: set[str], plan: Plan, decoder: Decoder, into: Path
) -> ClassSheet:
    mine = [entry for entry in there if entry.candidate.label == one.label]
    step = max(1, -(-len(mine) // MOST_SHOWN))
    shown = [_shown(entry, doubtful, plan, decoder, into) for entry in mine[::step]]
    colours = [f"{name or 'none'} {count:,}" for name, count in one.colours.items()]
    told = ", ".join(colours) if any(one.colours) else ""
    return ClassSheet(one.label, len(mine), f"{plan.attribute}: {told}" if told else "", shown)


def _shown(entry: Entry, doubtful: set[str], plan: Plan, decoder: Decoder, into: Path) -> Shown:
    """`doubtful`: the files that are in a conflict."""
    candidate = entry.candidate
    try:
        content = (into / entry.outcome.file).read_bytes()
        thumbnail = decoder.picture(content, thumbnail=True).thumbnail
    except (OSError, Rejected, Postponed):  # changed since it was taken
        thumbnail = b""
    return Shown(
        thumbnail=thumbnail,
        file=entry.outcome.file,
        caption=candidate.attributes.get(plan.attribute, ""),
        creator=candidate.creator,
        licence=candidate.licence,
        licence_url=candidate.licence_url,
        page=candidate.landing_page or candidate.url,
        conflict=entry.outcome.file in doubtful,
    )


def _reasons(manifest: Manifest) -> PlainTable:
    """Every reason for which something was not taken, the commonest first."""
    count = Counter(
        (entry.outcome.status, entry.outcome.kind, entry.outcome.reason)
        for entry in manifest.entries
        if entry.outcome.status in ("rejected", "failed")
    )
    rows = [
        [kind, reason, "to retry" if status == "failed" else "for good", f"{times:,}"]
        for (status, kind, reason), times in count.most_common(100)
    ]
    return PlainTable(["kind", "reason", "", "times"], rows)
