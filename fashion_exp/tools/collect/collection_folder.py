"""The files of a collection: lock, images, `images.csv` and `ATTRIBUTION.csv`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fashion_exp.atomic_io import csv_text, write_text
from fashion_exp.data.sources.walk import COLLECTED_MANIFEST
from fashion_exp.errors import InputError, os_error_reason
from fashion_exp.tools.collect import manifest
from fashion_exp.tools.collect.manifest import Entry

ATTRIBUTION = "ATTRIBUTION.csv"
_UNFINISHED = ".unfinished"
_SOURCE_COLUMNS = (
    "title", "creator", "creator_url", "licence", "licence_url", "landing_page", "url", "provider",
    "attribution",
)  # fmt: skip


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Creates the folder and locks it.

    Raises `InputError` if another process holds the lock or the folder is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise InputError(
            f"{folder}: another process is collecting into it; wait for it, or choose another "
            "folder with --into"
        ) from None
    except OSError as error:
        raise InputError(
            f"--into {folder}: {os_error_reason(error)}; choose a writable folder"
        ) from error
    try:
        shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)  # left by a killed process
        yield
    finally:
        shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)
        lock.release()


def save_image(folder: Path, label: str, name: str, content: bytes) -> str:
    """Writes an image atomically and syncs it to the disk; returns its path in the collection."""
    unfinished = folder / _UNFINISHED / name
    unfinished.parent.mkdir(exist_ok=True)
    with open(unfinished, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    class_folder = folder / label
    class_folder.mkdir(exist_ok=True)
    os.replace(unfinished, class_folder / name)
    descriptor = os.open(class_folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # makes the new name durable
    finally:
        os.close(descriptor)
    return f"{label}/{name}"


def check_overwrite(folder: Path) -> None:
    """Raises `InputError` if a list that we would overwrite is not from a collection."""
    if (folder / manifest.FILE_NAME).exists():
        return
    for name in (COLLECTED_MANIFEST, ATTRIBUTION):
        if (folder / name).exists():
            raise InputError(
                f"{folder / name}: exists and is not from a collection; choose another folder with "
                "--into"
            )


def write_image_list(folder: Path, entries: Sequence[Entry], attribute: str) -> None:
    """Writes the list that `dataset=csv` reads. Images of one landing page are one group.

    A file from several pages has one row per page, which joins their groups.
    """
    attributes: dict[str, str] = {}
    for entry in entries:
        attributes.setdefault(entry.outcome.file, entry.candidate.attributes.get(attribute, ""))
    rows = {
        (
            entry.outcome.file,
            entry.candidate.label,
            entry.candidate.group or entry.candidate.landing_page,
            attributes[entry.outcome.file],
        )
        for entry in entries
    }
    _write_csv(folder / COLLECTED_MANIFEST, ("path", "label", "group", attribute), sorted(rows))


def write_attribution(folder: Path, entries: Iterable[Entry]) -> None:
    """Writes the creator, license and source of each file."""
    rows = {
        entry.outcome.file: (
            entry.outcome.file,
            entry.candidate.label,
            *(getattr(entry.candidate, column) for column in _SOURCE_COLUMNS),
        )
        for entry in entries
        if entry.outcome.status != "copy"
    }
    ordered = [row for _, row in sorted(rows.items())]
    _write_csv(folder / ATTRIBUTION, ("file", "class", *_SOURCE_COLUMNS), ordered)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    write_text(path, csv_text([header, *rows]))
