"""What dead processes and older versions have left in `outputs`, and how it is put right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """Something that is not as a living process would have it."""

    what: str
    where: str
    remedy: str
    """What is done about it, or what a person may do."""
    mend: Callable[[], object] | None = None
    """None where nothing is lost by leaving it to a person."""


def checkup(outputs: Path, uri: str) -> Iterator[Finding]:
    """Everything found, in the order in which it is to be mended."""
    from fashion_exp.checkup import caches, database, files, runs

    blocked = list(database.findings(uri))
    yield from blocked
    if not blocked:  # an older database can be asked nothing
        yield from runs.findings(outputs, uri)
    yield from files.findings(outputs)
    yield from caches.findings(outputs / "cache")
