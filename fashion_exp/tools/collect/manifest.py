"""`manifest.jsonl`: an append-only log of all offered images, their outcomes and result pages.

Each line is synced to the disk before the collection continues, so a killed run can resume.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

from fashion_exp.atomic_io import timestamp
from fashion_exp.errors import InputError
from fashion_exp.tools.collect.provider import Candidate, Page

FILE_NAME = "manifest.jsonl"

Status = Literal["accepted", "copy", "conflict", "rejected", "failed"]
"""`copy`: the class already has the same bytes; `conflict`: another class has them;
`failed`: to be tried again."""


@dataclass(frozen=True)
class Outcome:
    """The result of processing a candidate."""

    status: Status
    kind: str = ""
    """Category of the reason; empty if accepted."""
    reason: str = ""
    file: str = ""
    """Path relative to the collection."""
    bytes: int = 0
    """File size; for a file that is too large, the size limit."""
    width: int = 0
    height: int = 0
    """Pixels after EXIF rotation."""
    sha256: str = ""
    """Hash of the file."""
    pixels: str = ""
    """SHA-256 of the pixels after EXIF rotation."""
    time: str = ""


@dataclass(frozen=True)
class Entry:
    candidate: Candidate
    outcome: Outcome


@dataclass
class CachedResults:
    """The result pages of one query so far."""

    pages: int = 0
    is_complete: bool = False
    candidates: list[Candidate] = field(default_factory=list)


class Manifest:
    """The open manifest of a collection folder; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Reads existing lines and removes an incomplete last line, which a crash may leave.

        Raises `InputError` for any other invalid line.
        """
        self._folder = folder
        path = folder / FILE_NAME
        self._entries: dict[tuple[str, str, str], Entry] = {}
        self._results: dict[tuple[str, str, str], CachedResults] = defaultdict(CachedResults)
        self._url_outcomes: dict[str, Outcome] = {}
        self._hash_outcomes: dict[str, dict[str, Outcome]] = defaultdict(dict)
        content = path.read_bytes() if path.exists() else b""
        content = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            try:
                self._apply(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{path}, line {number}: is not a line of a collection manifest; delete the "
                    "line, or collect into another folder"
                ) from error
        self._file: BinaryIO = open(path, "ab")  # noqa: SIM115 (closed by __exit__)
        self._file.truncate(len(content))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    @property
    def entries(self) -> Iterable[Entry]:
        """The latest outcome of each candidate, in the order of first appearance."""
        return self._entries.values()

    def entries_with_file(self) -> list[Entry]:
        """The entries whose file exists, including copies of an earlier file."""
        return [
            entry
            for entry in self.entries
            if entry.outcome.file and (self._folder / entry.outcome.file).is_file()
        ]

    def accepted_hashes(self) -> dict[str, set[str]]:
        """{class: SHA-256 of its existing files that no other class has}"""
        hashes: dict[str, set[str]] = {}
        for sha256, files in self._existing_files().items():
            if len(files) == 1:
                hashes.setdefault(next(iter(files)), set()).add(sha256)
        return hashes

    def conflicts(self) -> list[dict[str, str]]:
        """{class: file} of each image that exists in several classes."""
        return [files for files in self._existing_files().values() if len(files) > 1]

    def _existing_files(self) -> dict[str, dict[str, str]]:
        """{SHA-256: {class: file}} without deleted files."""
        existing: dict[str, dict[str, str]] = {}
        for sha256, outcomes in self._hash_outcomes.items():
            for label, outcome in outcomes.items():
                if (self._folder / outcome.file).is_file():
                    existing.setdefault(sha256, {})[label] = outcome.file
        return existing

    def outcome(self, candidate: Candidate) -> Outcome | None:
        """The outcome of this URL for this class and query."""
        entry = self._entries.get(_key(candidate))
        return None if entry is None else entry.outcome

    def outcome_of_url(self, url: str) -> Outcome | None:
        """The outcome of a URL for any query, unless it is to be tried again."""
        return self._url_outcomes.get(url)

    def outcomes_by_class(self, sha256: str) -> dict[str, Outcome]:
        """The first outcome with these bytes in each class that has them."""
        return self._hash_outcomes.get(sha256, {})

    def cached_results(self, provider: str, label: str, query: str) -> CachedResults:
        return self._results[provider, label, query]

    def add_page(self, provider: str, label: str, query: str, page: Page) -> None:
        """Caches a page of results."""
        record = {
            "status": "listed",
            "provider": provider,
            "class": label,
            "query": query,
            "last": page.is_last,
            "candidates": [_to_record(candidate) for candidate in page.candidates],
            "time": timestamp(),
        }
        self._write(record)
        self._apply(record)

    def add(self, candidate: Candidate, outcome: Outcome) -> None:
        record = _to_record(candidate) | asdict(outcome)
        self._write({key: value for key, value in record.items() if value not in ("", 0, {})})
        self._apply(record)

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _apply(self, record: dict[str, Any]) -> None:
        """Updates the indices with a line. Raises KeyError or TypeError for an invalid one."""
        if record["status"] == "listed":
            candidates = [_to_candidate(item) for item in record["candidates"]]
            results = self.cached_results(record["provider"], record["class"], record["query"])
            results.pages += 1
            results.is_complete = record["last"]
            results.candidates += candidates
            return
        candidate, outcome = _to_candidate(record), _from_record(Outcome, record)
        self._entries[_key(candidate)] = Entry(candidate, outcome)
        previous = self._url_outcomes.get(candidate.url)
        if outcome.status != "failed" and (previous is None or previous.status == "rejected"):
            self._url_outcomes[candidate.url] = outcome
        if outcome.file:
            self._hash_outcomes[outcome.sha256].setdefault(candidate.label, outcome)


def _key(candidate: Candidate) -> tuple[str, str, str]:
    return candidate.label, candidate.query, candidate.url


def _to_record(candidate: Candidate) -> dict[str, Any]:
    record = asdict(candidate)
    return {"class": record.pop("label"), **record}


def _to_candidate(record: dict[str, Any]) -> Candidate:
    candidate: Candidate = _from_record(Candidate, {**record, "label": record["class"]})
    return candidate


def _from_record(kind: Any, record: dict[str, Any]) -> Any:
    return kind(**{f.name: record[f.name] for f in fields(kind) if f.name in record})
