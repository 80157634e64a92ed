"""What a folder of photos holds: counts, sizes, colours, kinds, and a few photos of each class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.photo_page import Album, Chapter
from fashion_exp.reporting.report_content import PhotoGroup
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.tools.curate.drift import Difference, sentences
from fashion_exp.tools.curate.duplicates import Found
from fashion_exp.tools.curate.image_tree import Place
from fashion_exp.tools.curate.inspection import Look
from fashion_exp.tools.curate.thumbnails import MOST_PHOTOS, now, photo, swatch

_SHOWN = 12
"""Photos of a class, fewer of very many classes."""
_SIDES = (0, 64, 128, 224, 384, 512, 768, 1024, 2048)
"""Lower ends of the classes of the shorter side, px."""
_ASPECTS = {
    "wide, 3:2 and more": (1.5, np.inf),
    "landscape": (1.05, 1.5),
    "square": (1 / 1.05, 1.05),
    "portrait": (1 / 1.5, 1 / 1.05),
    "tall, 2:3 and more": (0, 1 / 1.5),
}


@dataclass(frozen=True)
class Summary:
    places: Sequence[Place]
    looks: Sequence[Look]
    found: Sequence[Found]
    """What can be decoded and shows something."""
    drift: Sequence[Difference]
    quarantined: int
    """Lines of quarantine.csv."""
    grouped: int
    """Lines of groups.csv."""

    @property
    def classes(self) -> list[str]:
        return sorted(self._places)

    @property
    def parts(self) -> list[str]:
        present = {place.part for place in self.places}
        return [part for part in ("train", "validation", "test") if part in present]

    def of(self, label: str) -> list[Found]:
        """What is found of a class."""
        return self._found.get(label, [])

    def places_of(self, label: str) -> list[Place]:
        return self._places[label]

    @cached_property
    def _found(self) -> dict[str, list[Found]]:
        gathered = defaultdict(list)
        for one in self.found:
            gathered[one.place.label].append(one)
        return dict(gathered)

    @cached_property
    def _places(self) -> dict[str, list[Place]]:
        gathered = defaultdict(list)
        for place in self.places:
            gathered[place.label].append(place)
        return dict(gathered)


def answer(summary: Summary) -> list[str]:
    counts = Counter(place.label for place in summary.places)
    largest, smallest = max(counts.values()), min(counts.values())
    opened = [look.image_id for look in summary.looks if look.image_id]
    told = [
        f"{len(summary.places):,} files in {len(counts)} classes, {smallest:,} to {largest:,} each."
    ]
    if copies := len(opened) - len(set(opened)):
        told.append(f"Files that repeat another, byte by byte: {copies:,}.")
    if lost := len(summary.places) - len(summary.found):
        told.append(f"Unreadable, oversized or blank: {lost:,}; data check names them.")
    told.append(
        f"Lines in quarantine.csv: {summary.quarantined:,}; in groups.csv: {summary.grouped:,}."
    )
    return [*told, *sentences(summary.drift)]


def classes_table(summary: Summary) -> PlainTable:
    parts = summary.parts
    header = ["class", "files", *parts, "distinct", "share", "median size", "brightness"]
    rows = []
    for label in summary.classes:
        own = summary.places_of(label)
        found = summary.of(label)
        by_part = Counter(place.part for place in own)
        rows.append(
            [
                label or "no class",
                f"{len(own):,}",
                *(f"{by_part[part]:,}" for part in parts),
                f"{len({one.look.image_id for one in found}):,}",
                percent(len(own) / len(summary.places)),
                _median_size(found),
                f"{np.mean([one.sight.brightness for one in found]):.0f}" if found else "–",
            ]
        )
    return PlainTable(header, rows)


def _median_size(found: Sequence[Found]) -> str:
    if not found:
        return "–"
    width, height = (
        np.median([getattr(one.sight, side) for one in found]) for side in ("width", "height")
    )
    return f"{width:.0f} × {height:.0f}"


def _histogram(title: str, names: Sequence[str], counts: Sequence[int]) -> PlainTable:
    """With a bar of letters, whose longest takes twenty."""
    most = max([*counts, 1])
    rows = [
        [name, f"{count:,}", "█" * round(20 * count / most) or "▏"]
        for name, count in zip(names, counts, strict=True)
        if count
    ]
    return PlainTable([title, "photos", ""], rows)


def sizes_tables(found: Sequence[Found]) -> list[PlainTable]:
    shorter = [min(one.sight.width, one.sight.height) for one in found]
    aspects = [one.sight.width / one.sight.height for one in found]
    counts = np.histogram(shorter, [*_SIDES, np.inf])[0].tolist()
    ends = [f"{low} to {high - 1}" for low, high in pairwise(_SIDES)]
    by_aspect = [sum(low <= a < high for a in aspects) for low, high in _ASPECTS.values()]
    return [
        _histogram("shorter side, px", [*ends, f"{_SIDES[-1]} and more"], counts),
        _histogram("form", list(_ASPECTS), by_aspect),
    ]


def kinds_table(looks: Sequence[Look]) -> PlainTable:
    rows = [[name, f"{count:,}"] for name, count in _kinds(looks)]
    return PlainTable(["kind, mode", "files"], rows)


def _kinds(looks: Sequence[Look]) -> list[tuple[str, int]]:
    heads = [look.header for look in looks if look.header is not None]
    return _counted(f"{head.kind}, {head.mode}" for head in heads)


def _counted(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0]))


def drift_table(drift: Sequence[Difference]) -> PlainTable:
    rows = [
        [one.what, " and ".join(one.parts), one.test, f"{one.size:.3f}", f"{one.p:.3f}"]
        for one in drift
    ]
    note = (
        "p by Holm over all of these; on distinct pictures. V and D are 0 where nothing differs, "
        "the AUC is 0.5 where a classifier cannot tell the parts apart."
    )
    return PlainTable(["of", "parts", "test", "size", "p"], rows, notes=[note])


def summary_album(title: str, summary: Summary, max_megapixels: float) -> Album:
    count = max(1, min(_SHOWN, MOST_PHOTOS // len(summary.classes)))
    sheets = [_sheet(label, summary.of(label), count, max_megapixels) for label in summary.classes]
    chapters = [
        Chapter("classes", "Classes", tables=[classes_table(summary)]),
        Chapter("photos", "Photos", photos=sheets),
        Chapter("colours", "Mean colours", photos=[_colours(summary)]),
        Chapter("sizes", "Sizes", tables=sizes_tables(summary.found)),
        Chapter("kinds", "Kinds of files", tables=[kinds_table(summary.looks)]),
    ]
    if summary.drift:
        chapters.append(
            Chapter("drift", "Drift", sentences(summary.drift), [drift_table(summary.drift)])
        )
    return Album(title, now(), answer(summary), chapters, "The same is in summary.json.")


def _sheet(label: str, found: Sequence[Found], count: int, max_megapixels: float) -> PhotoGroup:
    # In the order of their ids, which are hashes: a draw that is the same each time.
    chosen = sorted(found, key=lambda one: one.look.image_id)[:count]
    shown = [
        photo(one.place, f"{one.sight.width} × {one.sight.height}", max_megapixels)
        for one in chosen
    ]
    return PhotoGroup(label or "No class", len(found), shown)


def _colours(summary: Summary) -> PhotoGroup:
    colours = {label: mean_colour(summary.of(label)) for label in summary.classes}
    shown = [
        swatch((r, g, b), label or "no class", f"#{r:02x}{g:02x}{b:02x}")
        for label, (r, g, b) in colours.items()
    ]
    return PhotoGroup("The mean over all pixels of a class", len(shown), shown)


def mean_colour(found: Sequence[Found]) -> tuple[int, int, int]:
    """Red, green, blue of 255; black of nothing."""
    if not found:
        return (0, 0, 0)
    red, green, blue = np.mean([one.sight.colour for one in found], axis=0).round().astype(int)
    return int(red), int(green), int(blue)


def as_data(summary: Summary) -> dict[str, Any]:
    """What `--json` gives."""
    classes = {}
    for label in summary.classes:
        found = summary.of(label)
        own = summary.places_of(label)
        classes[label] = {
            "files": len(own),
            "parts": dict(Counter(place.part for place in own if place.part)),
            "distinct": len({one.look.image_id for one in found}),
            "mean_colour": mean_colour(found),
        }
    return {
        "files": len(summary.places),
        "usable": len(summary.found),
        "quarantine_lines": summary.quarantined,
        "groups_lines": summary.grouped,
        "classes": classes,
        "sizes": dict(_counted(f"{one.sight.width}x{one.sight.height}" for one in summary.found)),
        "kinds": dict(_kinds(summary.looks)),
        "drift": [asdict(one) | {"differs": one.differs} for one in summary.drift],
    }
