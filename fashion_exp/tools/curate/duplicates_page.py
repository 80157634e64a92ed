"""Which photos are one, told: in sentences, as data, as a page with the pictures side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fashion_exp.data.sources.curation_lists import GROUPS
from fashion_exp.reporting.photo_page import Album, Chapter
from fashion_exp.reporting.report_content import PhotoGroup
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.tools.curate.duplicates import FEATURES, Found, Group, Link
from fashion_exp.tools.curate.near_duplicates import MOST_BITS
from fashion_exp.tools.curate.thumbnails import MOST_PHOTOS, now, photo

_MOST_OF_A_GROUP = 12
_MOST_DOUBTFUL = 24

Pair = tuple[Found, Found, Link]


def conflicts(groups: Sequence[Group]) -> list[Group]:
    """Groups whose files stand under several classes."""
    return [group for group in groups if len(group.labels) > 1]


def across_parts(groups: Sequence[Group]) -> list[Group]:
    """Groups whose files stand in several official parts."""
    return [group for group in groups if len(group.parts) > 1]


def chained(groups: Sequence[Group]) -> list[Group]:
    """Groups of which two files are farther apart than any two that were joined by likeness."""
    return [group for group in groups if group.by_looks and group.farthest > MOST_BITS]


def answer(files: int, groups: Sequence[Group]) -> list[str]:
    members = sum(len(group.members) for group in groups)
    if not groups:
        return [f"No two of the {files:,} photos are copies of each other."]
    pictures = "one picture" if len(groups) == 1 else f"{len(groups):,} pictures"
    told = [f"{members:,} of {files:,} photos are copies: they show {pictures}."]
    if found := conflicts(groups):
        told.append(
            f"Label conflicts, one picture under several classes: {len(found):,}. Equal files are "
            "left out by every run; of the others decide which class is right."
        )
    if found := across_parts(groups):
        told.append(
            f"Groups that stand in several official parts: {len(found):,}. A model judged by their "
            "photos has seen them; splits keep each group on one side from now on."
        )
    if found := chained(groups):
        told.append(
            f"Groups that may be chains, of which two files differ in more than {MOST_BITS} bits: "
            f"{len(found):,}. Look whether all of their files belong together."
        )
    return told


def kinds_table(groups: Sequence[Group]) -> PlainTable:
    """What joins the files, how many groups and files, how large and how wide they are."""
    by_kinds: dict[str, list[Group]] = {}
    for group in groups:
        by_kinds.setdefault(", ".join(group.kinds), []).append(group)
    rows = [
        [
            kinds,
            f"{len(of_kind):,}",
            f"{sum(len(group.members) for group in of_kind):,}",
            f"{max(len(group.members) for group in of_kind):,}",
            f"{max(group.farthest for group in of_kind)} bits",
        ]
        for kinds, of_kind in sorted(by_kinds.items(), key=lambda pair: -len(pair[1]))
    ]
    return PlainTable(["joined by", "groups", "photos", "largest", "farthest apart"], rows)


def copies_album(
    title: str,
    files: int,
    groups: Sequence[Group],
    perhaps: Sequence[Pair],
    max_megapixels: float,
) -> Album:
    """`perhaps`: pairs that are in no group and resemble each other, likest first."""
    notes = [
        f"{GROUPS} holds the groups, and every split respects them from the next run on.",
        "The list may be edited: lines that you add, or whose column by you empty, stay; a "
        "photo whose group you empty is joined to no other.",
    ]
    first = Chapter("groups", "Groups", notes, [kinds_table(groups)] if groups else [])
    budget = MOST_PHOTOS
    chapters = [first]
    for anchor, name, chosen in (
        ("conflicts", "One picture, several classes", conflicts(groups)),
        ("parts", "One picture, several parts", [g for g in across_parts(groups) if _one(g)]),
        ("others", "Copies", [g for g in groups if _one(g) and len(g.parts) < 2]),
    ):
        shown = []
        for group in chosen:
            count = min(len(group.members), _MOST_OF_A_GROUP)
            if count > budget:
                break
            budget -= count
            shown.append(_side_by_side(group, count, max_megapixels))
        if chosen:
            more = len(chosen) - len(shown)
            said = [f"{more:,} groups more are in duplicates.json."] if more else []
            chapters.append(Chapter(anchor, name, said, photos=shown))
    if perhaps:
        chapters.append(_perhaps(perhaps, max_megapixels))
    return Album(title, now(), answer(files, groups), chapters, "The same is in duplicates.json.")


def _one(group: Group) -> bool:
    """Whether its files have one class."""
    return len(group.labels) < 2


def _perhaps(pairs: Sequence[Pair], max_megapixels: float) -> Chapter:
    said = [
        f"Pairs that resemble each other and are in no group: {len(pairs):,}, the likest first. "
        "Most are different things laid out alike; one thing photographed twice may be among them. "
        f"Give the two one group in {GROUPS}, where that is so."
    ]
    if len(pairs) > _MOST_DOUBTFUL:
        said.append(f"{len(pairs) - _MOST_DOUBTFUL:,} pairs more are in duplicates.json.")
    shown = [
        PhotoGroup(
            f"{link.why.capitalize()}? Likeness {link.likeness:.2f}",
            2,
            [photo(one.place, f"{link.bits} bits", max_megapixels) for one in (first, second)],
        )
        for first, second, link in pairs[:_MOST_DOUBTFUL]
    ]
    return Chapter("perhaps", "Perhaps", said, photos=shown)


def _side_by_side(group: Group, count: int, max_megapixels: float) -> PhotoGroup:
    shown = [photo(m.place, _caption(m, group), max_megapixels) for m in group.members[:count]]
    apart = f", {group.farthest} bits apart" if group.farthest else ""
    name = f"{', '.join(group.kinds).capitalize()}{apart}"
    return PhotoGroup(name, len(group.members), shown)


def _caption(member: Found, group: Group) -> str:
    size = f"{member.sight.width} × {member.sight.height}"
    parts = member.place.part if len(group.parts) > 1 else ""
    return f"{size}{', ' if parts else ''}{parts}"


def as_data(group: Group) -> dict[str, Any]:
    """What `--json` gives of a group."""
    kinds = Counter(link.why for *_, link in group.links)
    return {
        "group": group.name,
        "classes": group.labels,
        "parts": group.parts,
        "joined_by": dict(kinds),
        "farthest_bits": group.farthest,
        "photos": [member.place.path for member in group.members],
        "links": [link_data(*link) for link in group.links],
    }


def link_data(first: Found, second: Found, link: Link) -> dict[str, Any]:
    """What `--json` gives of two photos."""
    return {
        "photos": [first.place.path, second.place.path],
        "why": link.why,
        "bits": link.bits,
        "cosine" if link.why == FEATURES else "likeness": round(link.likeness, 4),
    }
