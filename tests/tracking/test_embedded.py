from __future__ import annotations

import multiprocessing
import os
import sqlite3
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.store.db import utils as db_utils

from fashion_exp.config import TrackingConfig
from fashion_exp.errors import InputError
from fashion_exp.tracking import open_tracker
from fashion_exp.tracking.embedded import ensure_database

PROCESSES = 4
RUNS = 2
EPOCHS = 10

# Fresh processes that have imported MLflow and opened nothing: they really come at once.
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["fashion_exp.tracking.opening"])


def record(outputs: Path, together: Barrier) -> None:
    together.wait(60)
    tracker = open_tracker(TrackingConfig("mlflow", experiment="shared"), outputs)
    for _ in range(RUNS):
        run = tracker.start("a run", parent=None, params={"lr": 0.1}, tags={})
        for epoch in range(EPOCHS):
            tracker.log(run, {"loss": 1 / (epoch + 1), "acc": 0.5}, epoch)
        tracker.end(run, "FINISHED")


def test_processes_that_open_a_new_database_at_once_lose_nothing(tmp_path: Path) -> None:
    outputs = tmp_path / "new" / "outputs"
    together = FRESH.Barrier(PROCESSES)
    workers = [FRESH.Process(target=record, args=(outputs, together)) for _ in range(PROCESSES)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
        assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    finally:
        for worker in workers:
            worker.kill()
    client = MlflowClient(tracking_uri=f"sqlite:///{outputs}/mlflow.db")
    experiments = {e.name: e.experiment_id for e in client.search_experiments()}
    assert experiments.keys() == {"Default", "shared"}
    assert client.search_runs([experiments["Default"]]) == []
    runs = client.search_runs([experiments["shared"]])
    assert [run.info.status for run in runs] == ["FINISHED"] * PROCESSES * RUNS
    for run in runs:
        for name in ("loss", "acc"):
            history = client.get_metric_history(run.info.run_id, name)
            assert [metric.step for metric in history] == list(range(EPOCHS))


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
    with pytest.raises(InputError, match=r"schema other.*mlflow db upgrade 'sqlite:///"):
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
