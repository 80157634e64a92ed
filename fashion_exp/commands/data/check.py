"""Decodes every photo and lists the files that must not be used for training in quarantine.csv."""

from __future__ import annotations

from pathlib import Path

from fashion_exp.commands.data.common import (
    base_parser,
    inspect_images,
    publish,
    read_folder,
    stderr_if_json,
    validate,
)
from fashion_exp.errors import InputError


def run(arguments: list[str]) -> int:
    parser = base_parser("check", __doc__)
    parser.add_argument("--list", help="list to write instead of quarantine.csv in DIR")
    parser.add_argument(
        "--tiny", type=int, default=64, help="report shorter sides than this, px; default: 64"
    )
    options = parser.parse_args(arguments)
    validate(options)
    if options.tiny < 0:
        raise InputError(f"--tiny {options.tiny}: must be 0 or more pixels")
    from fashion_exp.data.sources.curation_lists import (
        QUARANTINE_FILE,
        REASON_COLUMN,
        read_curation_list,
    )
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.tools.curate.check_report import check_report
    from fashion_exp.tools.curate.csv_files import write_quarantine
    from fashion_exp.tools.curate.findings import find_hidden_images, find_problems

    tree = read_folder(options)
    list_file = Path(options.list).expanduser() if options.list else tree.root / QUARANTINE_FILE
    # A malformed list fails before the slow part.
    read_curation_list("quarantine", list_file, REASON_COLUMN)
    with Progress(stderr_if_json(options)) as progress:
        inspections = inspect_images(tree, options, progress)
        problems = find_problems(tree.images, inspections, options.tiny)
    findings = [*problems, *find_hidden_images(tree.other_files)]
    line_counts = write_quarantine(tree.root, list_file, findings)
    report = check_report(tree, findings, list_file, line_counts, options.max_megapixels)
    publish(report, "check", tree, options, ["" if options.list else tree.root_warning])
    return 0
