"""The page of a collection: what each class has, picture by picture, with whom to thank."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.reporting.formats import shorten_to_cells
from fashion_exp.reporting.tables import PlainTable


@dataclass(frozen=True)
class Shown:
    """A picture; texts and addresses are a stranger's own."""

    thumbnail: bytes
    """JPEG; empty if there is none."""
    file: str
    caption: str
    creator: str
    licence: str
    licence_url: str
    page: str
    conflict: bool
    """Whether it stands under another class too."""


@dataclass(frozen=True)
class ClassSheet:
    name: str
    pictures: int
    told: str
    """A sentence below the heading."""
    shown: Sequence[Shown]


@dataclass(frozen=True)
class CollectionPage:
    title: str
    created: str
    lead: str
    summary: PlainTable
    classes: Sequence[ClassSheet]
    conflicts: Sequence[Sequence[str]]
    """The files of each picture under several classes."""
    reasons: PlainTable


def html(page: CollectionPage) -> str:
    """The whole page, which needs nothing else and runs nothing."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": _data_uri, "link": link, "short": _short}
    return environment.get_template("collection.html.j2").render(page=page)


def link(address: str) -> str:
    """The address if a click on it can only open a web page, else nothing."""
    return address if address.startswith(("https://", "http://")) else ""


def _short(file: str) -> str:
    """The beginning of a hash is enough to find the file by."""
    return shorten_to_cells(file, 24)


def _data_uri(picture: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
