"""Files that are written whole or not at all, append-only journals, and file locks."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout, lock_descriptor

from fashion_exp.errors import FailedError, InputError

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_DIGITS = r"[+\-−]?((\d[\d,]*\.?\d*|\.\d+)(e[+-]?\d+)?\s?%?)?"
_NUMBER = re.compile(rf"'*{_DIGITS}( to {_DIGITS})?", re.IGNORECASE)
"""A number, or an interval such as "+0.2 to +3.2"."""
MIN_FREE_BYTES = 2**16
LOCK_TIMEOUT = 5.0
"""Seconds to wait for a lock that `is_locked` of another process may hold for a moment."""


DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
DISK_FULL_REMEDY = "free some space and run the same command again"


class DiskFullError(FailedError):
    """The disk has no room for a file, which is the argument."""

    def __str__(self) -> str:
        return f"no space left for {self.args[0]}; {DISK_FULL_REMEDY}"


def is_disk_full(error: BaseException) -> bool:
    """Libraries in other languages have errors of their own, with the system's words in them."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in DISK_FULL_ERRNOS
    words = str(error)
    is_named = any(os.strerror(number) in words for number in DISK_FULL_ERRNOS)
    return is_named or isinstance(error, DiskFullError)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path that replaces `path` when the block ends without an exception.

    Raises `DiskFullError` if the disk is full, also if a library raised another exception, and
    `InputError` as `check_replaceable`.
    """
    check_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        os.replace(draft, path)
    except Exception as error:
        if is_disk_full(error) or shutil.disk_usage(path.parent).free < MIN_FREE_BYTES:
            raise DiskFullError(path) from error
        raise
    finally:
        draft.unlink(missing_ok=True)


def check_replaceable(path: Path) -> None:
    """Raises `InputError` for a folder, and for a device or pipe, which root would replace by a
    file."""
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise InputError(f"{path}: is {kind}; name a file")


def write_text(path: Path, text: str) -> None:
    with atomic_write(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=1))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object that a run or a sweep wrote; raises `InputError` if it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: damaged ({reason}); run scripts/run doctor") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: damaged (not a JSON object); run scripts/run doctor")
    return content


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV, safe to open with a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([guard_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def guard_cell(cell: Any) -> Any:
    """Puts an apostrophe before a text that a spreadsheet would evaluate as a formula.

    Numbers and intervals stay as they are. `unguard_cell` removes the apostrophe.
    """
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def unguard_cell(text: str) -> str:
    """The text before `guard_cell`."""
    is_guarded = text.startswith("'") and guard_cell(text) != text
    return text[1:] if is_guarded else text


def timestamp() -> str:
    """The local time with its zone, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def append_json_line(path: Path, entry: dict[str, Any]) -> None:
    """Appends one object to a JSON-lines file and waits until it is on the disk.

    A partial last line, left by a crash or a full disk, is removed first.
    """
    remove_partial_line(path)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, without a line that a crash cut off."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(dict(json.loads(line)))
        except ValueError:
            continue
    return entries


def remove_partial_line(path: Path) -> None:
    """Cuts off what follows the last newline of a file, if the file exists."""
    if not path.exists():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with open(path, "r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


@contextmanager
def file_lock(path: Path, *, busy: str | None = None) -> Iterator[None]:
    """Holds an exclusive lock on `path`, which is released when the process dies.

    Waits for the lock; with a message `busy`, waits for `LOCK_TIMEOUT` seconds only and then
    raises `InputError(busy)`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=-1 if busy is None else LOCK_TIMEOUT)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(busy or "") from None
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a living process holds the `file_lock` of this file.

    Read permission is enough, so that another user's sweep can be inspected.
    """
    try:
        with open(path, "rb") as file:
            return not lock_descriptor(file.fileno(), blocking=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return True  # on a file system without locks the existing file is the lock
