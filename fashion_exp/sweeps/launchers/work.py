"""What every launcher has done for a job, wherever that is: the job itself, its words kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fashion_exp.through_hydra import run_in

LOG = "console.log"
"""In a job's folder: what it said."""


def run_words(folder: Path, words: Sequence[str]) -> int:
    """Runs the overrides `words` as the job in `folder`; gives the exit code.

    What it says goes to its `console.log`. Only an interruption is raised.
    """
    with _said_to(folder / LOG):
        return run_in(folder, words, sealed=True)


@contextmanager
def _said_to(log: Path) -> Iterator[None]:
    log.parent.mkdir(parents=True, exist_ok=True)
    before = sys.stdout, sys.stderr
    with open(log, "a", encoding="utf-8", errors="replace", buffering=1) as said:
        sys.stdout = sys.stderr = said
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before
