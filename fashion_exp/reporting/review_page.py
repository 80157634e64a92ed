"""HTML page for deciding on labels and exporting the decisions."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fashion_exp.atomic_io import write_text
from fashion_exp.reporting.templates import render


@dataclass(frozen=True)
class NeighborImage:
    image_id: str
    label: str
    similarity: str
    """Formatted cosine."""


@dataclass(frozen=True)
class ReviewCase:
    """Images with the same source and label, for one decision."""

    kind: str
    """wrong or ambiguous; unlabeled if there is no label to review."""
    given: str
    """Empty for an unlabeled photo."""
    suggested: str
    """Classes, separated by "|"."""
    explanation: str
    """Probabilities and agreement of the models."""
    group: str
    images: Sequence[tuple[str, str]]
    """(image id, path)."""
    neighbors: Sequence[NeighborImage]


@dataclass(frozen=True)
class ReviewPage:
    title: str
    notes: Sequence[str]
    classes: Sequence[str]
    data: str
    """Folder or list that the decisions apply to; "" if they cannot be applied."""
    cases: Sequence[ReviewCase]
    thumbnails: Mapping[str, bytes]
    """JPEGs by image id of cases and neighbors; some may be missing."""


def write_review_page(page: ReviewPage, path: Path) -> None:
    """Writes the page atomically; it needs no other file and no server."""
    cases = [asdict(case) for case in page.cases]
    data = {
        "classes": list(page.classes),
        "data": page.data,
        "cases": cases,
        # The browser stores decisions under this key, so another list of cases starts empty.
        "key": hashlib.sha256(json.dumps(cases).encode()).hexdigest()[:16],
        "thumbnails": {
            image_id: base64.b64encode(jpeg).decode() for image_id, jpeg in page.thumbnails.items()
        },
    }
    write_text(path, render("review_page.html.j2", page=page, data=data))
