"""Image files: ids by content, and a reader of their pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from fashion_exp.data.decode import BinaryFile, decode
from fashion_exp.data.parallel import map_in_threads
from fashion_exp.data.regular_files import open_regular_file
from fashion_exp.data.table import SourceUnavailableError, UnreadableImageError

FILE_COLUMNS = ("path", "file", "label", "part", "group_id")
"""Columns of the files that a source lists: path for display, real path, class name, official part
("" if none) and group ("" if unknown)."""

_HASHING_THREADS = 8


@dataclass(frozen=True)
class FileReader:
    """Reads image files and checks that their content still has its id."""

    files: tuple[str, ...]
    ids: tuple[str, ...]
    max_megapixels: float

    def __call__(self, row: int) -> np.ndarray:
        with open_regular_file(self.files[row]) as content:
            if content_id(content) != self.ids[row]:
                raise SourceUnavailableError("changed since it was listed")
            return decode(content, self.max_megapixels)


def printable_path(path: str) -> str:
    """The path as valid UTF-8; bytes that are not UTF-8 become \\x… escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def content_ids(files: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """{file: content id} of readable files, and {file: reason} of the others."""
    ids, reasons = {}, {}
    results = map_in_threads(_content_id_or_error, files, _HASHING_THREADS)
    for file, result in zip(files, results, strict=True):
        if isinstance(result, UnreadableImageError):
            reasons[file] = str(result)
        else:
            ids[file] = result
    return ids, reasons


def _content_id_or_error(file: str) -> str | UnreadableImageError:
    try:
        with open_regular_file(file) as content:
            return content_id(content)
    except UnreadableImageError as error:
        return error


def content_id(content: BinaryFile) -> str:
    """The image id of an open file: the first 16 hex digits of the SHA-256 of its bytes."""
    content.seek(0)
    return hashlib.file_digest(content, "sha256").hexdigest()[:16]
