"""Runs all checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fashion_exp.tools.doctor import caches, files, runs, untracked
from fashion_exp.tools.doctor.finding import Finding
from fashion_exp.tracking import store_uri


def check_outputs(outputs: Path, uri: str | None = None) -> Iterator[Finding]:
    """All findings, in the order in which to fix them; each may be fixed before the next.

    `uri` selects one tracking store; the default is every store that the runs here use.
    """
    local_uri = store_uri(None, outputs)
    locations = runs.locate_tracked_runs(outputs)
    uris = [uri] if uri else [local_uri, *(location.uri for location in locations.values())]
    for store in dict.fromkeys(uris):
        if store in (uri, local_uri) and (finding := runs.outdated_database(store)):
            yield finding
            if runs.outdated_database(store):  # not fixed, so it cannot be queried
                continue
        yield from runs.findings(store, locations, outputs)
    yield from untracked.findings(outputs)
    yield from runs.missed_by_store(outputs)
    yield from files.findings(outputs)
    yield from caches.findings(outputs / "cache")
