"""An MLflow tracking server, as a team would run it."""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.processes import start_process, wait_until


@contextmanager
def mlflow_server(store: str, artifacts: Path, port: int, log: Path) -> Iterator[str]:
    """Yields the URL of a server for the store when it is ready."""
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store,
               "--artifacts-destination", str(artifacts), "--host", "127.0.0.1", "--port",
               str(port), "--workers", "1"]  # fmt: skip
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with start_process(command, log, {**os.environ, **settings}):
        wait_until(lambda: _is_ready(f"{url}/health"), log, 120)
        yield url


def _is_ready(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True
