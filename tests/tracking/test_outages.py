"""A tracking server that answers wrongly, or not at all, while runs are recorded."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError
from fashion_exp.tracking import mlflow_tracker, open_tracker, writer
from fashion_exp.tracking.mlflow_tracker import MlflowTracker
from tests.servers.faulty_server import FAULTS, FaultyServer, faulty_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
    with faulty_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def over_http(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MlflowTracker]:
    monkeypatch.setattr(writer, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(writer, "RETRY_SECONDS", 40)
    tracker = open_tracker(TrackingConfig("mlflow", server.url, "outages"), tmp_path)
    assert isinstance(tracker, MlflowTracker)
    yield tracker
    server.fault = ""


def repair_after_faults(server: FaultyServer, count: int) -> None:
    """The server works again when it has answered wrongly `count` more times."""
    wanted = server.faults + count

    def repair() -> None:
        while server.faults < wanted:
            time.sleep(0.02)
        server.fault = ""

    threading.Thread(target=repair, daemon=True).start()


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_nothing_is_lost_in_an_outage(
    fault: str,
    server: FaultyServer,
    over_http: MlflowTracker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    (file := tmp_path / "history.csv").write_text("epoch\n")
    server.fault = fault
    repair_after_faults(server, 2)
    begun_as = f"token of {fault}"
    run = over_http.start("a run", parent=None, params={"a": 1}, tags={"begun_as": begun_as})
    if fault != "empty":  # a write that is confirmed and lost: the next test
        server.fault = fault
        repair_after_faults(server, 2)
    over_http.log(run, {"val_acc": 0.5}, step=1)
    over_http.log_artifact(run, file, "tables")
    over_http.end(run, "FINISHED")
    assert over_http.failure == ""
    client = MlflowClient(server.url)
    (result,) = client.search_runs([over_http.experiment_id], f"tags.begun_as = '{begun_as}'")
    assert (result.info.run_id, result.info.status) == (run, "FINISHED")
    assert result.data.metrics == {"val_acc": 0.5} and result.data.params == {"a": "1"}
    assert [item.path for item in client.list_artifacts(run, "tables")] == ["tables/history.csv"]
    messages = [record.getMessage() for record in caplog.records if "tracking" in record.name]
    assert "cannot be used at the moment" in messages[0] and "works again" in messages[-1]
    assert "<html" not in caplog.text


def test_writes_that_are_confirmed_but_not_stored_are_noticed(
    server: FaultyServer, over_http: MlflowTracker
) -> None:
    run = over_http.start("a run", parent=None, params={}, tags={})
    server.fault = "empty"
    over_http.log(run, {"val_acc": 0.5})
    over_http.flush()
    server.fault = ""
    over_http.end(run, "FINISHED")
    assert "did not store val_acc" in over_http.failure


def test_hanging_server_is_reported_within_seconds(
    server: FaultyServer,
    over_http: MlflowTracker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mlflow_tracker, "SECONDS_BETWEEN_WRITES", 0)
    run = over_http.start("a run", parent=None, params={}, tags={})
    over_http.flush()
    server.fault = "hang"
    over_http.log(run, {"val_acc": 0.5})
    for _ in range(100):
        if "no answer in time" in caplog.text:
            break
        time.sleep(0.1)
    assert "no answer in time" in caplog.text
    server.fault = ""
    over_http.end(run, "FINISHED")
    assert over_http.failure == ""


def test_server_that_stays_away_is_given_up_without_an_error(
    server: FaultyServer,
    over_http: MlflowTracker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0)
    server.fault = "bad gateway"
    run = over_http.start("a run", parent=None, params={"a": 1}, tags={"begun_as": "none"})
    assert run == "" and "error 502" in over_http.failure
    (file := tmp_path / "history.csv").touch()
    over_http.log(run, {"val_acc": 0.5})
    over_http.log_artifact(run, file)
    over_http.end(run, "FINISHED")
    over_http.flush()
    assert over_http.run_url(run) is None


def test_interrupted_process_does_not_wait_for_a_server(
    server: FaultyServer, over_http: MlflowTracker
) -> None:
    run = over_http.start("a run", parent=None, params={}, tags={})
    server.fault = "bad gateway"
    over_http.log(run, {"val_acc": 0.5})
    start = time.monotonic()
    over_http.end_active("KILLED")
    assert time.monotonic() - start < writer.RETRY_SECONDS and over_http.failure


def test_rejected_password_error_names_the_variables(server: FaultyServer, tmp_path: Path) -> None:
    server.fault = "unauthorized"
    with pytest.raises(InputError, match="MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"):
        open_tracker(TrackingConfig("mlflow", server.url, "outages"), tmp_path)
    server.fault = ""
