"""The page on which a person decides about labels, and exports the decisions."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fashion_exp.atomic_io import write_text


@dataclass(frozen=True)
class Near:
    image_id: str
    label: str
    alike: str
    """The cosine, as it is shown."""


@dataclass(frozen=True)
class Case:
    """Images of one source under one label, on which one decision is made."""

    kind: str
    """wrong or ambiguous."""
    given: str
    suggested: str
    """Classes, separated by "|"."""
    sentence: str
    """What the models say, with numbers."""
    group: str
    images: Sequence[tuple[str, str]]
    """Image id and path."""
    near: Sequence[Near]


@dataclass(frozen=True)
class Review:
    title: str
    notes: Sequence[str]
    classes: Sequence[str]
    data: str
    """Where the decisions apply; empty where they cannot be."""
    cases: Sequence[Case]
    pictures: Mapping[str, bytes]
    """Small JPEGs by image id, of the cases and their neighbours; some may be missing."""


def write_review(review: Review, page: Path) -> None:
    """The page, whole or as it was: it needs no other file and no server."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    cases = [asdict(case) for case in review.cases]
    told = {
        "classes": list(review.classes),
        "data": review.data,
        "cases": cases,
        # decisions are kept by the browser for this list of cases, not for another of the same name
        "key": hashlib.sha256(json.dumps(cases).encode()).hexdigest()[:16],
        "pictures": {
            image: base64.b64encode(picture).decode() for image, picture in review.pictures.items()
        },
    }
    template = environment.get_template("review_page.html.j2")
    write_text(page, template.render(review=review, told=told))
