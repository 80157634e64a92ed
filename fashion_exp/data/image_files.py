"""Picture files: their names by content, their pixels, and the table of those that were listed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from fashion_exp.data.decode import decode, reason
from fashion_exp.data.parallel import in_threads
from fashion_exp.data.sources.assemble import assemble
from fashion_exp.data.table import ImageTable, OutOfReach, UnreadableImage

LISTED_COLUMNS = ("path", "file", "label", "part", "group_id")
"""What a source lists: where a file is, its real path to open it by, class, official part, and the
group if one is stated, else ""."""

PHOTO_SIZE = 224
_HASHING_THREADS = 8


@dataclass(frozen=True)
class FileReader:
    """Reads files that still have the content that they were named by."""

    files: tuple[str, ...]
    ids: tuple[str, ...]
    max_megapixels: float

    def __call__(self, row: int) -> np.ndarray:
        try:
            content = Path(self.files[row]).read_bytes()
        except OSError as error:
            raise OutOfReach(reason(error)) from error
        if image_id(BytesIO(content)) != self.ids[row]:
            raise OutOfReach("changed since it was listed")
        return decode(content, self.max_megapixels)


def printable(path: str) -> str:
    """A path that can be written to any file: names that are not UTF-8 show their bytes as \\x…"""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def table_of_files(
    name: str,
    listed: pd.DataFrame,
    classes: Sequence[str],
    max_megapixels: float,
    left_out: Iterable[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> ImageTable:
    """The image table of files listed by `LISTED_COLUMNS`.

    Files that cannot be opened join `left_out` (path, reason).
    """
    ids, reasons = identify(set(listed["file"]))
    places = list(zip(listed["path"], listed["file"], strict=True))
    content = np.array([ids.get(file) for _, file in places], dtype=object)
    known = np.array([file in ids for _, file in places], dtype=bool)
    found = listed.assign(image_id=content)[known]
    own = found["group_id"] == ""
    found = found.assign(group_id=found["group_id"].mask(own, found["image_id"]))
    return assemble(
        name,
        found,
        classes,
        FileReader(tuple(found["file"]), tuple(found["image_id"]), max_megapixels),
        PHOTO_SIZE,
        [*left_out, *((path, reasons[file]) for path, file in places if file in reasons)],
        notes,
        reading=f"max_megapixels={max_megapixels:g}",
    )


def identify(files: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """{file: hash of its bytes, first 16 hex digits of SHA-256}, {file: why it has none}."""
    ids, reasons = {}, {}
    for file, content in zip(files, in_threads(_content, files, _HASHING_THREADS), strict=True):
        if isinstance(content, UnreadableImage):
            reasons[file] = str(content)
        else:
            ids[file] = content
    return ids, reasons


def _content(file: str) -> str | UnreadableImage:
    try:
        with opened(file) as content:
            return image_id(content)
    except UnreadableImage as error:
        return error


def image_id(content: BufferedReader | BytesIO) -> str:
    """The name of a picture by the bytes of its file."""
    return hashlib.file_digest(content, "sha256").hexdigest()[:16]


@contextmanager
def opened(file: str) -> Iterator[BufferedReader]:
    """A regular file that is not empty; raises `UnreadableImage` for any other."""
    try:
        status = os.stat(file)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImage("not a regular file")
        if status.st_size == 0:
            raise UnreadableImage("empty file")
        with open(file, "rb") as content:
            yield content
    except FileNotFoundError:
        raise UnreadableImage("broken link" if os.path.islink(file) else "no such file") from None
    except OSError as error:
        raise UnreadableImage(reason(error)) from error
