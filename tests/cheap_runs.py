"""What tests leave out of their runs because it takes longer than the run."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest


def create_once(create_schema: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """As `create_schema`; from the second call on it writes what the first one created.

    MLflow takes a second to create each tracking database.
    """
    first: list[bytes] = []

    def create(database_uri: str, artifact_root: str) -> None:
        database = Path(database_uri.removeprefix("sqlite:///"))
        if not first:
            create_schema(database_uri, artifact_root)
            first.append(database.read_bytes())
            return
        database.write_bytes(first[0])
        with closing(sqlite3.connect(database)) as connection, connection:
            location = (f"{artifact_root}/0",)
            connection.execute("UPDATE experiments SET artifact_location = ?", location)

    return create


def leave_out_figures(patch: pytest.MonkeyPatch) -> None:
    """The figures of a run take ten times as long as a tiny run."""
    for name in ("draw_run", "draw_part"):
        patch.setattr(f"fashion_exp.evaluation.results.{name}", lambda *args: None)
