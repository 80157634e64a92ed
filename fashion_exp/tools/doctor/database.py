"""A database that an older MLflow wrote."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fashion_exp.tools.doctor import Finding
from fashion_exp.tracking.sqlite_database import PREFIX, migrate, needs_migration


def findings(uri: str) -> Iterator[Finding]:
    database = Path(uri.removeprefix(PREFIX))
    if uri.startswith(PREFIX) and database.exists() and needs_migration(database):
        yield Finding(
            "a database of another MLflow",
            str(database),
            "copy it, then bring it up to date",
            partial(migrate, database),
        )
