"""Processes that a server consists of."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


def needed(*programs: str) -> None:
    """Skips the test where one of the programs is not installed."""
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    for program in programs:
        if shutil.which(program) is None and shutil.which(program, path=path) is None:
            pytest.skip(f"{program} is not installed")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a command while the block runs; ended by SIGTERM, then by force."""
    with open(log, "ab") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(holds: Callable[[], bool], log: Path, seconds: float = 60) -> None:
    """Waits for a condition; fails with the server's log where it never holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, log.read_text(errors="replace")[-3000:]
        time.sleep(0.2)
