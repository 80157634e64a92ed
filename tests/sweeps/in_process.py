"""Runs sweeps in the test's own process, which saves most of the time of a tiny sweep."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout

import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.sweeps.run import run_sweep
from tests.sweeps.drill import TINY, SweepCommand

GRID = [*TINY, "optim.lr=1e-3,1e-4", "model.dropout=0,0.5"]
PAIR = [*TINY, "optim.lr=1e-3", "model.dropout=0,0.5"]
"""Two jobs of `GRID`."""
SINGLE = [*TINY, "sweep.points=['optim.lr=1e-3']", "model.dropout=0"]
"""One job of `GRID`."""


def run_in_process(sweep: SweepCommand) -> tuple[int, str]:
    """As `sweep.run()`, without the figures and the report at the end: tests/test_main.py has them.

    Raises `InputError`.
    """
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(output):
        for step in ("_draw_winner", "_write_page"):
            patch.setattr(f"fashion_exp.sweeps.summary.{step}", lambda *args: None)
        code = run_sweep(parse_command_line(sweep.arguments), evaluate_all=False)
    sweep.check_results()
    return code, output.getvalue()


def wait_for(event: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not event():
        assert time.monotonic() < deadline, "timeout"
        time.sleep(0.02)
