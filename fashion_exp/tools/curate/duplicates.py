"""Groups of files that show one picture: by bytes, by pixels, by likeness, by a person's word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fashion_exp.reporting.progress import Tick
from fashion_exp.tools.curate.image_tree import Place
from fashion_exp.tools.curate.inspection import EDGE, Look, Sight
from fashion_exp.tools.curate.near_duplicates import LEAST_LIKENESS, Hashes, Match, near_copies

if TYPE_CHECKING:
    from scipy.cluster.hierarchy import DisjointSet

BLANK = 2.0
"""Largest standard deviation of a channel, of 255, of a picture that shows nothing."""

_MOST_COMPARED = 200
"""Pictures of one group that are all compared with each other, to tell how far it spreads."""

BYTES, PIXELS, NEAR, MIRRORED, PERSON, FEATURES = (
    "same file", "same pixels", "near copy", "mirrored copy", "by hand", "alike features",
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """One file that can be compared: its place and what it shows."""

    place: Place
    look: Look
    sight: Sight


@dataclass(frozen=True)
class Link:
    """Two files of one group, by their places among those found, and what joins them."""

    first: int
    second: int
    why: str
    bits: int = 0
    """In which their hashes differ; mirrored, if they are."""
    likeness: float = 1.0
    """Correlation of their fine forms; of features, their cosine."""
    sure: bool = True
    """Whether they are to be joined; else a person decides."""


@dataclass(frozen=True)
class Group:
    """Files of one source, in the order of their paths."""

    name: str
    members: tuple[Found, ...]
    links: tuple[tuple[Found, Found, Link], ...]
    farthest: int
    """Most bits between the hashes of any two, linked or not: a chain of likenesses shows here."""

    @property
    def labels(self) -> list[str]:
        """The classes that its files stand under."""
        return sorted({member.place.label for member in self.members} - {""})

    @property
    def parts(self) -> list[str]:
        """The official parts that its files stand in."""
        return sorted({member.place.part for member in self.members} - {""})

    @property
    def by_looks(self) -> bool:
        """Whether nothing else than what the pixels show has joined it."""
        return not {PERSON, FEATURES} & set(self.kinds)

    @property
    def kinds(self) -> list[str]:
        """What joins its files, the plainest first."""
        present = {link.why for *_, link in self.links}
        return [why for why in (BYTES, PIXELS, NEAR, MIRRORED, FEATURES, PERSON) if why in present]


def comparable(
    places: Sequence[Place], looks: Sequence[Look], alone: Collection[str] = ()
) -> list[Found]:
    """The files that show something: blank pictures are all alike and no copies of each other.

    Without those whose paths are to stay `alone`.
    """
    return [
        Found(place, look, look.sight)
        for place, look in zip(places, looks, strict=True)
        if look.sight is not None and look.sight.spread > BLANK and place.path not in alone
    ]


def find_links(found: Sequence[Found], tick: Tick) -> list[Link]:
    """What joins the files without a person's word, and what might."""
    pictures = _gathered((one.sight.pixels, place) for place, one in enumerate(found))
    firsts = [members[0] for members in pictures.values()]
    links = [
        _same(found, members[0], other) for members in pictures.values() for other in members[1:]
    ]
    sights = [found[first].sight for first in firsts]
    near = near_copies(_hashes(sights), _small(sights), tick)
    return [*links, *(_near(firsts, match) for match in near)]


def _gathered(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    gathered = defaultdict(list)
    for key, place in pairs:
        gathered[key].append(place)
    return gathered


def _hashes(sights: Sequence[Sight]) -> Hashes:
    return Hashes(
        np.array([sight.phash for sight in sights], np.uint64),
        np.array([sight.mirrored for sight in sights], np.uint64),
    )


def _small(sights: Sequence[Sight]) -> np.ndarray:
    return np.array([sight.small for sight in sights], np.uint8).reshape(-1, EDGE, EDGE)


def _same(found: Sequence[Found], first: int, second: int) -> Link:
    same_file = found[first].look.image_id == found[second].look.image_id
    return Link(first, second, BYTES if same_file else PIXELS)


def _near(firsts: Sequence[int], match: Match) -> Link:
    why = MIRRORED if match.mirrored else NEAR
    ends = firsts[match.first], firsts[match.second]
    return Link(*ends, why, match.bits, match.likeness, match.likeness >= LEAST_LIKENESS)


def find_groups(
    found: Sequence[Found], links: Iterable[Link], together: Mapping[str, str]
) -> list[Group]:
    """The groups of two files and more that the links make, joined transitively; largest first.

    `together`: {path: name of its group by a person's word}, which goes before: those files are
    joined, and files of two such groups are not by what they look like.
    """
    kept, sets = _joined(found, links, together)
    members, inside = defaultdict(list), defaultdict(list)
    for place in range(len(found)):
        members[sets[place]].append(place)
    for link in kept:
        inside[sets[link.first]].append(link)
    groups = [_group(found, members[first], own, together) for first, own in inside.items()]
    return sorted(groups, key=lambda group: (-len(group.members), group.members[0].place.path))


def doubtful(
    found: Sequence[Found], links: Iterable[Link], groups: Sequence[Group]
) -> list[tuple[Found, Found, Link]]:
    """Pairs that may be one thing photographed twice and are in no group together, likest first.

    Of two groups, or a group and a photo, the likest pair alone.
    """
    group = {member.place.path: g.name for g in groups for member in g.members}
    pairs = [(found[link.first], found[link.second], link) for link in links if not link.sure]
    apart = [
        pair
        for pair in pairs
        if (own := group.get(pair[0].place.path)) is None or own != group.get(pair[1].place.path)
    ]
    likest: dict[frozenset[str], tuple[Found, Found, Link]] = {}
    for pair in sorted(apart, key=lambda pair: -pair[2].likeness):
        ends = (one.place.path for one in pair[:2])
        likest.setdefault(frozenset(group.get(path, path) for path in ends), pair)
    return list(likest.values())


def _joined(
    found: Sequence[Found], links: Iterable[Link], together: Mapping[str, str]
) -> tuple[list[Link], DisjointSet]:
    """What joins the files, and the files that it joins, by their places.

    A person's word first, then the sure links, the likest first, without those that would join two
    groups of a person's, be it by way of others.
    """
    from scipy.cluster.hierarchy import DisjointSet

    sets = DisjointSet(range(len(found)))
    kept = _by_hand(found, together)
    for link in kept:
        sets.merge(link.first, link.second)
    groups = [together.get(one.place.path) for one in found]
    names = {sets[place]: group for place, group in enumerate(groups) if group}
    for link in sorted((link for link in links if link.sure), key=lambda link: -link.likeness):
        ends = {sets[link.first], sets[link.second]}
        own = {names[end] for end in ends if end in names}
        if len(own) > 1:
            continue
        sets.merge(link.first, link.second)
        if own:
            names[sets[link.first]] = own.pop()
        kept.append(link)
    return kept, sets


def _by_hand(found: Sequence[Found], together: Mapping[str, str]) -> list[Link]:
    named = ((together.get(one.place.path, ""), place) for place, one in enumerate(found))
    groups = _gathered((name, place) for name, place in named if name)
    return [Link(m[0], other, PERSON) for m in groups.values() for other in m[1:]]


def _group(
    found: Sequence[Found],
    members: Sequence[int],
    links: Sequence[Link],
    together: Mapping[str, str],
) -> Group:
    files = sorted((found[place] for place in members), key=lambda one: one.place.path)
    names = sorted({together.get(one.place.path, "") for one in files} - {""})
    return Group(
        name=names[0] if names else min(one.look.image_id for one in files),
        members=tuple(files),
        links=tuple((found[link.first], found[link.second], link) for link in links),
        farthest=_farthest([one.sight for one in files[:_MOST_COMPARED]]),
    )


def _farthest(sights: Sequence[Sight]) -> int:
    hashes = _hashes(sights)
    plain = np.bitwise_count(hashes.plain[:, None] ^ hashes.plain[None])
    mirrored = np.bitwise_count(hashes.plain[:, None] ^ hashes.mirrored[None])
    return int(np.minimum(plain, mirrored).max())
