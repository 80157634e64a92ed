"""Parallel inspection of many files, cached by content so that each image is decoded once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from fashion_exp.data.decode import oversize_reason
from fashion_exp.data.image_files import content_id
from fashion_exp.data.parallel import map_in_processes
from fashion_exp.data.regular_files import open_regular_file
from fashion_exp.data.table import UnreadableImageError
from fashion_exp.errors import InputError
from fashion_exp.inspection.image import (
    VERSION,
    ImageInspection,
    inspect_image,
    inspection_from_json,
)
from fashion_exp.inspection.image_tree import ImageFile
from fashion_exp.reporting.progress import Tick

_BATCH_SIZE = 16
"""Files per task of a worker process."""
_WRITTEN_AT_ONCE = 512
"""Inspections per transaction; each waits for the disk."""
_LOCK_TIMEOUT_S = 60
"""Longest wait for another run that writes to the cache."""
_TABLE = f"looks_{VERSION}"


def inspect_files(
    files: Sequence[ImageFile],
    cache: InspectionCache,
    max_megapixels: float,
    processes: int,
    tick: Tick,
) -> Iterator[tuple[int, ImageInspection]]:
    """(position in `files`, inspection) of every file, in the order of the real paths.

    The results are not kept, so memory does not grow with the pixels that were seen. The cache is
    written every few hundred files, so an interrupted run can be continued.
    """
    positions: dict[str, list[int]] = {}
    for position, file in enumerate(files):
        positions.setdefault(file.real_path, []).append(position)
    paths = sorted(positions)
    batches = [paths[start : start + _BATCH_SIZE] for start in range(0, len(paths), _BATCH_SIZE)]
    work = partial(_inspect_batch, frozenset(cache.ids()), max_megapixels)
    done = 0
    with cache.writer() as write:
        for batch, results in zip(batches, map_in_processes(work, batches, processes), strict=True):
            cached = cache.read([result for result in results if isinstance(result, str)])
            write([result for result in results if isinstance(result, ImageInspection)])
            done += len(batch)
            tick(done, len(paths))
            for path, result in zip(batch, results, strict=True):
                inspection = cached[result] if isinstance(result, str) else result
                for position in positions[path]:
                    yield position, _apply_limit(inspection, max_megapixels)


def _inspect_batch(
    cached_ids: Collection[str], max_megapixels: float, paths: Sequence[str]
) -> list[ImageInspection | str]:
    """The inspection of each file, or only its image id if the inspection is cached."""
    results: list[ImageInspection | str] = []
    for path in paths:
        try:
            with open_regular_file(path) as content:
                name = content_id(content)
                is_cached = name in cached_ids
                results.append(name if is_cached else inspect_image(content, max_megapixels))
        except UnreadableImageError as error:
            results.append(ImageInspection("", 0, None, None, str(error)))
    return results


def _apply_limit(inspection: ImageInspection, max_megapixels: float) -> ImageInspection:
    """Cached inspections may exceed the limit of this run."""
    head = inspection.header
    if head and (message := oversize_reason(head.width, head.height, max_megapixels)):
        return replace(inspection, stats=None, reason=message, is_oversized=True)
    return inspection


@dataclass(frozen=True)
class InspectionCache:
    """SQLite table of inspections by image id; safe for concurrent runs."""

    path: Path

    def ids(self) -> list[str]:
        """Image ids of all cached inspections; creates the database if necessary."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._create_and_list()
        except (sqlite3.OperationalError, OSError) as error:
            raise self._unusable(error) from None
        except sqlite3.DatabaseError:  # damaged; its content can be computed again
            self.path.unlink()
            return self._create_and_list()

    def _create_and_list(self) -> list[str]:
        with closing(self._connect()) as database, database:
            database.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (id TEXT PRIMARY KEY, look)")
            return [name for (name,) in database.execute(f"SELECT id FROM {_TABLE}")]

    def read(self, ids: Sequence[str]) -> dict[str, ImageInspection]:
        if not ids:
            return {}
        marks = ", ".join("?" * len(ids))
        with closing(self._connect()) as database:
            rows = database.execute(f"SELECT id, look FROM {_TABLE} WHERE id IN ({marks})", ids)
            return {name: inspection_from_json(json.loads(saved)) for name, saved in rows}

    @contextmanager
    def writer(self) -> Iterator[Callable[[Iterable[ImageInspection]], None]]:
        """A function that stores inspections, many at a time, and the rest when the block ends."""
        pending: list[ImageInspection] = []

        def write(inspections: Iterable[ImageInspection]) -> None:
            pending.extend(inspections)
            if len(pending) >= _WRITTEN_AT_ONCE:
                self._write(pending)
                pending.clear()

        try:
            yield write
        finally:
            self._write(pending)

    def _write(self, inspections: Iterable[ImageInspection]) -> None:
        """Stores the inspections that depend on nothing but the file's content."""
        rows = [
            (inspection.image_id, json.dumps(inspection.to_json()))
            for inspection in inspections
            if inspection.image_id and not (inspection.is_oversized or inspection.is_temporary)
        ]
        if not rows:
            return
        try:
            with closing(self._connect()) as database, database:
                database.executemany(f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)", rows)
        except sqlite3.OperationalError as error:  # a full disk
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> InputError:
        return InputError(
            f"cannot use the cache '{self.path}': {error}; free disk space, fix its permissions or "
            "delete it"
        )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=_LOCK_TIMEOUT_S)
