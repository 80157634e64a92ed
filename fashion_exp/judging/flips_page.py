"""The photos that a change lost and gained, on a page."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fashion_exp.comparison.misclassified import THUMBNAIL_SIZE, THUMBNAILS, Thumbnails
from fashion_exp.data.decode import decode
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import InputError
from fashion_exp.judging.flips import Flips
from fashion_exp.judging.item_columns import item_values
from fashion_exp.judging.sources import SourceOptions, named_frames, table_keys
from fashion_exp.paths import outputs_of
from fashion_exp.reporting.formats import percent
from fashion_exp.reporting.photo_page import (
    MAX_PHOTOS,
    PhotoPage,
    Section,
    thumbnail,
    write_photo_page,
)
from fashion_exp.reporting.report_content import Photo, PhotoGroup

MAX_MEGAPIXELS = 100.0

Read = Callable[[str], bytes | None]
"""From an item to a small JPEG of it."""


def write_flips_page(flips: Flips, tables: object, options: SourceOptions, page: Path) -> None:
    """Of photos in one group one is shown. They are those of a run among the tables, or files at
    the paths of a table, below `options.images`, or else the working directory or the table's.

    Raises `InputError` if no table has paths, or nothing can be read there.
    """
    names = flips.judgement.names
    is_lost = flips.items["after"] < flips.items["before"]
    lost, gained = flips.items[is_lost], flips.items[~is_lost].iloc[::-1]
    read, paths = _reader(flips, tables, options)
    sections = []
    for title, items in (("lost", lost), ("gained", gained)):
        rows = items.drop_duplicates("group")
        shown = rows.head(MAX_PHOTOS // 2).to_dict("records")
        photos = [_photo(row, read(row["id"]), paths.get(row["id"], row["id"])) for row in shown]
        group = PhotoGroup(f"{title.capitalize()} by {names[1]}", len(rows), photos)
        sections.append(Section(title, f"Photos {title}", photos=[group] if photos else []))
    every = [photo for section in sections for group in section.photos for photo in group.photos]
    if every and not any(photo.jpeg for photo in every):
        raise InputError(
            f"--page: no photo of {every[0].file} can be read; --images names the folder that "
            "paths start from"
        )
    title = f"Photos lost and gained from {names[0]} to {names[1]}"
    conclusions = [flips.sentence(), *flips.judgement.notes]
    write_photo_page(PhotoPage(title, conclusions, sections, ""), page)


def _photo(row: Mapping[Hashable, Any], jpeg: bytes | None, file: str) -> Photo:
    before, after = row["before"], row["after"]
    caption = f"right before in {percent(before, 0)}, after in {percent(after, 0)}"
    if {before, after} <= {0.0, 1.0}:
        caption = "wrong before, right after" if after else "right before, wrong after"
    return Photo(jpeg, file, str(row["label"]), caption)


def _reader(flips: Flips, tables: object, options: SourceOptions) -> tuple[Read, dict[str, str]]:
    """Of a run among the tables if there is one, else of the files at the paths of one; and the
    paths of items."""
    items = flips.judgement.runs[0].items
    frames = named_frames(tables, options)
    keys = [own for _, own in table_keys(frames, options)]
    paths = item_values(items, keys, "path")
    attrs = [frame.attrs for parts in frames.values() for _, frame in parts]
    for own, facts in zip(keys, attrs, strict=True):
        if "run" in facts and not _is_imported(Path(facts["run"])):
            return _run_reader(Path(facts["run"]), item_values(items, [own], "id"), options), paths
    if not paths:
        raise InputError("--page: no table has the paths of its items; --columns path=COLUMN")
    files = [Path(source) for parts in frames.values() for source, _ in parts]
    folders = [options.images] if options.images else [Path(), *(file.parent for file in files)]

    def read(item: str) -> bytes | None:
        return _file_thumbnail([folder / paths[item] for folder in folders if item in paths])

    return read, paths


def _is_imported(folder: Path) -> bool:
    from fashion_exp.evaluation.run_dir import RunDir

    return RunDir(folder).is_imported


def _run_reader(folder: Path, ids: Mapping[str, str], options: SourceOptions) -> Read:
    from fashion_exp.comparison.misclassified import load_run_images
    from fashion_exp.comparison.run_data import load_run

    outputs = outputs_of(folder) or options.outputs
    images = load_run_images(load_run(folder), outputs / "cache")
    thumbnails = Thumbnails(images, outputs / THUMBNAILS)
    return lambda item: thumbnails(ids[item]) if item in ids else None


def _file_thumbnail(files: Sequence[Path]) -> bytes | None:
    """Of the first that can be read."""
    for file in files:
        with suppress(UnreadableImageError, OSError):
            return thumbnail(decode(str(file), MAX_MEGAPIXELS), THUMBNAIL_SIZE)
    return None
