"""The photos that a search found as an HTML page that needs no other file."""

from __future__ import annotations

from pathlib import Path

from fashion_exp.errors import InputError
from fashion_exp.reporting.formats import copies_text
from fashion_exp.reporting.photo_page import (
    MAX_PHOTOS,
    PhotoPage,
    Section,
    thumbnail,
    write_photo_page,
)
from fashion_exp.reporting.report_content import Photo, PhotoGroup
from fashion_exp.retrieval.photos import read_photo
from fashion_exp.retrieval.search import Results

_EDGE = 240
"""Of a photo on the page, px."""


def write_results_page(results: Results, query: str, path: Path) -> None:
    photos = []
    for row in results.rows.head(MAX_PHOTOS).to_dict("records"):
        try:
            jpeg = thumbnail(read_photo(row["file"]), _EDGE)
        except InputError:
            jpeg = None
        copies = copies_text(row["copies"])
        photos.append(Photo(jpeg, f"{row['path']}{copies}", row["color"], row["why"]))
    group = PhotoGroup("Best first", len(results.rows), photos)
    sentence = results.words.sentence
    conclusions = [f"Searched for: {query}."] + [f"Read as: {sentence}."] * bool(sentence)
    page = PhotoPage("Photos found", conclusions, [Section("photos", "Photos", photos=[group])], "")
    write_photo_page(page, path)
