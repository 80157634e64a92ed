"""What a folder of photos holds, and whether its official parts differ."""

from __future__ import annotations

from fashion_exp.commands.data.common import (
    checked,
    console_of,
    looks_at,
    page_folder,
    parser,
    shown,
    tell,
)


def run(arguments: list[str]) -> int:
    """Prints the summary. Raises `InputError` for what cannot be done."""
    options = parser("summary", __doc__).parse_args(arguments)
    checked(options)
    from fashion_exp.data.sources.curation_lists import (
        GROUP,
        GROUPS,
        QUARANTINE,
        REASON,
        read_lines,
    )
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.tools.curate.drift import find_drift
    from fashion_exp.tools.curate.duplicates import comparable
    from fashion_exp.tools.curate.image_tree import look_through
    from fashion_exp.tools.curate.summary import Summary, as_data, classes_table, summary_album

    folder = look_through(options.folder)
    quarantined = len(read_lines("quarantine", folder.root / QUARANTINE, REASON))
    grouped = len(read_lines("groups", folder.root / GROUPS, GROUP))
    console = console_of(options)
    with Progress(console) as progress:
        looks = looks_at(folder.pictures, options, progress)
    found = comparable(folder.pictures, looks)
    summary = Summary(folder.pictures, looks, found, find_drift(found), quarantined, grouped)
    album = summary_album(f"Summary of {shown(folder.root)}", summary, options.max_megapixels)
    data = {"folder": shown(folder.root)} | as_data(summary)
    table = classes_table(summary)
    tell(console, options, "summary", data, album, table, page_folder(options, folder.root))
    return 0
