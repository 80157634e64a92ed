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


def checkup(outputs: Path, uri: str | None = None) -> Iterator[Finding]:
    """Everything found, in the order in which it is to be mended: each right away, or later.

    `uri`: of the one tracking store to look at, in place of those that runs here are recorded in.
    """
    from fashion_exp.tools.doctor import caches, database, files, runs
    from fashion_exp.tracking import store_uri

    own = store_uri(None, outputs)
    places = runs.noted(outputs)
    for store in [uri] if uri else dict.fromkeys([own, *(place.uri for place in places.values())]):
        if store in (uri, own):
            yield from database.findings(store)
            if any(database.findings(store)):  # an older one can be asked nothing
                continue
        yield from runs.findings(store, places, outputs)
    yield from files.findings(outputs)
    yield from caches.findings(outputs / "cache")
