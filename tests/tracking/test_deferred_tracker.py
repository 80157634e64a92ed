from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient

from fashion_exp.atomic_io import DiskFullError
from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError
from fashion_exp.tracking import Tracker, open_tracker
from fashion_exp.tracking.deferred_tracker import DeferredTracker, ready_experiment
from fashion_exp.tracking.mlflow_tracker import MlflowTracker

pytestmark = pytest.mark.slow

CONFIG = TrackingConfig("mlflow", experiment="tests")


@pytest.fixture
def deferred(tracker: MlflowTracker, outputs: Path) -> DeferredTracker:
    deferred = open_tracker(CONFIG, outputs, deferred=True)
    assert isinstance(deferred, DeferredTracker)
    assert (deferred.uri, deferred.experiment_id) == (tracker.uri, tracker.experiment_id)
    return deferred


def record(tracker: Tracker, file: Path) -> tuple[str, str]:
    """Calls every method that writes, as a run with one fold does; returns the ids."""
    run = tracker.start("a run", parent=None, params={"lr": 1}, tags={"begun_as": "a token"})
    tracker.log_dataset(
        run, name="photos", digest="1", source="/photos", profile={"images": 3}, context="training"
    )
    fold = tracker.start("a fold", parent=run, params={}, tags={"fold": "r0f0"})
    tracker.log(fold, {"val_acc": 0.25}, step=1, when=12.0)
    tracker.connect()
    tracker.log(fold, {"val_acc": 0.5}, step=2, when=13.0)
    tracker.end(fold, "FINISHED")
    tracker.set_description(run, "a note")
    tracker.tag(run, {"reused_from": "x"})
    tracker.set_runs_view(run, ["lr"])
    tracker.log_artifact(run, file)
    tracker.flush()
    tracker.end(run, "FINISHED")
    return tracker.run_id(run), tracker.run_id(fold)


def content(client: MlflowClient, run_id: str, parent: str = "") -> object:
    run = client.get_run(run_id)
    tags = {name: text for name, text in run.data.tags.items() if not parent or text != parent}
    data = [(item.dataset.name, item.dataset.profile) for item in run.inputs.dataset_inputs]
    files = [file.path for file in client.list_artifacts(run_id)]
    history = [
        (m.key, m.value, m.step, m.timestamp)
        for name in run.data.metrics
        for m in client.get_metric_history(run_id, name)
    ]
    return run.info.run_name, run.info.status, run.data.params, tags, data, files, history


def test_deferred_tracker_records_what_an_open_one_does(
    deferred: DeferredTracker, tracker: MlflowTracker, client: MlflowClient, tmp_path: Path
) -> None:
    (file := tmp_path / "result.json").write_text("{}")
    ids = record(deferred, file)
    expected = record(tracker, file)
    assert content(client, ids[0]) == content(client, expected[0])
    assert content(client, ids[1], ids[0]) == content(client, expected[1], expected[0])
    assert client.get_run(ids[1]).data.tags["mlflow.parentRunId"] == ids[0]
    assert deferred.children(ids[0], "fold") == {"r0f0": ids[1]}
    assert deferred.find_by_token("a token") and deferred.exists(ids[0])


def test_id_is_saved_when_the_store_has_given_it(deferred: DeferredTracker) -> None:
    saved: list[str] = []
    run = deferred.start("a run", parent=None, params={}, tags={})
    deferred.when_started(run, saved.append)
    assert saved == [] and deferred.failure == ""
    assert saved == [deferred.run_id(run)] and saved != [run]
    assert deferred.resume(run)
    deferred.end_active("KILLED")


def test_interrupted_run_is_recorded_though_the_store_was_not_open_yet(
    deferred: DeferredTracker, client: MlflowClient
) -> None:
    run = deferred.start("a run", parent=None, params={}, tags={})
    deferred.end_active("KILLED")
    assert client.get_run(deferred.run_id(run)).info.status == "KILLED"


def test_store_is_not_opened_for_an_experiment_that_did_not_begin() -> None:
    def refuse() -> Tracker:
        raise AssertionError("opened")

    DeferredTracker("sqlite:///x.db", "1", refuse).end_active("FAILED")


def test_store_that_cannot_be_used_anymore_decides_over_nothing() -> None:
    def refuse() -> Tracker:
        raise InputError("the database was deleted")

    tracker = DeferredTracker("sqlite:///x.db", "1", refuse)
    run = tracker.start("a run", parent=None, params={}, tags={})
    tracker.end(run, "FINISHED")
    assert (tracker.run_id(run), tracker.failure) == ("", "the database was deleted")


def test_full_disk_is_raised_where_the_store_is_waited_for(tmp_path: Path) -> None:
    def fill() -> Tracker:
        raise DiskFullError(tmp_path)

    tracker = DeferredTracker("sqlite:///x.db", "1", fill)
    run = tracker.start("a run", parent=None, params={}, tags={})
    tracker.connect()
    with pytest.raises(DiskFullError):
        tracker.end(run, "FINISHED")


def test_only_a_database_that_can_be_used_is_opened_later(
    tracker: MlflowTracker, outputs: Path, tmp_path: Path
) -> None:
    database = tmp_path / "mlflow.db"
    ready = partial(ready_experiment, f"sqlite:///{database}")
    assert ready("tests") is None, "there is no file"
    database.write_bytes((outputs / "mlflow.db").read_bytes())
    assert ready("tests") == tracker.experiment_id and ready("others") is None
    for change in (
        "UPDATE experiments SET lifecycle_stage = 'deleted'",
        "UPDATE alembic_version SET version_num = 'other'",
        "DROP TABLE experiments",
    ):
        database.write_bytes((outputs / "mlflow.db").read_bytes())
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(change)
        assert ready("tests") is None, change
    database.write_bytes(b"no database")
    assert ready("tests") is None
    assert ready_experiment("http://127.0.0.1:9", "tests") is None
