"""A PostgreSQL server from the distribution's packages."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.processes import free_port, require_programs, start_process, wait_until


@contextmanager
def postgres() -> Iterator[str]:
    """Yields the URI of an empty database."""
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if programs is None or not (programs / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    if importlib.util.find_spec("psycopg2") is None:
        pytest.skip("psycopg2 is not installed")
    as_user = _as_user()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if as_user:
            shutil.chown(folder, "postgres")
        data, port, log = folder / "data", free_port(), folder / "log"
        create = [*as_user, str(programs / "initdb"), "-D", str(data), "-U", "team", "-A", "trust"]
        subprocess.run(create, check=True, capture_output=True)
        serve = [*as_user, str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h",
                 "127.0.0.1", "-k", str(folder), "-F"]  # fmt: skip
        ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
        with start_process(serve, log):
            wait_until(lambda: subprocess.run(ready, capture_output=True).returncode == 0, log)
            yield f"postgresql+psycopg2://team@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder)


def _as_user() -> list[str]:
    """Prefix of commands that must not run as root, which PostgreSQL refuses."""
    if os.getuid() != 0:
        return []
    require_programs("runuser")
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("running as root without a user postgres to run PostgreSQL as")
    return ["runuser", "-u", "postgres", "--"]
