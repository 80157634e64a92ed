"""The collection's folder: one process at a time, and files that are whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fashion_exp.data.decode import reason
from fashion_exp.errors import InputError

_UNFINISHED = ".unfinished"


@contextmanager
def held(into: Path) -> Iterator[None]:
    """The collection is this process's own. Raises `InputError` where another one adds to it, or
    where it cannot be written."""
    try:
        into.mkdir(parents=True, exist_ok=True)
        lock = FileLock(into / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{into}: another process is collecting into it; wait for that one, or give another "
            "folder with --into"
        ) from None
    except OSError as error:
        raise InputError(f"--into {into}: {reason(error)}; give a folder to write to") from error
    try:
        shutil.rmtree(into / _UNFINISHED, ignore_errors=True)  # of one that was killed
        yield
    finally:
        shutil.rmtree(into / _UNFINISHED, ignore_errors=True)
        lock.release()


def keep(into: Path, label: str, name: str, content: bytes) -> str:
    """Writes a picture below its class; gives its path in the collection.

    When this returns, the file is on the disk under its name, whatever happens then.
    """
    unfinished = into / _UNFINISHED / name
    unfinished.parent.mkdir(exist_ok=True)
    with open(unfinished, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    folder = into / label
    folder.mkdir(exist_ok=True)
    os.replace(unfinished, folder / name)
    _sync(folder)
    return f"{label}/{name}"


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
