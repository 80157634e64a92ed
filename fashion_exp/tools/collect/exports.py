"""What others read of a collection: `images.csv`, a data set, and `ATTRIBUTION.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from fashion_exp.atomic_io import write_text
from fashion_exp.data.sources.csv_manifest import IMAGES
from fashion_exp.errors import InputError
from fashion_exp.tools.collect.manifest import FILE, Entry

ATTRIBUTION = "ATTRIBUTION.csv"

_ATTRIBUTION_COLUMNS = (
    "file", "class", "title", "creator", "creator_url", "licence", "licence_url", "landing_page",
    "url", "provider", "attribution",
)  # fmt: skip


def refuse_foreign(into: Path) -> None:
    """Raises `InputError` where a file that we would write is there and not ours."""
    if (into / FILE).exists():
        return
    for name in (IMAGES, ATTRIBUTION):
        if (into / name).exists():
            raise InputError(
                f"{into / name}: is there, and not of a collection; give another folder with --into"
            )


def write_images(into: Path, entries: Sequence[Entry], attribute: str) -> Path:
    """The list that `dataset=csv` reads. What was shown on one page is one group.

    A file that came from several pages has a row for each, which joins their groups.
    """
    colours: dict[str, str] = {}
    for entry in entries:
        colours.setdefault(entry.outcome.file, entry.candidate.attributes.get(attribute, ""))
    rows = {
        (
            entry.outcome.file,
            entry.candidate.label,
            entry.candidate.group or entry.candidate.landing_page,
            colours[entry.outcome.file],
        )
        for entry in entries
    }
    return _write(into / IMAGES, ("path", "label", "group", attribute), sorted(rows))


def write_attribution(into: Path, entries: Iterable[Entry]) -> Path:
    """Whom to thank for each file, and under which licence it may be used."""
    rows = {
        entry.outcome.file: (
            entry.outcome.file,
            entry.candidate.label,
            *(getattr(entry.candidate, column) for column in _ATTRIBUTION_COLUMNS[2:]),
        )
        for entry in entries
        if entry.outcome.status != "copy"
    }
    harmless = [[_harmless(cell) for cell in row] for _, row in sorted(rows.items())]
    return _write(into / ATTRIBUTION, _ATTRIBUTION_COLUMNS, harmless)


def _harmless(cell: str) -> str:
    """A stranger's text that a spreadsheet takes for no formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([header, *rows])
    write_text(path, target.getvalue())
    return path
