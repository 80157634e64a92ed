"""Groups images of one source: equal bytes, equal pixels, near copies, and manual groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fashion_exp.inspection.image import EDGE, ImageInspection, PixelStats
from fashion_exp.inspection.image_tree import ImageFile
from fashion_exp.inspection.near_duplicates import (
    MAX_HASH_DISTANCE,
    MIN_SIMILARITY,
    Hashes,
    find_near_copies,
)
from fashion_exp.reporting.progress import Tick

if TYPE_CHECKING:
    from scipy.cluster.hierarchy import DisjointSet

MAX_BLANK_STD = 2.0
"""Largest standard deviation of a channel, of 255, of an image that counts as blank."""

_MAX_COMPARED = 200
"""Images of one group that are compared pairwise for its largest hash distance."""

SAME_FILE, SAME_PIXELS, NEAR_COPY, MIRRORED_COPY, FEATURES, MANUAL = KINDS = (
    "same file", "same pixels", "near copy", "mirrored copy", "similar features", "by hand",
)  # fmt: skip
"""Kinds of duplicate pairs."""


@dataclass(frozen=True)
class InspectedImage:
    """A decoded image that is not blank."""

    file: ImageFile
    image_id: str
    size_bytes: int
    stats: PixelStats

    @property
    def path(self) -> str:
        return self.file.path


@dataclass(frozen=True)
class DuplicatePair:
    first: InspectedImage
    second: InspectedImage
    kind: str
    hash_distance: int = 0
    """Differing bits of the perceptual hashes, of the mirrored one for a mirrored copy."""
    similarity: float = 1.0
    """Correlation of the details; cosine for `FEATURES`."""
    is_certain: bool = True
    """Whether the pair is grouped; otherwise a person decides."""


@dataclass(frozen=True)
class Group:
    """Images of one source, sorted by path."""

    name: str
    members: tuple[InspectedImage, ...]
    pairs: tuple[DuplicatePair, ...]
    max_distance: int
    """Largest hash distance of two members, paired or not; reveals chains of similar images."""

    @property
    def labels(self) -> list[str]:
        return sorted({member.file.label for member in self.members} - {""})

    @property
    def parts(self) -> list[str]:
        return sorted({member.file.part for member in self.members} - {""})

    @property
    def kinds(self) -> list[str]:
        present = {pair.kind for pair in self.pairs}
        return [kind for kind in KINDS if kind in present]

    @property
    def has_label_conflict(self) -> bool:
        return len(self.labels) > 1

    @property
    def spans_parts(self) -> bool:
        return len(self.parts) > 1

    @property
    def may_be_chain(self) -> bool:
        """Whether pixels alone joined images that are farther apart than near copies can be."""
        by_pixels = not {MANUAL, FEATURES} & set(self.kinds)
        return by_pixels and self.max_distance > MAX_HASH_DISTANCE


def usable_images(
    files: Sequence[ImageFile],
    inspections: Sequence[ImageInspection],
    excluded: Collection[str] = (),
) -> list[InspectedImage]:
    """The decoded images that are not blank and whose paths are not `excluded`."""
    return [
        InspectedImage(file, inspection.image_id, inspection.size_bytes, inspection.stats)
        for file, inspection in zip(files, inspections, strict=True)
        if inspection.stats is not None
        and inspection.stats.max_std > MAX_BLANK_STD
        and file.path not in excluded
    ]


def find_pairs(images: Sequence[InspectedImage], tick: Tick) -> list[DuplicatePair]:
    """Certain and possible pairs by file content and pixels."""
    copies = defaultdict(list)
    for image in images:
        copies[image.stats.pixel_hash].append(image)
    pairs = [
        DuplicatePair(first, other, SAME_FILE if first.image_id == other.image_id else SAME_PIXELS)
        for first, *others in copies.values()
        for other in others
    ]
    distinct = [first for first, *_ in copies.values()]
    gray = np.array([image.stats.gray for image in distinct], np.uint8).reshape(-1, EDGE, EDGE)
    for match in find_near_copies(_hashes(distinct), gray, tick):
        first, second = distinct[match.first], distinct[match.second]
        kind = MIRRORED_COPY if match.mirrored else NEAR_COPY
        is_certain = match.similarity >= MIN_SIMILARITY
        pairs.append(
            DuplicatePair(first, second, kind, match.hash_distance, match.similarity, is_certain)
        )
    return pairs


def _hashes(images: Sequence[InspectedImage]) -> Hashes:
    return Hashes(
        np.array([image.stats.phash for image in images], np.uint64),
        np.array([image.stats.mirrored_phash for image in images], np.uint64),
    )


def find_groups(
    images: Sequence[InspectedImage],
    pairs: Iterable[DuplicatePair],
    manual_groups: Mapping[str, str],
) -> list[Group]:
    """Connected components of the certain pairs with two or more images, largest first.

    `manual_groups` {path: group name} takes precedence: images of one manual group are joined, and
    no pair joins two manual groups.
    """
    accepted, sets = _merge(images, pairs, manual_groups)
    members, pairs_inside = defaultdict(list), defaultdict(list)
    for image in images:
        members[sets[image.path]].append(image)
    for pair in accepted:
        pairs_inside[sets[pair.first.path]].append(pair)
    groups = [_group(members[key], inside, manual_groups) for key, inside in pairs_inside.items()]
    return sorted(groups, key=lambda group: (-len(group.members), group.members[0].path))


def _merge(
    images: Sequence[InspectedImage],
    pairs: Iterable[DuplicatePair],
    manual_groups: Mapping[str, str],
) -> tuple[list[DuplicatePair], DisjointSet]:
    """The accepted pairs and the disjoint sets of paths that they join.

    Manual groups come first, then the certain pairs by decreasing similarity, without those that
    would join two manual groups directly or through other images.
    """
    from scipy.cluster.hierarchy import DisjointSet

    sets = DisjointSet(image.path for image in images)
    accepted = _manual_pairs(images, manual_groups)
    for pair in accepted:
        sets.merge(pair.first.path, pair.second.path)
    names = {sets[i.path]: manual_groups[i.path] for i in images if i.path in manual_groups}
    certain = [pair for pair in pairs if pair.is_certain]
    for pair in sorted(certain, key=lambda pair: -pair.similarity):
        roots = {sets[pair.first.path], sets[pair.second.path]}
        joined_names = {names[root] for root in roots if root in names}
        if len(joined_names) > 1:
            continue
        sets.merge(pair.first.path, pair.second.path)
        if joined_names:
            names[sets[pair.first.path]] = joined_names.pop()
        accepted.append(pair)
    return accepted, sets


def _manual_pairs(
    images: Sequence[InspectedImage], manual_groups: Mapping[str, str]
) -> list[DuplicatePair]:
    members = defaultdict(list)
    for image in images:
        if image.path in manual_groups:
            members[manual_groups[image.path]].append(image)
    return [
        DuplicatePair(first, other, MANUAL)
        for first, *others in members.values()
        for other in others
    ]


def _group(
    members: Sequence[InspectedImage],
    pairs: Sequence[DuplicatePair],
    manual_groups: Mapping[str, str],
) -> Group:
    members = sorted(members, key=lambda image: image.path)
    names = sorted({manual_groups[i.path] for i in members if i.path in manual_groups})
    return Group(
        name=names[0] if names else min(image.image_id for image in members),
        members=tuple(members),
        pairs=tuple(pairs),
        max_distance=_max_distance(members[:_MAX_COMPARED]),
    )


def _max_distance(images: Sequence[InspectedImage]) -> int:
    hashes = _hashes(images)
    plain = np.bitwise_count(hashes.plain[:, None] ^ hashes.plain[None])
    mirrored = np.bitwise_count(hashes.plain[:, None] ^ hashes.mirrored[None])
    return int(np.minimum(plain, mirrored).max())


def possible_duplicates(
    pairs: Iterable[DuplicatePair], groups: Sequence[Group]
) -> list[DuplicatePair]:
    """Uncertain pairs of images that share no group, most similar first.

    Of several pairs between the same groups or ungrouped images only the most similar is returned.
    """
    group_of = {member.path: group.name for group in groups for member in group.members}
    best: dict[frozenset[str], DuplicatePair] = {}
    uncertain = [pair for pair in pairs if not pair.is_certain]
    for pair in sorted(uncertain, key=lambda pair: -pair.similarity):
        first, second = (group_of.get(i.path, i.path) for i in (pair.first, pair.second))
        if first != second:
            best.setdefault(frozenset((first, second)), pair)
    return list(best.values())
