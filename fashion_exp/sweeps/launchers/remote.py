"""Runs a job on another machine, and returns its files if the sweep's disk is not shared."""

from __future__ import annotations

import io
import os
import secrets
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.sweeps.launchers.job_process import run_spec

if TYPE_CHECKING:
    from fashion_exp.sweeps.job_spec import JobSpec

NOT_RETURNED = ("checkpoints", "unfinished")
"""Folders that are large and only useful on the disk where they were written."""

NEEDS_SERVER = (
    "this node does not share the sweep's disk, so its runs need a tracking server: set "
    "tracking.uri=http://SERVER:5000, or tracking=none"
)


@dataclass(frozen=True)
class DiskMarker:
    """A file by which a node detects whether it shares the sweep's disk."""

    file: Path
    working_directory: Path
    """Of the sweep; relative paths in the overrides start there."""

    @classmethod
    @contextmanager
    def create(cls, sweep: Path) -> Iterator[DiskMarker]:
        marker = cls(sweep / f".disk-{secrets.token_hex(4)}", Path.cwd())
        marker.file.touch()
        try:
            yield marker
        finally:
            marker.file.unlink(missing_ok=True)


def run_remote(spec: JobSpec, marker: DiskMarker) -> bytes | None:
    """Runs a job on this node.

    Returns the files of the job's folder as a ZIP archive if this node does not share the sweep's
    disk; None if it does.
    """
    if marker.working_directory.is_dir():
        os.chdir(marker.working_directory)
    if marker.file.exists():
        run_spec(spec)
        return None
    with tempfile.TemporaryDirectory() as outputs:
        local = Path(outputs) / "sweep" / spec.folder.name
        tracking = spec.cfg.tracking
        if tracking.name == "none" or (tracking.uri or "").startswith("http"):
            run_spec(replace(spec, folder=local, cfg=replace(spec.cfg, outputs=outputs)))
        else:
            RunDir(local).save_failure("InputError", NEEDS_SERVER)
        return _pack(local)


def unpack(archive: bytes | None, folder: Path) -> None:
    """Extracts the result of `run_remote` into the job's folder."""
    if archive is not None:
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            file.extractall(folder)


def _pack(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            path = file.relative_to(folder)
            if file.is_file() and path.parts[0] not in NOT_RETURNED:
                archive.write(file, path)
    return buffer.getvalue()
