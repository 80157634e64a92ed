"""The HTML page of a collection: images by class with creator, license and source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fashion_exp.reporting.tables import PlainTable
from fashion_exp.reporting.templates import render


@dataclass(frozen=True)
class ImageCard:
    """One image; its texts and URLs are untrusted."""

    thumbnail: bytes
    """JPEG; empty if the image cannot be read."""
    file: str
    caption: str
    creator: str
    licence: str
    licence_url: str
    source: str
    """URL."""
    is_conflict: bool
    """Whether another class has the image, too."""


@dataclass(frozen=True)
class ClassSection:
    name: str
    image_count: int
    note: str
    """A line below the heading."""
    cards: Sequence[ImageCard]
    """All images or a sample."""


@dataclass(frozen=True)
class CollectionPage:
    title: str
    created: str
    lead: str
    summary: PlainTable
    classes: Sequence[ClassSection]
    conflicts: Sequence[Sequence[str]]
    """For each image in several classes its files."""
    reasons: PlainTable


def render_page(page: CollectionPage) -> str:
    """A self-contained page without scripts."""
    return render("collection.html.j2", page=page)
