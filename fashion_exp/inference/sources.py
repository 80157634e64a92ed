"""The photos that a user names: files, folders, patterns, CSV lists, standard input."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from fashion_exp.data.csv_lists import local_path, read_csv_rows
from fashion_exp.data.sources.walk import existing_file, is_image, walk_files
from fashion_exp.errors import InputError

LIST_SUFFIXES = (".csv", ".tsv")
STANDARD_INPUT = "-"


def list_photos(sources: Iterable[str | Path], standard_input: TextIO | None = None) -> list[str]:
    """The paths of all photos, in the order given, each once.

    A source is a file; a folder, with all photos below it; a pattern such as `photos/**/*.jpg`; a
    CSV file with a column `path`, relative to the file or to the working directory; or `-`: paths
    from standard input, one per line. Files that turn out to be unreadable are not looked for here.
    Raises `InputError` for a source that does not exist or holds no photo.
    """
    paths: dict[str, None] = {}
    for source in map(str, sources):
        if source == STANDARD_INPUT:
            lines = standard_input or ()
            found = [line.rstrip("\r\n") for line in lines if line.strip()]
        else:
            found = list(_expand(source))
        if not found:
            raise InputError(f"{source}: no photos in it; name a folder or file of photos")
        paths |= dict.fromkeys(found)
    if not paths:
        raise InputError(
            "no photos given; name files, folders, a CSV list, or - for paths on stdin"
        )
    return list(paths)


def _expand(source: str) -> Iterator[str]:
    path = Path(source).expanduser()
    if path.is_dir():
        files = sorted(str(file) for file, _ in walk_files(path, path.parent) if is_image(file))
        yield from files
    elif path.suffix.casefold() in LIST_SUFFIXES and path.is_file():
        for row in read_csv_rows(path, ["path"]):
            text = local_path(row.cells["path"], path.parent)
            below = path.parent / text
            yield str(below) if os.path.lexists(below) else text
    elif os.path.lexists(path):
        yield str(path)
    elif glob.has_magic(source):
        yield from sorted(file for file in glob.iglob(str(path), recursive=True) if _is_photo(file))
    else:
        yield str(existing_file("photos", source))


def _is_photo(file: str) -> bool:
    return os.path.isfile(file) and is_image(Path(file))
