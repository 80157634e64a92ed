"""Files that are whole or not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import lock_descriptor

from fashion_exp.errors import InputError

_NO_ROOM = 2**16
"""Bytes."""


class DiskFullError(Exception):
    """There was no room for a file; the message says where and what to do."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `path` when the block ends without an error.

    Raises `DiskFull` in place of what a library makes of that.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except Exception as error:
        if shutil.disk_usage(path.parent).free < _NO_ROOM:
            raise DiskFullError(
                f"no room left for {path}; free some, and the same line goes on"
            ) from error
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with atomic_write(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """What a run or sweep has noted; raises `InputError` where that cannot be read.

    We write files whole or not at all: one that is not has met a power cut, or a person.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: damaged ({str(error).splitlines()[0]}); scripts/run doctor says what to do"
        ) from error
    if not isinstance(told, dict):
        raise InputError(f"{path}: damaged (no mapping); scripts/run doctor says what to do")
    return told


def is_locked(lock_file: Path) -> bool:
    """Whether a process holds a `FileLock` of this file; one that died holds none.

    A file that may only be read will do: somebody may look at another's sweep.
    """
    try:
        with open(lock_file, "rb") as file:
            return not lock_descriptor(file.fileno(), blocking=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        return True  # on a disk without locks the file itself is one
