"""`collection.html`: the collection as people look at it, and its summary as a table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fashion_exp.collecting.decoding import Decoder
from fashion_exp.collecting.manifest import Entry, Manifest, now
from fashion_exp.collecting.plan import Plan
from fashion_exp.collecting.tally import Tally, conflicts, kept
from fashion_exp.collecting.verdicts import Rejected
from fashion_exp.files import write_text
from fashion_exp.reporting.collection_page import ClassSheet, CollectionPage, Shown, html
from fashion_exp.reporting.tables import PlainTable

FILE = "collection.html"
MOST_SHOWN = 60
"""Pictures of a class on the page; every so many-th where there are more."""


def summary(tallies: list[Tally]) -> PlainTable:
    """A row a class: wanted, looked at, accepted, and what became of the rest by its reason."""
    kinds = Counter[str]()
    for one in tallies:
        kinds.update(one.rejected)
    named = [kind for kind, _ in kinds.most_common()]
    header = ["class", "wanted", "looked at", "accepted", "copies", "conflicts", "to retry", *named]
    rows = [
        [
            one.label,
            *(f"{count:,}" for count in (
                one.wanted, one.looked_at, one.accepted, one.copies, one.conflicts,
                sum(one.failed.values()),
            )),
            *(f"{one.rejected.get(kind, 0):,}" for kind in named),
        ]
        for one in tallies
    ]  # fmt: skip
    return PlainTable(header, rows)


def write_sheet(
    plan: Plan, manifest: Manifest, decoder: Decoder, into: Path, tallies: list[Tally]
) -> Path:
    """Writes the page; gives its path."""
    there = [entry for entry in kept(manifest, into) if entry.outcome.status != "copy"]
    page = CollectionPage(
        title=into.name,
        created=now(),
        lead=_lead(tallies),
        summary=summary(tallies),
        classes=[_class_sheet(one, there, plan, decoder, into) for one in tallies],
        conflicts=conflicts(manifest, into),
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
    one: Tally, there: list[Entry], plan: Plan, decoder: Decoder, into: Path
) -> ClassSheet:
    mine = [entry for entry in there if entry.candidate.label == one.label]
    step = max(1, -(-len(mine) // MOST_SHOWN))
    shown = [_shown(entry, plan, decoder, into) for entry in mine[::step]]
    colours = [f"{name or 'none'} {count:,}" for name, count in one.colours.items()]
    told = ", ".join(colours) if any(one.colours) else ""
    return ClassSheet(one.label, len(mine), f"{plan.attribute}: {told}" if told else "", shown)


def _shown(entry: Entry, plan: Plan, decoder: Decoder, into: Path) -> Shown:
    candidate = entry.candidate
    try:
        content = (into / entry.outcome.file).read_bytes()
        thumbnail = decoder.picture(content, thumbnail=True).thumbnail
    except (OSError, Rejected):  # changed since it was taken
        thumbnail = b""
    return Shown(
        thumbnail=thumbnail,
        file=entry.outcome.file,
        caption=candidate.attributes.get(plan.attribute, ""),
        creator=candidate.creator,
        licence=candidate.licence,
        licence_url=candidate.licence_url,
        page=candidate.landing_page or candidate.url,
        conflict=entry.outcome.status == "conflict",
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
