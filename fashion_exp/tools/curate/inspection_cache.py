"""The looks at many files: taken in parallel, and kept by content, so that each is taken once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path

from fashion_exp.data.decode import too_large
from fashion_exp.data.image_files import image_id
from fashion_exp.data.parallel import in_processes
from fashion_exp.data.table import UnreadableImage
from fashion_exp.errors import InputError
from fashion_exp.reporting.progress import Tick
from fashion_exp.tools.curate.image_tree import Place
from fashion_exp.tools.curate.inspection import VERSION, Look, look_at, look_of, read_content

_AT_ONCE = 16
"""Files of one task, so that a process is not asked for each."""
_PATIENCE_S = 60
"""How long another run may be writing."""


def look_at_all(
    places: Sequence[Place],
    store: LookStore,
    max_megapixels: float,
    processes: int,
    tick: Tick,
) -> list[Look]:
    """The look at each place's file. What is stopped half-way has kept the looks until then."""
    files = sorted({place.file for place in places})
    tasks = [files[start : start + _AT_ONCE] for start in range(0, len(files), _AT_ONCE)]
    work = partial(_look_at_some, frozenset(store.ids()), max_megapixels)
    looks: dict[str, Look] = {}
    for task, taken in zip(tasks, in_processes(work, tasks, processes), strict=True):
        known = store.read([look for look in taken if isinstance(look, str)])
        store.write(look for look in taken if isinstance(look, Look))
        for file, look in zip(task, taken, strict=True):
            looks[file] = known[look] if isinstance(look, str) else look
        tick(len(looks), len(files))
    return [_within(looks[place.file], max_megapixels) for place in places]


def _look_at_some(
    known: Collection[str], max_megapixels: float, files: Sequence[str]
) -> list[Look | str]:
    """Of each file its look, or its id where that is all that is needed."""
    return [_look(known, max_megapixels, file) for file in files]


def _look(known: Collection[str], max_megapixels: float, file: str) -> Look | str:
    try:
        content = read_content(file)
    except UnreadableImage as error:
        return Look("", 0, None, None, str(error))
    name = image_id(BytesIO(content))
    return name if name in known else look_at(content, max_megapixels)


def _within(look: Look, max_megapixels: float) -> Look:
    """The look with this limit, which is none of the content's own."""
    if look.header is None:
        return look
    large = too_large(look.header.width, look.header.height, max_megapixels)
    return replace(look, sight=None, reason=large) if large else look


@dataclass(frozen=True)
class LookStore:
    """Looks by image id in a small database; any number of runs may use it at once."""

    file: Path

    def ids(self) -> list[str]:
        """Of all looks that are kept."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            return self._ids()
        except (sqlite3.OperationalError, OSError) as error:
            raise self._unusable(error) from None
        except sqlite3.DatabaseError:  # damaged: what it held can be looked at again
            self.file.unlink()
            return self._ids()

    def _ids(self) -> list[str]:
        with closing(self._open()) as database, database:
            database.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (id TEXT PRIMARY KEY, look)")
            return [name for (name,) in database.execute(f"SELECT id FROM {_TABLE}")]

    def read(self, ids: Sequence[str]) -> dict[str, Look]:
        if not ids:
            return {}
        marks = ", ".join("?" * len(ids))
        with closing(self._open()) as database:
            found = database.execute(f"SELECT id, look FROM {_TABLE} WHERE id IN ({marks})", ids)
            return {name: look_of(json.loads(look)) for name, look in found}

    def write(self, looks: Iterable[Look]) -> None:
        """Keeps those that depend on nothing but the content."""
        rows = list(_rows(looks))
        if not rows:
            return
        try:
            with closing(self._open()) as database, database:
                database.executemany(f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)", rows)
        except sqlite3.OperationalError as error:  # a full disk
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> InputError:
        return InputError(f"'{self.file}' cannot be used: {error}; make room, mend or delete it")

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, timeout=_PATIENCE_S)


_TABLE = f"looks_{VERSION}"


def _rows(looks: Iterable[Look]) -> Iterator[tuple[str, str]]:
    for look in looks:
        decided = look.sight is not None or "megapixels" not in look.reason
        if look.image_id and decided:
            yield look.image_id, json.dumps(look.kept())
