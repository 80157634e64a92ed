"""The command line: in processes of its own, as a user runs it, or in the process of the test."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from fashion_exp import __main__
from fashion_exp.data.sources import load
from tests import warm_process
from tests.cheap_runs import leave_out_figures
from tests.conftest import REPOSITORY

COMMAND = [sys.executable, "-m", "fashion_exp"]


def documented_keys(subcommand: str) -> set[str]:
    """What `--json` prints according to docs/inference.md, without the keys within keys."""
    text = (REPOSITORY / "docs" / "inference.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{subcommand}` \| (.*) \|$", text.partition("## JSON")[2], re.M)
    return set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", row)))


def run_command(
    *arguments: str, cwd: Path | None = None, timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Runs the command line to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=timeout, cwd=cwd
    )


def call_command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the command line in this process, without the figures of runs.

    A new process spends seconds on its imports; tests/test_main.py has the figures.
    """
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.setattr(sys, "argv", ["fashion_exp", *arguments])
        patch.setattr(__main__, "configure_process", lambda: None)
        patch.setattr(load, "_cached", type(load._cached)())  # a new process has read no images
        leave_out_figures(patch)
        if cwd:
            patch.chdir(cwd)
        code = __main__.main()
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


def fork_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line to its end in a process that has everything imported."""
    process = warm_process.start(arguments)
    output, errors = process.communicate(timeout=240)
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


def fork_successfully(*arguments: str) -> str:
    """As `fork_command`; the command must succeed. Returns what it printed."""
    return _output(fork_command(*arguments))


def call_successfully(*arguments: str, cwd: Path | None = None) -> str:
    """Calls the command line, which must succeed; returns what it printed."""
    return _output(call_command(*arguments, cwd=cwd))


def run_successfully(*arguments: str, cwd: Path | None = None) -> str:
    """Runs the command line, which must succeed; returns what it printed."""
    return _output(run_command(*arguments, cwd=cwd))


def _output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def start_command(*arguments: str) -> subprocess.Popen[str]:
    """Starts the command line in a process group of its own, with everything imported."""
    return warm_process.start(arguments, new_session=True)


def wait_for(
    condition: Callable[[], object],
    process: subprocess.Popen[str] | None = None,
    seconds: float = 90,
) -> None:
    """Waits until the condition holds; fails if the process ends before."""
    end = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.02)


def tracked_runs(outputs: Path) -> list[Run]:
    """The runs in the database below `outputs`."""
    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    experiments = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(experiments))


def tracked_statuses(outputs: Path) -> list[str]:
    return sorted(run.info.status for run in tracked_runs(outputs))


def only_run(outputs: Path) -> Path:
    (run,) = (outputs / "runs").iterdir()
    return run
