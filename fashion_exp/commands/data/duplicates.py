"""Copies of one photo, exact, re-encoded, resized or mirrored, put into groups.csv."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.atomic_io import write_text
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

if TYPE_CHECKING:
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.tools.curate.duplicates import Found, Group, Link

COSINE = 0.95
"""Of features seen from their mean. Among 1,000 clothing photos no two others reach 0.89 in
ImageNet's MobileNet; of 50 disguised copies the least alike have 0.78."""


def run(arguments: list[str]) -> int:
    """Prints what was found. Raises `InputError` for what cannot be done."""
    options = _parser().parse_args(arguments)
    checked(options)
    _check_features(options)
    from fashion_exp.data.sources.curation_lists import GROUPS
    from fashion_exp.reporting.progress import Progress
    from fashion_exp.tools.curate.csv_files import read_hand, write_groups
    from fashion_exp.tools.curate.duplicates import comparable, doubtful, find_groups
    from fashion_exp.tools.curate.duplicates_page import (
        as_data,
        conflicts,
        copies_album,
        kinds_table,
        link_data,
    )
    from fashion_exp.tools.curate.image_tree import look_through

    folder = look_through(options.folder)
    file = Path(options.list).expanduser() if options.list else folder.root / GROUPS
    hand = read_hand(folder, file)
    console = console_of(options)
    with Progress(console) as progress:
        looks = looks_at(folder.pictures, options, progress)
        found = comparable(folder.pictures, looks, hand.alone)
        links = _links(found, options, progress)
    groups = find_groups(found, links, hand.together)
    lost = write_groups(folder.root, file, groups)
    perhaps = doubtful(found, links, groups)
    count, into = len(folder.pictures), page_folder(options, folder.root)
    album = copies_album(
        f"Copies in {shown(folder.root)}", count, groups, perhaps, options.max_megapixels
    )
    data = {
        "folder": shown(folder.root),
        "files": count,
        "groups": shown(file) if file.exists() else None,
        "conflicts": _write_conflicts(conflicts(groups), into / "label_conflicts.csv"),
        "found": [as_data(group) for group in groups],
        "perhaps": [link_data(*pair) for pair in perhaps],
    }
    more = ["" if options.list else folder.doubt, _without_features(lost)]
    tell(console, options, "duplicates", data, album, kinds_table(groups), into, more)
    return 0


def _parser() -> argparse.ArgumentParser:
    own = parser("duplicates", __doc__)
    own.add_argument("--list", help="another file than groups.csv in DIR, to write")
    own.add_argument("--embeddings", metavar="RUN", help="join what this run's network finds alike")
    own.add_argument("--cosine", type=float, help=f"from here on it is; default: {COSINE}")
    return own


def _links(found: Sequence[Found], options: argparse.Namespace, progress: Progress) -> list[Link]:
    from fashion_exp.tools.curate.duplicates import find_links

    links = find_links(found, progress.stage("comparing photos", len(found)))
    if options.embeddings:
        from fashion_exp.tools.curate.embeddings import alike

        limits = options.cosine or COSINE, options.max_megapixels
        tick = progress.stage("features", len(found))
        links += alike(found, options.embeddings, *limits, tick)
    return links


def _without_features(lost: int) -> str:
    if not lost:
        return ""
    return (
        f"{lost} photos were in groups by the features of a network and are in none now: "
        "--embeddings RUN joins them again."
    )


def _check_features(options: argparse.Namespace) -> None:
    if options.cosine is None:
        return
    if not options.embeddings:
        raise InputError("--cosine: acts with --embeddings RUN; there is nothing else to compare")
    if not 0 < options.cosine <= 1:
        raise InputError(f"--cosine {options.cosine:g}: above 0, at most 1")


def _write_conflicts(groups: Sequence[Group], file: Path) -> str | None:
    """One line a photo of a picture under several classes; no file where there is none."""
    if not groups:
        file.unlink(missing_ok=True)
        return None
    target = io.StringIO()
    lines = csv.writer(target, lineterminator="\n")
    lines.writerow(["group", "path", "label", "part", "joined by"])
    lines.writerows(
        [group.name, member.place.path, member.place.label, member.place.part, kinds]
        for group in groups
        for kinds in [" and ".join(group.kinds)]
        for member in group.members
    )
    write_text(file, target.getvalue())
    return shown(file)
