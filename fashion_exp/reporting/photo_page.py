"""A page of photos with what is said of them: what was looked through, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.atomic_io import write_text
from fashion_exp.reporting.page import environment
from fashion_exp.reporting.report_content import PhotoGroup
from fashion_exp.reporting.tables import PlainTable


@dataclass(frozen=True)
class Chapter:
    """A part of the page; what is empty is not shown."""

    anchor: str
    title: str
    sentences: Sequence[str] = ()
    tables: Sequence[PlainTable] = ()
    photos: Sequence[PhotoGroup] = ()


@dataclass(frozen=True)
class Album:
    title: str
    created: str
    """ISO date and time."""
    answer: Sequence[str]
    """Sentences; the first is the answer."""
    chapters: Sequence[Chapter]
    foot: str
    """Where the same stands as data."""


def write_album(album: Album, page: Path) -> Path:
    """Writes one page that needs nothing else; it is whole or as it was before."""
    template = environment().get_template("photo_page.html.j2")
    write_text(page, template.render(album=album))
    return page
