"""A picture for each design of an experiment: which photo is in which part of each training.

A hook of MkDocs: the pictures take the place of `<!-- design: NAME -->` in a page.
"""

from __future__ import annotations

import random
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

PHOTOS, TEST = 20, 4
CELL, GAP = 18, 3
NAMES = {"t": "training", "v": "validation", "s": "test"}


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    return re.sub(r"<!-- design: (\w+) -->", lambda found: picture(found[1]), markdown)


def parts(design: str) -> list[str]:
    """For each training a letter per photo: t, v or s, as in `NAMES`."""
    development = PHOTOS - TEST
    kept = "s" * TEST
    first = "t" * 12 + "v" * 4
    if design == "one_split":
        return [first + kept]
    if design == "seeds":
        return [first + kept] * 5
    if design == "kfold":
        folds = [
            "".join("v" if photo % 4 == fold else "t" for photo in range(development))
            for fold in range(4)
        ]
        return [fold + kept for fold in folds]
    if design == "redrawn":
        drawn = random.Random(1)
        return ["".join(drawn.sample(first, development)) + kept for _ in range(5)]
    if design == "halves":
        drawn = random.Random(2)
        halves = ["".join(drawn.sample("t" * 8 + "v" * 8, development)) for _ in range(3)]
        swapped = str.maketrans("tv", "vt")
        return [half + kept for first in halves for half in (first, first.translate(swapped))]
    if design == "groups":
        return ["ttttvvttttttvvtt" + kept]
    raise ValueError(f"{design}: no such design")


def picture(design: str) -> str:
    rows = parts(design)
    step = CELL + GAP
    shift = step if design == "groups" else 0
    size = f'width="{CELL}" height="{CELL}"'
    cells = [
        f'<rect class="{part}" x="{photo * step}" y="{row * step + shift}" {size}/>'
        for row, line in enumerate(rows)
        for photo, part in enumerate(line)
    ]
    if design == "groups":  # copies of one garment, which stay together
        spans = [(0, 2), (4, 2), (7, 3), (12, 2)]
        cells += [
            f'<path d="M{first * step} 12v-6h{count * step - GAP}v6"/>' for first, count in spans
        ]
    width, height = PHOTOS * step, len(rows) * step + shift
    described = f"{len(rows)} trainings of {PHOTOS} photos: " + "; ".join(rows)
    keys = "".join(f'<span class="{part}"></span>{name} ' for part, name in NAMES.items())
    return (
        f'<div class="design"><svg role="img" aria-label="{described}" '
        f'viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">{"".join(cells)}</svg><p>{keys}</p></div>'
    )
