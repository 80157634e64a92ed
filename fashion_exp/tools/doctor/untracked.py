"""Names, notes, tags and deletions of runs that a tracking store lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from fashion_exp.errors import InputError
from fashion_exp.evaluation.annotations import ANNOTATIONS_FILE, load_annotations
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.reporting.formats import pluralize
from fashion_exp.tools.doctor.finding import Finding
from fashion_exp.tools.runs.annotate import track
from fashion_exp.tools.runs.delete import pending_deletions, track_deletion
from fashion_exp.tracking.urls import redact_uri


def findings(outputs: Path) -> Iterator[Finding]:
    files = [
        *outputs.glob(f"runs/*/{ANNOTATIONS_FILE}"),
        *outputs.glob(f"sweeps/*/*/{ANNOTATIONS_FILE}"),
    ]
    for file in sorted(files):
        with suppress(InputError):  # files.findings() reports damaged files
            if load_annotations(file.parent).untracked:
                yield Finding(
                    "a name, note or tag that the tracking store lacks",
                    str(file.parent),
                    "write it to the store",
                    partial(track, RunDir(file.parent)),
                )
    for entry in pending_deletions(outputs):
        yield Finding(
            f"{pluralize(len(entry['runs']), 'deleted run')} that the tracking store still shows",
            redact_uri(entry["uri"]),
            "mark as deleted in the store",
            partial(track_deletion, entry, outputs),
        )
