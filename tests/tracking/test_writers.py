"""Eight processes that record at once lose nothing, whatever they record in."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from mlflow import MlflowClient

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.tracking import open_tracker
from tests.servers.mlflow_server import mlflow_server
from tests.servers.postgres import postgres
from tests.servers.processes import free_port

PROCESSES = 8
RUNS = 2
EPOCHS = 10

# Fresh processes that have imported MLflow and opened nothing: they really come at once.
FRESH = multiprocessing.get_context("forkserver")
FRESH.set_forkserver_preload(["fashion_exp.tracking.connection"])


@pytest.fixture(params=["a fresh sqlite file", "a server", "a server on PostgreSQL"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    with ExitStack() as servers:
        if request.param == "a fresh sqlite file":
            yield None
            return
        store = f"sqlite:///{tmp_path / 'server.db'}"
        if "PostgreSQL" in request.param:
            store = servers.enter_context(postgres())
        server = mlflow_server(store, tmp_path / "artifacts", free_port(), tmp_path / "log")
        yield servers.enter_context(server)


def record(uri: str | None, outputs: Path, together: Barrier) -> None:
    together.wait(60)
    tracker = open_tracker(TrackingConfig("mlflow", uri, "shared"), outputs)
    for _ in range(RUNS):
        run = tracker.start("a run", parent=None, params={"lr": 0.1}, tags={})
        for epoch in range(EPOCHS):
            tracker.log(run, {"loss": 1 / (epoch + 1), "acc": 0.5}, epoch)
        tracker.end(run, "FINISHED")


def test_eight_writers_at_once_lose_nothing(uri: str | None, tmp_path: Path) -> None:
    outputs = tmp_path / "new" / "outputs"
    together = FRESH.Barrier(PROCESSES)
    workers = [
        FRESH.Process(target=record, args=(uri, outputs, together)) for _ in range(PROCESSES)
    ]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(240)
        assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    finally:
        for worker in workers:
            worker.kill()
    client = MlflowClient(tracking_uri=uri or f"sqlite:///{outputs}/mlflow.db")
    experiments = {e.name: e.experiment_id for e in client.search_experiments()}
    assert experiments.keys() == {"Default", "shared"}
    assert client.search_runs([experiments["Default"]]) == []
    runs = client.search_runs([experiments["shared"]])
    assert [run.info.status for run in runs] == ["FINISHED"] * PROCESSES * RUNS
    for run in runs:
        for name in ("loss", "acc"):
            history = client.get_metric_history(run.info.run_id, name)
            assert [metric.step for metric in history] == list(range(EPOCHS))
