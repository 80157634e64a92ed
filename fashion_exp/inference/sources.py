"""The photos that a user names: files, folders, patterns, CSV lists, standard input."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from fashion_exp.data.csv_lists import local_path, read_csv_rows
from fashion_exp.data.sources.walk import existing_folder, is_image, list_entries, walk_files
from fashion_exp.errors import InputError, suggest

LIST_SUFFIXES = (".csv", ".tsv")
STANDARD_INPUT = "-"
NOTHING_GIVEN = "no photos given; name files, folders, a CSV list, or - for paths on standard input"


def list_photos(sources: Iterable[str | Path], standard_input: TextIO | None = None) -> list[str]:
    """The paths of all photos, in the order given, each once.

    A source is a file; a folder, with all photos below it; a pattern such as `photos/**/*.jpg`; a
    CSV file with a column `path`, relative to the file or to the working directory; or `-`: paths
    from standard input, one per line. Files that turn out to be unreadable are not looked for here.
    A source that does not exist or holds no photo stands for itself among others, so that it is
    named with a reason when it is read. Raises `InputError` if all are such.
    """
    paths: dict[str, None] = {}
    missing: list[str] = []
    given = list(map(str, sources))
    for source in given:
        if source == STANDARD_INPUT:
            lines = standard_input or ()
            matches = [line.rstrip("\r\n") for line in lines if line.strip()]
        else:
            matches = list(expand(source))
        if not matches:
            missing.append(source)
        paths |= dict.fromkeys(matches or [source])
    if len(missing) == len(given):
        raise InputError(_why_empty(missing[0]) if missing else NOTHING_GIVEN)
    if STANDARD_INPUT in missing:
        del paths[STANDARD_INPUT]
    return list(paths)


def _why_empty(source: str) -> str:
    path = Path(source).expanduser()
    if source == STANDARD_INPUT:
        return "-: no paths on standard input; give one per line"
    if path.exists() or glob.has_magic(source):
        return f"{source}: no photos in it; name a folder or file of photos"
    folder = existing_folder("photos", str(path.parent))
    folders, files = list_entries(folder)
    names = [f"{entry.name}/" for entry in folders]
    names += [name for name in files if is_image(folder / name) or is_list(Path(name))]
    hint = suggest(path.name, names) or "name a file or folder of photos"
    return f"photos: there is no file or folder '{path}'; {hint}"


def is_list(path: Path) -> bool:
    return path.suffix.casefold() in LIST_SUFFIXES


def expand(source: str) -> Iterator[str]:
    """The paths of the photos that a file, folder, pattern or list stands for."""
    path = Path(source).expanduser()
    if path.is_dir():
        root = path.resolve().parent  # not that of ".", which is itself
        files = sorted(str(file) for file, _ in walk_files(path, root) if is_image(file))
        yield from files
    elif is_list(path) and path.is_file():
        for row in read_csv_rows(path, ["path"]):
            text = local_path(row.cells["path"], path.parent)
            below = path.parent / text
            yield str(below) if os.path.lexists(below) else text
    elif os.path.lexists(path):
        yield str(path)
    else:
        yield from sorted(file for file in glob.iglob(str(path), recursive=True) if _is_photo(file))


def _is_photo(file: str) -> bool:
    return os.path.isfile(file) and is_image(Path(file))
