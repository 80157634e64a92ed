from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.db import utils as db_utils

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError
from fashion_exp.tracking import open_tracker
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


def test_draft_of_a_killed_process_is_removed_by_the_next_one(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    leftovers = [".mlflow.db.123", ".mlflow.db.123-journal"]
    others = [".mlflow.db.notes", ".other.db.123"]
    for name in (*leftovers, *others):
        (tmp_path / name).touch()
    ensure_database(database)
    assert {file.name for file in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock", *others}


def test_empty_file_of_a_database_deleted_in_use_is_replaced(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.touch()
    ensure_database(database)
    assert database.stat().st_size > 0


def test_location_where_no_file_can_be_made_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="cannot be written"):
        ensure_database(Path("/proc/mlflow.db"))


def test_rejects_files_that_are_not_mlflow_databases(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(b"not a database, but a text of some length" * 100)
    with pytest.raises(InputError, match=r"mlflow\.db: not an MLflow database") as caught:
        ensure_database(database)
    assert "\n" not in str(caught.value)


def test_place_where_nothing_can_be_made_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r"/proc/x\.db: cannot be written"):
        ensure_database(Path("/proc/x.db"))


def test_unwritable_location_error_names_the_options_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"outputs or tracking\.uri"):
        ensure_database(tmp_path / "file" / "mlflow.db")


def locations(database: Path) -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        queries = ("SELECT artifact_location FROM experiments", "SELECT artifact_uri FROM runs")
        return {row[0] for query in queries for row in connection.execute(query)}


@pytest.mark.parametrize("copied", [True, False])
def test_database_follows_its_artifacts_to_another_folder(tmp_path: Path, copied: bool) -> None:
    first, second = tmp_path / "first_", tmp_path / "second"
    database = first / "mlflow.db"
    tracker = open_tracker(TrackingConfig("mlflow", experiment="tests"), first)
    run = tracker.start("a run", parent=None, params={}, tags={})
    (first / "note.txt").write_text("a", encoding="utf-8")
    tracker.log_artifact(run, first / "note.txt")
    tracker.end(run, "FINISHED")
    before = locations(database)
    assert all(location.startswith(f"{first.as_uri()}/artifacts") for location in before)
    shutil.copytree(first, second)
    if not copied:
        shutil.rmtree(first)
    ensure_database(second / "mlflow.db")
    after = locations(second / "mlflow.db")
    assert after == {location.replace(first.as_uri(), second.as_uri()) for location in before}
    client = MlflowClient(f"sqlite:///{second / 'mlflow.db'}")
    assert [item.path for item in client.list_artifacts(run)] == ["note.txt"]
    ensure_database(second / "mlflow.db")
    assert locations(second / "mlflow.db") == after


def test_database_without_artifacts_beside_it_keeps_their_paths(tmp_path: Path) -> None:
    ensure_database(tmp_path / "first" / "mlflow.db")
    (tmp_path / "second").mkdir()
    copy = tmp_path / "second" / "mlflow.db"
    shutil.copyfile(tmp_path / "first" / "mlflow.db", copy)
    ensure_database(copy)
    assert locations(copy) == locations(tmp_path / "first" / "mlflow.db")
