"""Summarizes a folder of photos and tests whether its official parts differ."""

from __future__ import annotations

from fashion_exp.commands.data.common import (
    all_inspections,
    base_parser,
    publish,
    read_folder,
    stderr_if_json,
    validate,
)


def run(arguments: list[str]) -> int:
    options = base_parser("summary", __doc__).parse_args(arguments)
    validate(options)
    from fashion_exp.data.sources.curation_lists import (
        GROUP_COLUMN,
        GROUPS_FILE,
        QUARANTINE_FILE,
        REASON_COLUMN,
        read_curation_list,
    )
    from fashion_exp.inspection.drift import find_drift
    from fashion_exp.inspection.duplicates import usable_images
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.tools.curate.summary_report import summary_report

    tree = read_folder(options)
    line_counts = (
        len(read_curation_list("quarantine", tree.root / QUARANTINE_FILE, REASON_COLUMN)),
        len(read_curation_list("groups", tree.root / GROUPS_FILE, GROUP_COLUMN)),
    )
    with Progress(stderr_if_json(options)) as progress:
        inspections = all_inspections(tree, options, progress)
    images = usable_images(tree.images, inspections)
    report = summary_report(
        tree, inspections, images, find_drift(images), line_counts, options.max_megapixels
    )
    publish(report, "summary", tree, options)
    return 0
