"""MLflow's own server in a thread of the test, which misbehaves on demand."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FAULTS = {
    "login page": ("200 OK", "text/html", b"<html><form>please log in</form></html>"),
    "redirect": ("302 Found", "text/html", b""),
    "half": ("200 OK", "application/json", b'{"run": {"info": {"run_'),
    "empty": ("200 OK", "application/json", b"{}"),
    "bad gateway": ("502 Bad Gateway", "text/html", b"<html>bad gateway</html>"),
    "unavailable": ("503 Service Unavailable", "application/json", b'{"message": "later"}'),
    "unauthorized": ("401 Unauthorized", "text/html", b"who are you?"),
    "hang": ("200 OK", "text/plain", b""),
}
HANG_SECONDS = 15


class FaultyServer:
    """`fault` is a key of `FAULTS`, or empty while the server works."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self.fault = ""
        self.faults = 0
        """How many requests were answered wrongly."""
        self.url = ""

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        is_login = environ["PATH_INFO"] == "/login"
        fault = "login page" if is_login else self.fault
        if not fault:
            return self._app(environ, start)
        self.faults += 1
        if fault == "hang":
            time.sleep(HANG_SECONDS)
        status, kind, body = FAULTS[fault]
        location = [("Location", f"{self.url}/login")] if fault == "redirect" else []
        start(status, [("Content-Type", kind), *location])
        return [body]


@contextmanager
def faulty_server(folder: Path) -> Iterator[FaultyServer]:
    """One at a time: the store is global in MLflow's server."""
    from werkzeug.serving import make_server

    settings = {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder / 'server.db'}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    os.environ.update(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that the server imports
        import mlflow.server
        import mlflow.server.fastapi_app
        from mlflow.server import handlers

    from fashion_exp.tracking.sqlite_database import ensure_database

    ensure_database(folder / "server.db")
    handlers._tracking_store = None
    handlers._get_tracking_store()  # the first request would wait for it
    server = FaultyServer(mlflow.server.app)
    listener = make_server("127.0.0.1", 0, server, threaded=True)
    server.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        for name in settings:
            del os.environ[name]
