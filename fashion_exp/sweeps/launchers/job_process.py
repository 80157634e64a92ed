"""What every launcher has done for a job, wherever that is: the job itself, its words kept."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fashion_exp.configuration.hydra_application import run_in
from fashion_exp.experiment.job import FAILED, note_failure

LOG = "console.log"
"""In a job's folder: what it said."""


def run_words(folder: Path, words: Sequence[str]) -> int:
    """Runs the overrides `words` as the job in `folder`; gives the exit code.

    What it says goes to its `console.log`. Only an interruption is raised.
    """
    with _said_to(folder / LOG):
        try:
            return run_in(folder, words, sealed=True)
        except Exception as error:  # before the job could begin; its own it keeps itself
            print(f"fashion_exp: failed: {error}", file=sys.stderr)
            return note_failure(folder, error, FAILED)


@contextmanager
def _said_to(log: Path) -> Iterator[None]:
    log.parent.mkdir(parents=True, exist_ok=True)
    before = sys.stdout, sys.stderr
    file = open(log, "ab", buffering=0)  # noqa: SIM115 (closed by what wraps it)
    with _Log(file, encoding="utf-8", errors="replace", write_through=True) as words:
        sys.stdout = sys.stderr = words
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


class _Log(io.TextIOWrapper):
    """A log on a disk that is full loses words; its job fails of that elsewhere, or not at all."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)
