"""`manifest.jsonl`: every picture that was offered, and what became of it; only ever added to.

It is the collection's memory. A line is on the disk before anything that follows from it is done.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, Literal

from fashion_exp.errors import InputError
from fashion_exp.tools.collect.candidate import Candidate, Page

FILE = "manifest.jsonl"

Status = Literal["accepted", "copy", "conflict", "rejected", "failed"]
"""`copy`: these bytes are there already, of this class; `conflict`: of another class;
`failed`: to be tried again."""


@dataclass(frozen=True)
class Outcome:
    """What became of a candidate."""

    status: Status
    kind: str = ""
    """What reasons are counted by, where it was not taken."""
    reason: str = ""
    file: str = ""
    """Of the collection, relative to it."""
    bytes: int = 0
    """Of the file; of one that was too large, those that were taken at most."""
    width: int = 0
    height: int = 0
    """Pixels, turned upright."""
    sha256: str = ""
    """Of the file."""
    pixels: str = ""
    """SHA-256 of the upright pixels."""
    time: str = ""


@dataclass(frozen=True)
class Entry:
    candidate: Candidate
    outcome: Outcome


@dataclass
class Listing:
    """The pages that a provider has answered a query with."""

    pages: int = 0
    last: bool = False
    candidates: list[Candidate] = field(default_factory=list)


class Manifest:
    """The file of one collection, open for adding: a context manager."""

    def __init__(self, into: Path) -> None:
        """Reads what there is; a last line that was cut off by a crash is taken away.

        Raises `InputError` if another line is not ours.
        """
        self._path = into / FILE
        self._entries: dict[tuple[str, str, str], Entry] = {}
        self._listings: dict[tuple[str, str, str], Listing] = defaultdict(Listing)
        self._addresses: dict[str, Outcome] = {}
        self._classes: dict[str, dict[str, Outcome]] = defaultdict(dict)
        for told in _lines(self._path):
            self._take(told)
        self._file: BinaryIO = open(self._path, "ab")  # noqa: SIM115 (closed by __exit__)
        self._file.truncate(len(_whole(self._path)))

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    @property
    def entries(self) -> Iterable[Entry]:
        """The latest outcome of each candidate, in the order in which they were first met."""
        return self._entries.values()

    @property
    def hashes(self) -> Iterable[str]:
        """SHA-256 of all the files that were ever taken."""
        return self._classes

    def outcome(self, candidate: Candidate) -> Outcome | None:
        """What became of this address for this query, if it is known."""
        found = self._entries.get(_key(candidate))
        return None if found is None else found.outcome

    def of_address(self, url: str) -> Outcome | None:
        """What became of an address for any query, unless it is to be tried again."""
        return self._addresses.get(url)

    def classes_with(self, sha256: str) -> dict[str, Outcome]:
        """The classes under which these bytes are, each with the outcome that brought them."""
        return self._classes.get(sha256, {})

    def listing(self, provider: str, label: str, query: str) -> Listing:
        return self._listings[provider, label, query]

    def add_page(self, provider: str, label: str, query: str, page: Page) -> None:
        """Remembers a page of results, so that it need not be asked for again."""
        told = {
            "status": "listed",
            "provider": provider,
            "class": label,
            "query": query,
            "last": page.last,
            "candidates": [_plain(candidate) for candidate in page.candidates],
            "time": now(),
        }
        self._write(told)
        self._take(told)

    def add(self, candidate: Candidate, outcome: Outcome) -> None:
        told = _plain(candidate) | asdict(outcome)
        self._write({key: value for key, value in told.items() if value not in ("", 0, {})})
        self._take(told)

    def _write(self, told: dict[str, Any]) -> None:
        self._file.write(json.dumps(told).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _take(self, told: dict[str, Any]) -> None:
        if told["status"] == "listed":
            listing = self.listing(told["provider"], told["class"], told["query"])
            listing.pages += 1
            listing.last = told["last"]
            listing.candidates += [_candidate(one) for one in told["candidates"]]
            return
        entry = Entry(_candidate(told), _of(Outcome, told))
        self._entries[_key(entry.candidate)] = entry
        before = self._addresses.get(entry.candidate.url)
        if entry.outcome.status != "failed" and (before is None or before.status == "rejected"):
            self._addresses[entry.candidate.url] = entry.outcome
        if entry.outcome.file:
            self._classes[entry.outcome.sha256].setdefault(entry.candidate.label, entry.outcome)


def now() -> str:
    """With the zone, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def _key(candidate: Candidate) -> tuple[str, str, str]:
    return candidate.label, candidate.query, candidate.url


def _plain(candidate: Candidate) -> dict[str, Any]:
    told = asdict(candidate)
    return {"class": told.pop("label"), **told}


def _candidate(told: dict[str, Any]) -> Candidate:
    return _of(Candidate, {**told, "label": told["class"]})


def _of(kind: Any, told: dict[str, Any]) -> Any:
    return kind(**{one.name: told[one.name] for one in fields(kind) if one.name in told})


def _whole(path: Path) -> bytes:
    """The file up to the end of its last whole line."""
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    for number, line in enumerate(_whole(path).split(b"\n")[:-1], start=1):
        try:
            told = json.loads(line)
            _check(told)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}, line {number}: is no line of a collection's manifest; take it out, or "
                "collect into another folder"
            ) from error
        yield told


def _check(told: dict[str, Any]) -> None:
    if told["status"] == "listed":
        for one in told["candidates"]:
            _candidate(one)
    else:
        _candidate(told)
        _of(Outcome, told)
