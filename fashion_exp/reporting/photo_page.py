"""HTML page that shows photos in titled sections and needs no other file."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion_exp.atomic_io import write_text
from fashion_exp.reporting.report_content import PhotoGroup
from fashion_exp.reporting.tables import PlainTable, escape_markdown, markdown_table
from fashion_exp.reporting.templates import render

MAX_PHOTOS = 400
"""Most photos on a page, which bounds its size and the time to write it."""


def thumbnail(pixels: np.ndarray, edge: int) -> bytes:
    """A JPEG of an image, uint8, with at most `edge` px on the longer side."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((edge, edge))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "jpeg", quality=80)
    return buffer.getvalue()


@dataclass(frozen=True)
class Section:
    """One section of the page; empty fields are not rendered."""

    anchor: str
    title: str
    sentences: Sequence[str] = ()
    tables: Sequence[PlainTable] = ()
    photos: Sequence[PhotoGroup] = ()
    commands: Sequence[str] = ()


@dataclass(frozen=True)
class PhotoPage:
    title: str
    conclusions: Sequence[str]
    """Sentences; the first states the main result."""
    sections: Sequence[Section]
    footer: str
    created: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M"))


def write_photo_page(page: PhotoPage, path: Path) -> None:
    """Writes the page atomically."""
    write_text(path, render("photo_page.html.j2", page=page))


def markdown(page: PhotoPage) -> str:
    """The page in GitHub's Markdown, without its photos."""
    blocks = [f"# {escape_markdown(page.title)}", escape_markdown(page.created)]
    blocks += map(escape_markdown, page.conclusions)
    for section in page.sections:
        blocks += [f"## {escape_markdown(section.title)}"]
        blocks += ["\n".join(f"- {escape_markdown(text)}" for text in section.sentences)]
        blocks += [markdown_table(table).strip() for table in section.tables]
        # Indented, not fenced: a command may contain backticks.
        blocks += ["\n".join(f"    {command}" for command in section.commands)]
    return "\n\n".join([*filter(None, blocks), escape_markdown(page.footer)]) + "\n"


def as_json(page: PhotoPage) -> dict[str, Any]:
    """The page as plain values, without its photos."""
    return {
        "title": page.title,
        "created": page.created,
        "conclusions": list(page.conclusions),
        "sections": [
            {
                "title": section.title,
                "sentences": list(section.sentences),
                "tables": [
                    {"title": table.title, "header": list(table.header),
                     "rows": [list(row) for row in table.rows], "notes": list(table.notes)}
                    for table in section.tables
                ],
                "commands": list(section.commands),
            }
            for section in page.sections
        ],
    }  # fmt: skip
