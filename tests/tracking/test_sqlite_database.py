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

# A fresh process that has imported MLflow and opened nothing.
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["fashion_exp.tracking.connection"])


def make_and_die(database: Path) -> None:
    db_utils._upgrade_db = lambda _: os._exit(9)
    ensure_database(database)


def test_a_process_that_dies_in_making_a_database_leaves_none(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    worker = FRESH.Process(target=make_and_die, args=(database,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == 9
    assert not database.exists()
    ensure_database(database)
    assert database.exists()


def test_a_database_of_another_mlflow_is_left_as_it_is_and_the_remedy_told(
    outputs: Path, tracker: object, tmp_path: Path
) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes((outputs / "mlflow.db").read_bytes())
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'other'")
        connection.commit()
    before = database.read_bytes()
    with pytest.raises(InputError, match=r"schema other.*doctor --fix"):
        ensure_database(database)
    assert database.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"not a database, but a text of some length" * 100])
def test_a_file_that_is_no_database_of_mlflow_is_named(tmp_path: Path, content: bytes) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(content)
    with pytest.raises(InputError, match=r"mlflow\.db: not a database of MLflow") as caught:
        ensure_database(database)
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"outputs or tracking\.uri"):
        ensure_database(tmp_path / "file" / "mlflow.db")
