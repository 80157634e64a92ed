"""A job on another machine: with the sweep's disk, or without and its results brought back."""

from __future__ import annotations

import io
import json
import os
import secrets
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fashion_exp.configuration.overrides import quote_value
from fashion_exp.experiment.job import FAILURE_FILE
from fashion_exp.sweeps.launchers.job_process import run_words

LEFT_THERE = ("checkpoints", "unfinished")
"""Large, and of use only to the disk that they were written to."""


@dataclass(frozen=True)
class Disk:
    """How a job tells whether it sees the sweep's own disk."""

    mark: Path
    working_directory: Path
    """Of the sweep: relative paths of its line start there."""

    @classmethod
    @contextmanager
    def marked(cls, sweep: Path) -> Iterator[Disk]:
        disk = cls(sweep / f".disk-{secrets.token_hex(4)}", Path.cwd())
        disk.mark.touch()
        try:
            yield disk
        finally:
            disk.mark.unlink(missing_ok=True)

    def is_here(self) -> bool:
        """Goes to the working directory where it is."""
        if self.working_directory.is_dir():
            os.chdir(self.working_directory)
        return self.mark.exists()


NOT_SHARED = (
    "this node does not share the sweep's disk, so that its runs can be recorded on a server "
    "alone: tracking.uri=http://SERVER:5000 (or tracking=none)"
)


def run_away(folder: str, words: Sequence[str], disk: Disk) -> bytes | None:
    """Runs a job where this is called.

    Gives the files of its folder where the sweep's disk is not there, which has them otherwise.
    """
    if disk.is_here():
        run_words(Path(folder), words)
        return None
    with tempfile.TemporaryDirectory() as elsewhere:
        here = Path(elsewhere) / "sweep" / Path(folder).name
        if not _is_served(words):
            story = {"kind": "InputError", "reason": NOT_SHARED, "traceback": ""}
            here.mkdir(parents=True)
            (here / FAILURE_FILE).write_text(json.dumps(story))
        else:
            run_words(here, [*words, f"outputs={quote_value(elsewhere)}"])
        return _packed(here)


def _is_served(words: Sequence[str]) -> bool:
    typed = dict(word.lstrip("+").partition("=")[::2] for word in words)
    served = typed.get("tracking.uri", "").strip("'\"").startswith("http")
    return served or typed.get("tracking") == "none"


def _packed(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            inside = file.relative_to(folder)
            if file.is_file() and inside.parts[0] not in LEFT_THERE:
                archive.write(file, inside)
    return packed.getvalue()


def unpack(brought: bytes | None, folder: Path) -> None:
    """Puts what `run_away` gave into the job's folder."""
    if brought is not None:
        with zipfile.ZipFile(io.BytesIO(brought)) as archive:
            archive.extractall(folder)
