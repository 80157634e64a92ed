"""Groups exact, re-encoded, resized and mirrored copies of photos in groups.csv."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.commands.data.common import (
    all_inspections,
    base_parser,
    page_folder,
    publish,
    read_folder,
    stderr_if_json,
    validate,
)
from fashion_exp.errors import InputError

if TYPE_CHECKING:
    from fashion_exp.inspection.duplicates import DuplicatePair, Group, InspectedImage
    from fashion_exp.reporting.progress import Progress

MIN_COSINE = 0.95
"""Cosine of centered features from which a pair is grouped. With MobileNet's ImageNet weights, no
two different photos among 1,000 of the clothing data reach 0.89; the least similar of 50 altered
copies has 0.78."""


def run(arguments: list[str]) -> int:
    options = _parse(arguments)
    from fashion_exp.data.sources.curation_lists import GROUPS_FILE
    from fashion_exp.inspection.duplicates import find_groups, possible_duplicates, usable_images
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.tools.curate.csv_files import read_manual_groups, write_groups
    from fashion_exp.tools.curate.duplicates_report import duplicates_report

    tree = read_folder(options)
    list_file = Path(options.list).expanduser() if options.list else tree.root / GROUPS_FILE
    manual = read_manual_groups(tree, list_file)
    with Progress(stderr_if_json(options)) as progress:
        inspections = all_inspections(tree, options, progress)
        images = usable_images(tree.images, inspections, manual.excluded)
        pairs = _find_pairs(images, options, progress)
    groups = find_groups(images, pairs, manual.groups)
    ungrouped = write_groups(tree.root, list_file, groups)
    conflicts_file = page_folder(options, tree.root) / "label_conflicts.csv"
    has_conflicts = _write_conflicts(groups, conflicts_file)
    report = duplicates_report(
        tree,
        groups,
        possible_duplicates(pairs, groups),
        list_file,
        conflicts_file if has_conflicts else None,
        options.max_megapixels,
    )
    warnings = ["" if options.list else tree.root_warning]
    if ungrouped:
        warnings.append(
            f"{ungrouped} photos were grouped by network features before and are in no group now; "
            "--embeddings RUN groups them again."
        )
    publish(report, "duplicates", tree, options, warnings)
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = base_parser("duplicates", __doc__)
    parser.add_argument("--list", help="list to write instead of groups.csv in DIR")
    parser.add_argument(
        "--embeddings", metavar="RUN", help="also group similar features in the network of this run"
    )
    parser.add_argument(
        "--cosine", type=float, help=f"least cosine of similar features; default: {MIN_COSINE}"
    )
    options = parser.parse_args(arguments)
    validate(options)
    if options.cosine is not None:
        if not options.embeddings:
            raise InputError("--cosine: needs --embeddings RUN")
        if not 0 < options.cosine <= 1:
            raise InputError(f"--cosine {options.cosine:g}: must be above 0 and at most 1")
    return options


def _find_pairs(
    images: Sequence[InspectedImage], options: argparse.Namespace, progress: Progress
) -> list[DuplicatePair]:
    from fashion_exp.inspection.duplicates import find_pairs

    pairs = find_pairs(images, progress.stage("comparing photos", len(images)))
    if options.embeddings:
        from fashion_exp.tools.curate.embeddings import find_similar_features

        pairs += find_similar_features(
            images,
            options.embeddings,
            options.cosine or MIN_COSINE,
            options.max_megapixels,
            progress.stage("features", len(images)),
        )
    return pairs


def _write_conflicts(groups: Sequence[Group], file: Path) -> bool:
    """Writes one line per image of a label conflict; removes the file if there are none."""
    conflicts = [group for group in groups if group.has_label_conflict]
    if not conflicts:
        file.unlink(missing_ok=True)
        return False
    from fashion_exp.data.csv_lists import write_csv_rows

    columns = ("group", "path", "label", "part", "joined by")
    rows = [
        (group.name, member.path, member.file.label, member.file.part, " and ".join(group.kinds))
        for group in conflicts
        for member in group.members
    ]
    write_csv_rows(file, columns, [dict(zip(columns, row, strict=True)) for row in rows])
    return True
