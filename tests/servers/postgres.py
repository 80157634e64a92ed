"""A PostgreSQL of its own, from Debian's packages."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.processes import free_port, running, until


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    as_user = _as_user()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if as_user:
            shutil.chown(folder, "postgres")
        data, port, log = folder / "data", free_port(), folder / "log"
        make = [*as_user, str(programs[-1] / "initdb"), "-D", str(data), "-U", "team", "-A",
                "trust"]  # fmt: skip
        subprocess.run(make, check=True, capture_output=True)
        serve = [*as_user, str(programs[-1] / "postgres"), "-D", str(data), "-p", str(port), "-h",
                 "127.0.0.1", "-k", str(folder), "-F"]  # fmt: skip
        ready = [str(programs[-1] / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
        with running(serve, log):
            until(lambda: subprocess.run(ready, capture_output=True).returncode == 0, log)
            yield f"postgresql+psycopg2://team@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder)


def _as_user() -> list[str]:
    """PostgreSQL does not let itself be run by root."""
    if os.getuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("there is no user postgres to run PostgreSQL as")
    return ["runuser", "-u", "postgres", "--"]
