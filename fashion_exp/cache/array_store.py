"""Arrays of one shape and dtype, stored by name in a folder shared by many processes.

`records.bin` holds the arrays back to back. `index.jsonl` has a line per name: name, position and
checksum, or name and the reason why there is no array. An array is written before its line, and a
line counts once its newline is written, so a process killed at any point leaves complete entries
only. Writers hold a lock; readers need none.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from fashion_exp.atomic_io import write_text
from fashion_exp.errors import InputError

KEY_FIELDS_FILE = "about.json"
DATA_FILE = "records.bin"
INDEX_FILE = "index.jsonl"
USERS_FOLDER = "users"
REMOVAL_SUFFIX = ".leaving"
"""Suffix of a folder that is being removed."""


def store_key(key_fields: Mapping[str, Any]) -> str:
    """The folder name of a store: a hash of everything that its arrays depend on."""
    text = json.dumps(key_fields, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class ArrayStore:
    """Creates the folder if it does not exist, and marks it as in use until `close`.

    `key_fields` describes everything that the arrays depend on. It is saved with them.
    """

    def __init__(
        self, folder: Path, shape: Sequence[int], dtype: str, key_fields: Mapping[str, Any]
    ) -> None:
        self.folder, self.key_fields = folder, key_fields
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.entries: dict[str, tuple[int, int]] = {}
        """Position and checksum of each array, by name."""
        self.absent: dict[str, str] = {}
        """Names without an array, and the reason."""
        self._size = int(np.prod(self.shape)) * self.dtype.itemsize
        self._index_bytes_read, self._end = 0, 0
        self._data: np.ndarray | None = None
        self._verified: np.ndarray | None = None
        with store_lock(folder):
            if read_key_fields(folder) is None:
                fields = {**key_fields, "shape": list(self.shape), "dtype": self.dtype.name}
                write_text(folder / KEY_FIELDS_FILE, json.dumps(fields, indent=1))
            os.utime(folder / KEY_FIELDS_FILE)  # the time of last use
            self._user_lock: FileLock | None = _register_user(folder)
        self.refresh()

    @classmethod
    def open_existing(cls, folder: Path) -> ArrayStore | None:
        """The store of a folder, with its own shape and dtype; None if there is none."""
        fields = read_key_fields(folder)
        return None if fields is None else cls(folder, fields["shape"], fields["dtype"], fields)

    def close(self) -> None:
        """Allows the folder to be removed."""
        if self._user_lock is not None:
            self._user_lock.release()

    def __getstate__(self) -> dict[str, Any]:
        """State for another process, which maps the file itself; the parent keeps the user lock."""
        return vars(self) | {"_data": None, "_verified": None, "_user_lock": None}

    def __contains__(self, name: str) -> bool:
        return name in self.entries or name in self.absent

    def refresh(self) -> None:
        """Reads entries added by any process since the last call."""
        index = self.folder / INDEX_FILE
        if not index.exists() or index.stat().st_size <= self._index_bytes_read:
            return
        with open(index, "rb") as file:
            file.seek(self._index_bytes_read)
            lines, newline, _ = file.read().rpartition(b"\n")
        self._index_bytes_read += len(lines) + len(newline)
        for entry in _parse_lines(lines.split(b"\n")):
            match entry:
                case [str(name), str(reason)]:
                    self.absent[name] = reason
                case [str(name), int(position), int(checksum)] if position >= 0:
                    self.entries[name] = position, checksum
                    self._end = max(self._end, position + 1)

    def add(
        self, arrays: Mapping[str, np.ndarray], absent: Mapping[str, str] | None = None
    ) -> None:
        """Appends the names that are not stored yet; raises `InputError` if the disk is full."""
        try:
            with store_lock(self.folder):
                self._append(arrays, absent or {})
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InputError(
                f"{self.folder}: cannot be written ({reason}); free space with `cache clear`, or "
                "use another disk with outputs=FOLDER"
            ) from error
        self.refresh()

    def _append(self, arrays: Mapping[str, np.ndarray], absent: Mapping[str, str]) -> None:
        self.refresh()
        index = self.folder / INDEX_FILE
        if index.exists() and index.stat().st_size > self._index_bytes_read:
            os.truncate(index, self._index_bytes_read)  # the incomplete line of a killed process
        entries: list[tuple[str | int, ...]] = [e for e in absent.items() if e[0] not in self]
        records = {
            name: np.ascontiguousarray(array, self.dtype).tobytes()
            for name, array in arrays.items()
            if name not in self
        }
        if records:
            assert {len(record) for record in records.values()} == {self._size}
            descriptor = os.open(self.folder / DATA_FILE, os.O_RDWR | os.O_CREAT, 0o666)
            with os.fdopen(descriptor, "r+b") as data:
                data.seek(self._end * self._size)  # overwrites records without an index line
                data.write(b"".join(records.values()))
                data.flush()
                os.fsync(data.fileno())
            entries += [
                (name, position, _checksum(name, record))
                for position, (name, record) in enumerate(records.items(), self._end)
            ]
        if entries:
            with open(index, "ab") as file:
                file.write(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))

    def read(self, name: str) -> np.ndarray | None:
        """A copy of an array. Returns None and drops the name if the array is damaged.

        The first read of an array, in this process or in one that it was forked from, verifies
        its checksum.
        """
        position, checksum = self.entries[name]
        data, verified = self._map(position)
        if data is None or verified is None:
            del self.entries[name]
            return None
        # Marks hold checksums, since a damaged index may give the position of another array.
        if verified[position] != checksum:
            if _checksum(name, data[position].tobytes()) != checksum:
                del self.entries[name]
                return None
            verified[position] = checksum
        return np.array(data[position])

    def drop_damaged(self, names: Iterable[str]) -> None:
        """Drops names whose arrays do not match their checksums, so that `add` replaces them."""
        for name in names:
            if name in self.entries:
                self.read(name)

    def map_arrays(self, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """All stored arrays (m, *shape), memory-mapped, and the positions of `names` among them.

        Nothing is copied or verified.
        """
        positions = np.array([self.entries[name][0] for name in names], dtype=np.int64)
        data, _ = self._map(int(positions.max(initial=-1)))
        if data is None:
            data = np.empty((0, *self.shape), self.dtype)
        return data, positions

    def _map(self, position: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The file, mapped at least up to a position, and the verified checksum of each array.

        Forked processes share the checksums.
        """
        if self._data is None or position >= len(self._data):
            path = self.folder / DATA_FILE
            count = path.stat().st_size // self._size if path.exists() else 0
            if position >= count or count == 0:
                return None, None
            shape = (count, *self.shape)
            self._data = np.asarray(np.memmap(path, self.dtype, "r", shape=shape))
            verified = np.frombuffer(mmap.mmap(-1, 4 * count), np.uint32)
            if self._verified is not None:
                verified[: len(self._verified)] = self._verified
            self._verified = verified
        return self._data, self._verified


def read_key_fields(folder: Path) -> dict[str, Any] | None:
    """The saved key fields of a store; None if they are missing or damaged."""
    try:
        return dict(json.loads((folder / KEY_FIELDS_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def store_lock(folder: Path) -> FileLock:
    """The lock of a store. Its file is next to the folder, so that the folder can be removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(folder.with_name(f".{folder.name}.lock"))


def _register_user(folder: Path) -> FileLock:
    """A lock that marks the folder as in use while this process lives."""
    has_users(folder)
    (folder / USERS_FOLDER).mkdir(exist_ok=True)
    lock = FileLock(folder / USERS_FOLDER / f"{os.getpid()}-{secrets.token_hex(4)}.lock")
    lock.acquire()
    return lock


def has_users(folder: Path) -> bool:
    """Whether a running process has the store open; removes the marks of ended processes.

    The caller holds the store's lock.
    """
    in_use = False
    for user in (folder / USERS_FOLDER).glob("*.lock"):
        try:
            with FileLock(user, timeout=0):
                user.unlink()
        except Timeout:
            in_use = True
    return in_use


def remove_store(folder: Path) -> bool:
    """Deletes a store; returns False if a process has it open."""
    with store_lock(folder):
        if has_users(folder):
            return False
        if not folder.exists():
            return True
        renamed = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}{REMOVAL_SUFFIX}")
        folder.rename(renamed)
    shutil.rmtree(renamed)
    return True


def _checksum(name: str, record: bytes) -> int:
    return zlib.crc32(record, zlib.crc32(name.encode()))


def _parse_lines(lines: list[bytes]) -> Iterator[Any]:
    """The values of JSON lines, without damaged lines."""
    try:
        yield from json.loads(b"[" + b",".join(lines) + b"]")  # fast, if no line is damaged
    except ValueError:
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue
