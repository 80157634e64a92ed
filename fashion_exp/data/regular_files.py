"""Opening of a user's image files: regular files only, of a limited size, without waiting."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader

from fashion_exp.data.table import SourceUnavailableError
from fashion_exp.errors import os_error_reason

MAX_FILE_GIGABYTES = 1.0
"""Larger files are not read. An image of 40 megapixels has 0.24 GB without compression."""


@contextmanager
def open_regular_file(file: str | os.PathLike[str]) -> Iterator[BufferedReader]:
    """Open a regular file that is neither empty nor too large to be an image.

    Raises `SourceUnavailableError` with a short reason for any other, also if reading fails.
    """
    try:
        _check(os.stat(file))  # opening a device may have an effect
        with open(file, "rb", opener=_open_without_waiting) as content:
            _check(os.fstat(content.fileno()))  # another file may have replaced the first
            yield content
    except FileNotFoundError:
        reason = "broken link" if os.path.islink(file) else "no such file"
        raise SourceUnavailableError(reason) from None
    except OSError as error:
        raise SourceUnavailableError(os_error_reason(error)) from error


def _open_without_waiting(path: str, flags: int) -> int:
    """Opening a FIFO would wait for a writer, and opening a terminal could make it ours."""
    for name in ("O_NONBLOCK", "O_NOCTTY"):  # not on Windows
        flags |= getattr(os, name, 0)
    return os.open(path, flags)


def _check(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise SourceUnavailableError("a folder, not a photo")
    if not stat.S_ISREG(status.st_mode):
        raise SourceUnavailableError("not a regular file")
    if status.st_size == 0:
        raise SourceUnavailableError("empty file")
    if (gigabytes := status.st_size / 1e9) > MAX_FILE_GIGABYTES:
        raise SourceUnavailableError(
            f"{gigabytes:.1f} GB, more than {MAX_FILE_GIGABYTES:g}; save the image as JPEG"
        )
