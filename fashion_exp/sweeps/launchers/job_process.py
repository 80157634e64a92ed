"""Runs one job in the current process, with its output in a log file. Used by every launcher."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fashion_exp.errors import ExitCode
from fashion_exp.evaluation.run_dir import RunDir
from fashion_exp.experiment.job import run_job, save_exception

if TYPE_CHECKING:
    from fashion_exp.sweeps.job_spec import JobSpec


def run_spec(spec: JobSpec) -> ExitCode:
    """Runs a job and returns the exit code; only interruptions are raised.

    Prints to `console.log` in the job's folder.
    """
    run = RunDir(spec.folder)
    with _redirect_output(run.console_file):
        try:
            return run_job(spec.cfg, run, spec.overrides, hold_out_test=True)
        except Exception as error:  # before the job started; it records its own failures
            print(f"fashion_exp: failed: {error}", file=sys.stderr)
            save_exception(run, error)
            return ExitCode.FAILED


@contextmanager
def _redirect_output(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    before = sys.stdout, sys.stderr
    file = open(path, "ab", buffering=0)  # noqa: SIM115 (the wrapper closes it)
    with _Log(file, encoding="utf-8", errors="replace", write_through=True) as log:
        sys.stdout = sys.stderr = log
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


class _Log(io.TextIOWrapper):
    """Drops text when the disk is full, so that printing does not make the job fail."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)
