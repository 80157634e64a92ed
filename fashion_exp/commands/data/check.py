"""Every photo decoded: what must not be trained on goes into quarantine.csv, the rest is listed."""

from __future__ import annotations

from pathlib import Path

from fashion_exp.commands.data.common import (
    checked,
    console_of,
    looks_at,
    page_folder,
    parser,
    shown,
    tell,
)
from fashion_exp.errors import InputError


def run(arguments: list[str]) -> int:
    """Prints what was found. Raises `InputError` for what cannot be done."""
    own = parser("check", __doc__)
    own.add_argument("--list", help="another file than quarantine.csv in DIR, to write")
    own.add_argument("--tiny", type=int, default=64, help="the shortest side that is enough, px")
    options = own.parse_args(arguments)
    checked(options)
    if options.tiny < 0:
        raise InputError(f"--tiny {options.tiny}: pixels, 0 or more")
    from fashion_exp.data.sources.curation_lists import QUARANTINE, REASON, read_lines
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.tools.curate.check_page import as_data, check_album, kinds_table
    from fashion_exp.tools.curate.csv_files import write_quarantine
    from fashion_exp.tools.curate.findings import find, find_hidden
    from fashion_exp.tools.curate.image_tree import look_through

    folder = look_through(options.folder)
    file = Path(options.list).expanduser() if options.list else folder.root / QUARANTINE
    read_lines("quarantine", file, REASON)  # before the work: a mistake in it ends here
    console = console_of(options)
    with Progress(console) as progress:
        looks = looks_at(folder.pictures, options, progress)
    findings = [*find(folder.pictures, looks, options.tiny), *find_hidden(folder.others)]
    ours, theirs = write_quarantine(folder.root, file, findings)
    count = len(folder.pictures)
    title = f"Check of {shown(folder.root)}"
    album = check_album(title, count, findings, theirs, options.max_megapixels)
    data = {
        "folder": shown(folder.root),
        "files": count,
        "quarantine": shown(file) if file.exists() else None,
        "quarantined": ours,
        "by_hand": theirs,
        "findings": [as_data(finding) for finding in findings],
    }
    table, into = kinds_table(findings), page_folder(options, folder.root)
    doubt = "" if options.list else folder.doubt
    tell(console, options, "check", data, album, table, into, [doubt])
    return 0
