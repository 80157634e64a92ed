"""Report of `data duplicates`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fashion_exp.data.sources.curation_lists import GROUPS_FILE
from fashion_exp.inspection.duplicates import FEATURES, DuplicatePair, Group
from fashion_exp.inspection.image_tree import ImageTree, display_path
from fashion_exp.inspection.near_duplicates import MAX_HASH_DISTANCE
from fashion_exp.reporting.photo_page import MAX_PHOTOS, Section
from fashion_exp.reporting.report_content import PhotoGroup
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.tools.curate.report import FolderReport, photo

_MAX_PER_GROUP = 12
_MAX_PAIRS = 24


def duplicates_report(
    tree: ImageTree,
    groups: Sequence[Group],
    possible: Sequence[DuplicatePair],
    list_file: Path,
    conflicts_file: Path | None,
    max_megapixels: float,
) -> FolderReport:
    """`possible`: uncertain pairs outside the groups, most similar first."""
    notes = [
        f"{GROUPS_FILE} lists the groups. Every split keeps a group on one side from now on.",
        "You may edit the list: lines that you add, or whose column by you empty, are kept; an "
        "image whose group you empty joins no group.",
    ]
    sections = [
        Section("groups", "Groups", notes, [_kinds_table(groups)] if groups else []),
        *_group_sections(groups, max_megapixels),
    ]
    if possible:
        sections.append(_possible_section(possible, max_megapixels))
    data = {
        "groups": display_path(list_file) if list_file.exists() else None,
        "conflicts": conflicts_file and display_path(conflicts_file),
        "found": [_group_data(group) for group in groups],
        "perhaps": [_pair_data(pair) for pair in possible],
    }
    return FolderReport(_conclusions(len(tree.images), groups), sections, data)


def _conclusions(file_count: int, groups: Sequence[Group]) -> list[str]:
    if not groups:
        return [f"No two of the {file_count:,} photos are copies of each other."]
    members = sum(len(group.members) for group in groups)
    distinct = "one image" if len(groups) == 1 else f"{len(groups):,} distinct images"
    sentences = [f"{members:,} of {file_count:,} photos are copies: they show {distinct}."]
    if conflicts := [group for group in groups if group.has_label_conflict]:
        sentences.append(
            f"Label conflicts (one image in several classes): {len(conflicts):,}. Runs skip "
            "identical files with several labels; for the others, decide which class is right."
        )
    if leaks := [group for group in groups if group.spans_parts]:
        sentences.append(
            f"Groups across official parts: {len(leaks):,}. A model evaluated on these photos may "
            "have been trained on their copies; splits keep each group on one side from now on."
        )
    if chains := [group for group in groups if group.may_be_chain]:
        sentences.append(
            f"Groups with two photos whose hashes differ by more than {MAX_HASH_DISTANCE} bits: "
            f"{len(chains):,}. They may chain different photos; check that all belong together."
        )
    return sentences


def _kinds_table(groups: Sequence[Group]) -> PlainTable:
    """Counts and sizes of the groups by kinds of pairs."""
    by_kinds: dict[str, list[Group]] = {}
    for group in groups:
        by_kinds.setdefault(", ".join(group.kinds), []).append(group)
    rows = [
        [
            kinds,
            f"{len(of_kind):,}",
            f"{sum(len(group.members) for group in of_kind):,}",
            f"{max(len(group.members) for group in of_kind):,}",
            f"{max(group.max_distance for group in of_kind)} bits",
        ]
        for kinds, of_kind in sorted(by_kinds.items(), key=lambda item: -len(item[1]))
    ]
    return PlainTable(["joined by", "groups", "photos", "largest", "max distance"], rows)


def _group_sections(groups: Sequence[Group], max_megapixels: float) -> list[Section]:
    conflicts = [group for group in groups if group.has_label_conflict]
    others = [group for group in groups if not group.has_label_conflict]
    sections = []
    budget = MAX_PHOTOS
    for anchor, title, chosen in (
        ("conflicts", "One image in several classes", conflicts),
        ("parts", "One image in several parts", [g for g in others if g.spans_parts]),
        ("others", "Other copies", [g for g in others if not g.spans_parts]),
    ):
        photo_groups = []
        for group in chosen:
            count = min(len(group.members), _MAX_PER_GROUP)
            if count > budget:
                break
            budget -= count
            photo_groups.append(_photo_group(group, count, max_megapixels))
        omitted = len(chosen) - len(photo_groups)
        notes = [f"duplicates.json lists {omitted:,} more groups."] if omitted else []
        if chosen:
            sections.append(Section(anchor, title, notes, photos=photo_groups))
    return sections


def _photo_group(group: Group, count: int, max_megapixels: float) -> PhotoGroup:
    photos = []
    for image in group.members[:count]:
        size = f"{image.stats.width} × {image.stats.height}"
        caption = f"{size}, {image.file.part}" if group.spans_parts and image.file.part else size
        photos.append(photo(image.file, caption, max_megapixels))
    distance = f", up to {group.max_distance} bits apart" if group.max_distance else ""
    title = f"{', '.join(group.kinds).capitalize()}{distance}"
    return PhotoGroup(title, len(group.members), photos)


def _possible_section(pairs: Sequence[DuplicatePair], max_megapixels: float) -> Section:
    sentences = [
        f"Similar pairs that are in no group, most similar first: {len(pairs):,}. Most show "
        "different objects in the same layout. If a pair shows one object photographed twice, give "
        f"both photos the same group in {GROUPS_FILE}."
    ]
    if len(pairs) > _MAX_PAIRS:
        sentences.append(f"duplicates.json lists {len(pairs) - _MAX_PAIRS:,} more pairs.")
    photo_groups = [
        PhotoGroup(
            f"{pair.kind.capitalize()}? Similarity {pair.similarity:.2f}",
            2,
            [
                photo(image.file, f"{pair.hash_distance} bits", max_megapixels)
                for image in (pair.first, pair.second)
            ],
        )
        for pair in pairs[:_MAX_PAIRS]
    ]
    return Section("possible", "Possible duplicates", sentences, photos=photo_groups)


def _group_data(group: Group) -> dict[str, Any]:
    return {
        "group": group.name,
        "classes": group.labels,
        "parts": group.parts,
        "joined_by": dict(Counter(pair.kind for pair in group.pairs)),
        "farthest_bits": group.max_distance,
        "photos": [member.path for member in group.members],
        "links": [_pair_data(pair) for pair in group.pairs],
    }


def _pair_data(pair: DuplicatePair) -> dict[str, Any]:
    return {
        "photos": [pair.first.path, pair.second.path],
        "why": pair.kind,
        "bits": pair.hash_distance,
        "cosine" if pair.kind == FEATURES else "likeness": round(pair.similarity, 4),
    }
