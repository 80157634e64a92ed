"""Eight processes that record at the same time lose nothing, with every kind of store."""

from __future__ import annotations

import multiprocessing
import os
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

pytestmark = pytest.mark.slow

PROCESSES = 8
RUNS = 2
EPOCHS = 10

# The processes have imported MLflow, but have not opened a store, so that they start together.
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["fashion_exp.tracking.connection"])


@pytest.fixture(params=["new sqlite file", "server with sqlite", "server with PostgreSQL"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    with ExitStack() as servers:
        if request.param == "new sqlite file":
            yield None
            return
        store = f"sqlite:///{tmp_path / 'server.db'}"
        if "PostgreSQL" in request.param:
            store = servers.enter_context(postgres())
        server = mlflow_server(store, tmp_path / "artifacts", free_port(), tmp_path / "log")
        yield servers.enter_context(server)


def record(uri: str | None, outputs: Path, barrier: Barrier) -> None:
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = "60"  # one busy server answers all of them
    barrier.wait(60)
    tracker = open_tracker(TrackingConfig("mlflow", uri, "shared"), outputs)
    for _ in range(RUNS):
        run = tracker.start("a run", parent=None, params={"lr": 0.1}, tags={})
        for epoch in range(EPOCHS):
            tracker.log(run, {"loss": 1 / (epoch + 1), "acc": 0.5}, epoch)
        tracker.end(run, "FINISHED")


def test_concurrent_writers_lose_nothing(uri: str | None, tmp_path: Path) -> None:
    outputs = tmp_path / "new" / "outputs"
    barrier = FORKSERVER.Barrier(PROCESSES)
    processes = [
        FORKSERVER.Process(target=record, args=(uri, outputs, barrier)) for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(240)
        assert [process.exitcode for process in processes] == [0] * PROCESSES
    finally:
        for process in processes:
            process.kill()
    client = MlflowClient(tracking_uri=uri or f"sqlite:///{outputs}/mlflow.db")
    experiments = {item.name: item.experiment_id for item in client.search_experiments()}
    assert experiments.keys() == {"Default", "shared"}
    assert client.search_runs([experiments["Default"]]) == []
    runs = client.search_runs([experiments["shared"]])
    assert [run.info.status for run in runs] == ["FINISHED"] * PROCESSES * RUNS
    for run in runs:
        for name in ("loss", "acc"):
            history = client.get_metric_history(run.info.run_id, name)
            assert [metric.step for metric in history] == list(range(EPOCHS))
