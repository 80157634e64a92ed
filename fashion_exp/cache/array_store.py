"""Arrays of one shape and type, kept by name in a folder that many processes read and add to.

`records.bin` holds the arrays one after another, `index.jsonl` a line each: name, place and
checksum, or name and why there is no array. An array is on disk before its line is, and a line
counts when its end is there, so that a process killed anywhere leaves whole entries only. The
lock is held while adding alone; readers need none.
"""

from __future__ import annotations

import json
import mmap
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from fashion_exp.atomic_io import write_text
from fashion_exp.errors import InputError

ABOUT, DATA, INDEX, USERS = "about.json", "records.bin", "index.jsonl", "users"
LEAVING = ".leaving"
"""The end of the name of a folder that is being removed."""


class ArrayStore:
    """Opening makes the folder where it is not there, and holds it against being cleared.

    `about` says in words what the records are of; it stands beside them.
    """

    def __init__(
        self, folder: Path, shape: Sequence[int], dtype: str, about: Mapping[str, Any]
    ) -> None:
        self.folder, self.about = folder, about
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self._size = int(np.prod(self.shape)) * self.dtype.itemsize
        self._forget()
        with store_lock(folder):
            if read_key_fields(folder) is None:
                told = {**about, "shape": list(self.shape), "dtype": self.dtype.name}
                write_text(folder / ABOUT, json.dumps(told, indent=1))
            os.utime(folder / ABOUT)  # when it was last used
            self._holding: FileLock | None = _hold(folder)
        self.refresh()

    @classmethod
    def open_existing(cls, folder: Path) -> ArrayStore | None:
        """As it was made, where it is there."""
        about = read_key_fields(folder)
        return None if about is None else cls(folder, about["shape"], about["dtype"], about)

    def _forget(self) -> None:
        self.places: dict[str, tuple[int, int]] = {}
        """Place and checksum of each array, by its name."""
        self.absent: dict[str, str] = {}
        """Names without an array, and why."""
        self._read_to, self._end = 0, 0
        self._data: np.ndarray | None = None
        self._sound: np.ndarray | None = None

    def close(self) -> None:
        """Lets it be cleared."""
        if self._holding is not None:
            self._holding.release()

    def __getstate__(self) -> dict[str, Any]:
        """For another process: it maps the file anew, and its parent holds the folder."""
        unmapped = {"_data": None, "_sound": None, "_holding": None}
        return vars(self) | unmapped

    def __contains__(self, name: str) -> bool:
        return name in self.places or name in self.absent

    def refresh(self) -> None:
        """Takes in what was added since, by whichever process."""
        index = self.folder / INDEX
        if not index.exists() or index.stat().st_size <= self._read_to:
            return
        began = self._read_to
        with open(index, "rb") as file:
            file.seek(began)
            whole = file.read().rpartition(b"\n")[0]
        self._read_to = began + len(whole) + 1 if whole else began
        for entry in _parsed(whole):
            if len(entry) == 2:
                self.absent[entry[0]] = entry[1]
            else:
                name, place, checksum = entry
                self.places[name] = (place, checksum)
                self._end = max(self._end, place + 1)

    def add(
        self, arrays: Mapping[str, np.ndarray], absent: Mapping[str, str] | None = None
    ) -> None:
        """Appends what is not there yet; raises `InputError` where the disk is full."""
        try:
            with store_lock(self.folder):
                self._append(arrays, absent or {})
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(
                f"{self.folder}: cannot be written ({reason}); `cache clear` makes room, and "
                "outputs=FOLDER takes another disk"
            ) from error
        self.refresh()

    def _append(self, arrays: Mapping[str, np.ndarray], absent: Mapping[str, str]) -> None:
        _cut_torn_end(self.folder / INDEX)
        self.refresh()
        fresh = {name: array for name, array in arrays.items() if name not in self}
        lines: list[list[Any]] = [[n, why] for n, why in absent.items() if n not in self]
        if fresh:
            blob = [np.ascontiguousarray(a, self.dtype).tobytes() for a in fresh.values()]
            assert {len(record) for record in blob} == {self._size}
            with os.fdopen(
                os.open(self.folder / DATA, os.O_RDWR | os.O_CREAT, 0o666), "r+b"
            ) as data:
                data.seek(self._end * self._size)  # over what a killed process left without a line
                data.write(b"".join(blob))
                data.flush()
                os.fsync(data.fileno())
            lines += [
                [name, self._end + number, _checksum(name, record)]
                for number, (name, record) in enumerate(zip(fresh, blob, strict=True))
            ]
        if lines:
            with open(self.folder / INDEX, "ab") as index:
                index.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def read(self, name: str) -> np.ndarray | None:
        """The caller's own copy of an array; None, and forgotten, where it is damaged.

        It is held against its checksum the first time that a process, or one forked from it,
        reads it.
        """
        place, checksum = self.places[name]
        data, sound = self._mapped(place)
        if data is None or sound is None:
            del self.places[name]
            return None
        if not sound[place]:
            if _checksum(name, data[place].tobytes()) != checksum:
                del self.places[name]
                return None
            sound[place] = 1
        return np.array(data[place])

    def drop_damaged(self, names: Iterable[str]) -> None:
        """Forgets those whose arrays do not have their checksums, so that `add` takes them anew."""
        for name in names:
            if name in self.places:
                self.read(name)

    def gather(self, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """All arrays as they lie in the file, (m, *shape), and the places of `names` among them.

        Nothing is copied or checked.
        """
        places = np.array([self.places[name][0] for name in names], dtype=np.int64)
        data, _ = self._mapped(int(places.max(initial=-1)))
        if data is None:
            data = np.empty((0, *self.shape), self.dtype)
        return data, places

    def _mapped(self, place: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The file, at least up to this place, and which of its arrays are known to be sound.

        The marks are shared with forked processes.
        """
        if self._data is None or place >= len(self._data):
            file = self.folder / DATA
            count = file.stat().st_size // self._size if file.exists() else 0
            if place >= count or count == 0:
                return None, None
            shape = (count, *self.shape)
            self._data = np.asarray(np.memmap(file, self.dtype, "r", shape=shape))
            marks = np.frombuffer(mmap.mmap(-1, count), np.uint8)
            if self._sound is not None:
                marks[: len(self._sound)] = self._sound
            self._sound = marks
        return self._data, self._sound


def read_key_fields(folder: Path) -> dict[str, Any] | None:
    """What the records of a folder depend on; None where nobody can tell any more."""
    try:
        return dict(json.loads((folder / ABOUT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def store_lock(folder: Path) -> FileLock:
    """The lock of a folder of records; it lies beside it, so that the folder can go."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(folder.with_name(f".{folder.name}.lock"))


def _hold(folder: Path) -> FileLock:
    """A lock that says for the life of this process that the folder is in use."""
    in_use(folder)
    (folder / USERS).mkdir(exist_ok=True)
    held = FileLock(folder / USERS / f"{os.getpid()}-{secrets.token_hex(4)}.lock")
    held.acquire()
    return held


def in_use(folder: Path) -> bool:
    """Whether a living process has opened it; to be asked within its lock. Forgets dead ones."""
    living = False
    for user in (folder / USERS).glob("*.lock"):
        try:
            with FileLock(user, timeout=0):
                user.unlink()
        except Timeout:
            living = True
    return living


def remove(folder: Path) -> bool:
    """Deletes a folder of records, unless a process uses it."""
    with store_lock(folder):
        if in_use(folder):
            return False
        if not folder.exists():
            return True
        leaving = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}{LEAVING}")
        folder.rename(leaving)
    shutil.rmtree(leaving)
    return True


def _checksum(name: str, record: bytes) -> int:
    return zlib.crc32(record, zlib.crc32(name.encode()))


def _parsed(lines: bytes) -> Iterable[list[Any]]:
    """The entries of an index; a line that a crash has spoilt is none."""
    listed = lines.split(b"\n") if lines else []
    try:
        entries = json.loads(b"[" + b",".join(listed) + b"]")
    except ValueError:
        entries = [_parsed_alone(line) for line in listed]
    return [entry for entry in entries if isinstance(entry, list) and len(entry) in (2, 3)]


def _parsed_alone(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _cut_torn_end(index: Path) -> None:
    if not index.exists():
        return
    with open(index, "r+b") as file:
        content_end = file.seek(0, os.SEEK_END)
        file.seek(max(0, content_end - 4096))
        tail = file.read()
        if tail and not tail.endswith(b"\n"):
            file.truncate(content_end - len(tail) + tail.rfind(b"\n") + 1)
