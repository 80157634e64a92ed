"""Report of `data summary`: counts, sizes, colors, formats, and some photos of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fashion_exp.inspection.drift import DriftTest, drift_sentences
from fashion_exp.inspection.duplicates import InspectedImage
from fashion_exp.inspection.image import ImageInspection
from fashion_exp.inspection.image_tree import ImageTree
from fashion_exp.reporting.formats import DASH, p_cell, percent
from fashion_exp.reporting.photo_page import MAX_PHOTOS, Section
from fashion_exp.reporting.report_content import PhotoGroup
from fashion_exp.reporting.tables import PlainTable
from fashion_exp.tools.curate.report import FolderReport, photo, swatch

_MAX_PER_CLASS = 12
_SIDES = (0, 64, 128, 224, 384, 512, 768, 1024, 2048)
"""Lower edges of the histogram of the shorter side, px."""
_ASPECT_RATIOS = {
    "wide, 3:2 and more": (1.5, np.inf),
    "landscape": (1.05, 1.5),
    "square": (1 / 1.05, 1.05),
    "portrait": (1 / 1.5, 1 / 1.05),
    "tall, 2:3 and more": (0, 1 / 1.5),
}


def summary_report(
    tree: ImageTree,
    inspections: Sequence[ImageInspection],
    images: Sequence[InspectedImage],
    drift: Sequence[DriftTest],
    line_counts: tuple[int, int],
    max_megapixels: float,
) -> FolderReport:
    """`images`: the usable ones; `line_counts`: lines of quarantine.csv and of groups.csv."""
    labels = sorted({file.label for file in tree.images})
    counts = {label: Counter[str]() for label in labels}
    for file in tree.images:
        counts[file.label][file.part] += 1
    classes: dict[str, list[InspectedImage]] = {label: [] for label in labels}
    for image in images:
        classes[image.file.label].append(image)
    formats = _frequencies(f"{i.header.kind}, {i.header.mode}" for i in inspections if i.header)
    formats_table = PlainTable(["format, mode", "files"], [[k, f"{n:,}"] for k, n in formats])
    sections = [
        Section("classes", "Classes", tables=[_classes_table(counts, classes)]),
        Section("photos", "Photos", photos=_photo_groups(classes, max_megapixels)),
        Section("colors", "Mean colors", photos=[_swatches(classes)]),
        Section("sizes", "Sizes", tables=size_tables(images)),
        Section("formats", "File formats", tables=[formats_table]),
    ]
    if drift:
        sections.append(Section("drift", "Drift", drift_sentences(drift), [_drift_table(drift)]))
    quarantine_lines, groups_lines = line_counts
    data = {
        "usable": len(images),
        "quarantine_lines": quarantine_lines,
        "groups_lines": groups_lines,
        "classes": {
            label: {
                "files": counts[label].total(),
                "parts": {part: count for part, count in counts[label].items() if part},
                "distinct": _distinct(members),
                "mean_colour": mean_color(members),
            }
            for label, members in classes.items()
        },
        "sizes": dict(_frequencies(f"{i.stats.width}x{i.stats.height}" for i in images)),
        "kinds": dict(formats),
        "drift": [_drift_data(test) for test in drift],
    }
    conclusions = [
        *_file_sentences(counts, inspections, len(tree.images) - len(images)),
        f"quarantine.csv has {quarantine_lines:,} lines, groups.csv {groups_lines:,}.",
        *drift_sentences(drift),
    ]
    return FolderReport(conclusions, sections, data)


def _file_sentences(
    counts: Mapping[str, Counter[str]], inspections: Sequence[ImageInspection], unusable: int
) -> list[str]:
    sizes = [parts.total() for parts in counts.values()]
    sentences = [
        f"{sum(sizes):,} files in {len(sizes)} classes, {min(sizes):,} to {max(sizes):,} each."
    ]
    ids = [inspection.image_id for inspection in inspections if inspection.image_id]
    if copies := len(ids) - len(set(ids)):
        sentences.append(f"Files with the same bytes as another: {copies:,}.")
    if unusable:
        sentences.append(f"Unreadable, oversized or blank: {unusable:,}; data check lists them.")
    return sentences


def _classes_table(
    counts: Mapping[str, Counter[str]], classes: Mapping[str, Sequence[InspectedImage]]
) -> PlainTable:
    """`counts`: files by class and part."""
    total = sum(counts.values(), Counter[str]())
    parts = [part for part in ("train", "validation", "test") if total[part]]
    rows = [
        [
            label or "no class",
            f"{counts[label].total():,}",
            *(f"{counts[label][part]:,}" for part in parts),
            f"{_distinct(images):,}",
            percent(counts[label].total() / total.total()),
            _median_size(images),
            f"{np.mean([i.stats.brightness for i in images]):.0f}" if images else DASH,
        ]
        for label, images in classes.items()
    ]
    header = ["class", "files", *parts, "distinct", "share", "median size", "brightness"]
    return PlainTable(header, rows)


def _distinct(images: Sequence[InspectedImage]) -> int:
    return len({image.image_id for image in images})


def _median_size(images: Sequence[InspectedImage]) -> str:
    if not images:
        return DASH
    width, height = np.median([(i.stats.width, i.stats.height) for i in images], axis=0)
    return f"{width:.0f} × {height:.0f}"


def size_tables(images: Sequence[InspectedImage]) -> list[PlainTable]:
    """Histograms of the shorter side and of the aspect ratio."""
    shorter = [min(image.stats.width, image.stats.height) for image in images]
    ratios = [image.stats.width / image.stats.height for image in images]
    counts = np.histogram(shorter, [*_SIDES, np.inf])[0].tolist()
    bins = [f"{low} to {high - 1}" for low, high in pairwise(_SIDES)]
    by_ratio = [sum(low <= r < high for r in ratios) for low, high in _ASPECT_RATIOS.values()]
    return [
        _histogram("shorter side, px", [*bins, f"{_SIDES[-1]} and more"], counts),
        _histogram("aspect ratio", list(_ASPECT_RATIOS), by_ratio),
    ]


def _histogram(title: str, names: Sequence[str], counts: Sequence[int]) -> PlainTable:
    """Nonempty bins with bars of at most 20 block characters."""
    largest = max([*counts, 1])
    rows = [
        [name, f"{count:,}", "█" * round(20 * count / largest) or "▏"]
        for name, count in zip(names, counts, strict=True)
        if count
    ]
    return PlainTable([title, "photos", ""], rows)


def _frequencies(names: Iterable[str]) -> list[tuple[str, int]]:
    """Most frequent first, ties by name."""
    return sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))


def _drift_table(tests: Sequence[DriftTest]) -> PlainTable:
    rows = [
        [t.quantity, " and ".join(t.parts), t.test, f"{t.effect_size:.3f}", p_cell(t.p)]
        for t in tests
    ]
    note = (
        "p is Holm-adjusted over all rows; tests use distinct images. V and D are 0 without a "
        "difference; the AUC is 0.5 if a classifier cannot separate the parts."
    )
    return PlainTable(["quantity", "parts", "test", "effect size", "p"], rows, notes=[note])


def _photo_groups(
    classes: Mapping[str, Sequence[InspectedImage]], max_megapixels: float
) -> list[PhotoGroup]:
    count = max(1, min(_MAX_PER_CLASS, MAX_PHOTOS // len(classes)))
    groups = []
    for label, images in classes.items():
        # Image ids are hashes, so the sample is random but reproducible.
        sample = sorted(images, key=lambda image: image.image_id)[:count]
        photos = [
            photo(image.file, f"{image.stats.width} × {image.stats.height}", max_megapixels)
            for image in sample
        ]
        groups.append(PhotoGroup(label or "No class", len(images), photos))
    return groups


def _swatches(classes: Mapping[str, Sequence[InspectedImage]]) -> PhotoGroup:
    swatches = []
    for label, images in classes.items():
        color = mean_color(images)
        swatches.append(swatch(color, label or "no class", "#{:02x}{:02x}{:02x}".format(*color)))
    return PhotoGroup("Mean over all pixels of a class", len(swatches), swatches)


def mean_color(images: Sequence[InspectedImage]) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255; black without images."""
    if not images:
        return (0, 0, 0)
    red, green, blue = np.mean([image.stats.mean_rgb for image in images], axis=0).round()
    return int(red), int(green), int(blue)


def _drift_data(test: DriftTest) -> dict[str, Any]:
    return {
        "parts": test.parts,
        "what": test.quantity,
        "test": test.test,
        "size": test.effect_size,
        "p": test.p,
        "differs": test.is_significant,
    }
