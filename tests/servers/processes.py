"""Starting and stopping the processes of a server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


def require_programs(*programs: str) -> None:
    """Skips the test if one of the programs is not installed."""
    for program in programs:
        # Servers are in sbin, which the PATH of a user need not contain.
        if not (shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")):
            pytest.skip(f"{program} is not installed")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def start_process(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command during the block, then stops it with SIGTERM, and SIGKILL after 15 s."""
    with open(log, "ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(condition: Callable[[], bool], log: Path, seconds: float = 60) -> None:
    """Waits for the condition; fails with the end of the log after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
        time.sleep(0.2)
