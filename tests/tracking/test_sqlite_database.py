from __future__ import annotations

import multiprocessing
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.store.db import utils as db_utils

from fashion_exp.errors import InputError
from fashion_exp.tracking.sqlite_database import ensure_database

pytestmark = pytest.mark.slow

# The process has imported MLflow, but has not opened a store.
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["fashion_exp.tracking.connection"])


def exit_during_creation(database: Path) -> None:
    db_utils._upgrade_db = lambda _: os._exit(9)
    ensure_database(database)


def test_process_killed_during_creation_leaves_no_database(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    process = FORKSERVER.Process(target=exit_during_creation, args=(database,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    assert not database.exists()
    ensure_database(database)
    assert database.exists()


def test_rejects_another_schema_version_without_changing_the_file(
    outputs: Path, tracker: object, tmp_path: Path
) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes((outputs / "mlflow.db").read_bytes())
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'other'")
        connection.commit()
    content = database.read_bytes()
    with pytest.raises(InputError, match=r"schema other.*doctor --fix"):
        ensure_database(database)
    assert database.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"not a database, but a text of some length" * 100])
def test_rejects_files_that_are_not_mlflow_databases(tmp_path: Path, content: bytes) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(content)
    with pytest.raises(InputError, match=r"mlflow\.db: not an MLflow database") as caught:
        ensure_database(database)
    assert "\n" not in str(caught.value)


def test_place_where_nothing_can_be_made_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"/proc/x\.db: /proc is not writable"):
        ensure_database(Path("/proc/x.db"))


def test_unwritable_location_error_names_the_options_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"outputs or tracking\.uri"):
        ensure_database(tmp_path / "file" / "mlflow.db")
