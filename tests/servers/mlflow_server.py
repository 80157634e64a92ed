"""A tracking server, as a team has one."""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.processes import running, until


@contextmanager
def mlflow_server(store: str, artifacts: Path, port: int, log: Path) -> Iterator[str]:
    """The address of a server on a store, once it answers."""
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store,
               "--artifacts-destination", str(artifacts), "--host", "127.0.0.1", "--port",
               str(port), "--workers", "1"]  # fmt: skip
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with running(command, log, {**os.environ, **quiet}):
        until(lambda: _answers(f"{address}/health"), log, 120)
        yield address


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True
