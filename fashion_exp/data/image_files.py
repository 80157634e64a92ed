"""Image files: ids by content, and a reader of their pixels."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np

from fashion_exp.data.decode import decode
from fashion_exp.data.parallel import map_in_threads
from fashion_exp.data.table import SourceUnavailableError, UnreadableImageError
from fashion_exp.errors import os_error_reason

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
        try:
            content = Path(self.files[row]).read_bytes()
        except OSError as error:
            raise SourceUnavailableError(os_error_reason(error)) from error
        if content_id(BytesIO(content)) != self.ids[row]:
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


def content_id(content: BufferedReader | BytesIO) -> str:
    """The image id of a file: the first 16 hex digits of the SHA-256 of its bytes."""
    return hashlib.file_digest(content, "sha256").hexdigest()[:16]


@contextmanager
def open_regular_file(file: str) -> Iterator[BufferedReader]:
    """Open a regular file that is not empty; raises `UnreadableImageError` for any other."""
    try:
        status = os.stat(file)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImageError("not a regular file")
        if status.st_size == 0:
            raise UnreadableImageError("empty file")
        with open(file, "rb") as content:
            yield content
    except FileNotFoundError:
        reason = "broken link" if os.path.islink(file) else "no such file"
        raise UnreadableImageError(reason) from None
    except OSError as error:
        raise UnreadableImageError(os_error_reason(error)) from error
