"""The `ui` command, and tracking over HTTP with the server that it starts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from fashion_exp.commands import ui
from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError
from fashion_exp.sweeps.state import SweepState
from fashion_exp.tracking import open_tracker
from fashion_exp.tracking.mlflow_tracker import MlflowTracker
from tests.browser import COMMAND, NO_BROWSER, Browser

pytestmark = pytest.mark.slow

SERVE = "import sys; from fashion_exp.commands.ui import run; sys.exit(run(sys.argv[1:]))"


@pytest.fixture(scope="module")
def first_line(tracker: MlflowTracker, outputs: Path) -> Iterator[str]:
    """The first line that the command prints, when its server is ready."""
    tracker.end(tracker.start("a run", parent=None, params={}, tags={}), "FINISHED")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, "--outputs", str(outputs), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=outputs,
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        wait_until_ready(line.split()[-1].partition("/#")[0] + "/health", server)
        yield line
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=30)


def wait_until_ready(url: str, server: subprocess.Popen[str]) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert server.poll() is None
            time.sleep(0.1)
    raise TimeoutError(url)


@pytest.fixture
def server_url(first_line: str) -> str:
    return first_line.split()[-1].partition("/#")[0]


def test_prints_the_url_of_the_latest_experiment_and_serves_it(
    first_line: str, server_url: str, tracker: MlflowTracker
) -> None:
    assert first_line.startswith("Ready in a few seconds: http://127.0.0.1:")
    assert f"/#/experiments/{tracker.experiment_id}/runs?viewStateShareKey=all&" in first_line
    experiment = MlflowClient(tracking_uri=server_url).get_experiment(tracker.experiment_id)
    assert experiment.name == "tests"
    with urllib.request.urlopen(server_url, timeout=20) as page:
        assert b"<title>MLflow</title>" in page.read()


def test_run_recorded_over_http_has_metrics_artifacts_and_url(
    server_url: str, tmp_path: Path
) -> None:
    tracker = open_tracker(
        TrackingConfig("mlflow", server_url + "/", "over HTTP"), tmp_path / "none"
    )
    run = tracker.start("a run", parent=None, params={"lr": 0.1, "empty": ""}, tags={"t": ""})
    for epoch in range(3):
        tracker.log(run, {"loss": 1 / (epoch + 1)}, epoch)
    (tmp_path / "page.html").write_text("<p>ä</p>", encoding="utf-8")
    tracker.log_artifact(run, tmp_path / "page.html", "pages")
    tracker.end(run, "FINISHED")
    client = MlflowClient(tracking_uri=server_url)
    assert client.get_run(run).info.status == "FINISHED"
    assert client.get_run(run).data.params == {"lr": "0.1", "empty": ""}
    assert [m.value for m in client.get_metric_history(run, "loss")] == [1, 0.5, 0.333333]
    file = client.download_artifacts(run, "pages/page.html", str(tmp_path))
    assert Path(file).read_text(encoding="utf-8") == "<p>ä</p>"
    assert not (tmp_path / "none").exists()
    run_url = tracker.run_url(run)
    assert run_url is not None
    assert run_url.startswith(f"{server_url}/#/experiments/{tracker.experiment_id}/runs/{run}")


@pytest.mark.skipif(COMMAND is None, reason=NO_BROWSER)
def test_runs_table_has_intervals_and_the_best_run_first(server_url: str, tmp_path: Path) -> None:
    tracker = open_tracker(TrackingConfig("mlflow", server_url, "a comparison"), tmp_path)
    assert isinstance(tracker, MlflowTracker)
    parent = tracker.start("a sweep", parent=None, params={}, tags={})
    for lr, accuracy in ((0.1, 0.51), (0.2, 0.73), (0.3, 0.62)):
        run = tracker.start(f"lr={lr}", parent=parent, params={"optim.lr": lr}, tags={})
        limits = {"val_lo": accuracy - 0.05, "val_hi": accuracy + 0.05}
        tracker.log(run, {"val_acc": accuracy, **limits})
        tracker.end(run, "FINISHED")
    tracker.set_runs_view(parent, ["optim.lr"])
    tracker.end(parent, "FINISHED")
    url = tracker.runs_view_url(parent)
    assert url is not None
    with Browser(tmp_path / "profile") as browser:
        browser.open(url, 1600, 900)
        browser.wait_until("document.body.innerText.includes('3 matching runs')")
        browser.wait_until("document.body.innerText.includes('0.73')")
        lines = browser.evaluate("document.body.innerText").split("\n")
    assert [line for line in lines if line.startswith("lr=")] == ["lr=0.2", "lr=0.3", "lr=0.1"]
    assert {"optim.lr", "val_acc", "val_lo", "val_hi", "0.73"} <= set(lines)


def test_prints_only_the_url_of_an_existing_server(
    server_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ui.run(["--uri", server_url]) == 0
    assert capsys.readouterr().out.startswith(f"{server_url}/#/experiments/")


def test_sweep_has_its_own_url(
    server_url: str, outputs: Path, tracker: MlflowTracker, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = tracker.start("a sweep", parent=None, params={}, tags={})
    tracker.end(parent, "FINISHED")
    SweepState(["-m"], uri=tracker.uri, parent=parent).write(outputs / "sweeps" / "cnn-lr-12")
    assert ui.run(["cnn", "--uri", server_url, "--outputs", str(outputs)]) == 0
    assert f"viewStateShareKey={parent}&" in capsys.readouterr().out
    SweepState(["-m"], uri=server_url, parent=parent).write(outputs / "sweeps" / "on-a-server")
    assert ui.run(["on-a-server", "--outputs", str(outputs)]) == 0
    assert capsys.readouterr().out.startswith(f"{server_url}/#/")
    with pytest.raises(InputError, match="cmn-lr: no such sweep; did you mean cnn-lr-12"):
        ui.run(["cmn-lr", "--uri", server_url, "--outputs", str(outputs)])


def test_rejects_missing_database(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run an experiment first") as caught:
        ui.run(["--outputs", str(tmp_path)])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_uses_the_next_free_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert port < ui._free_port("127.0.0.1", port) < port + 100


def test_rejects_a_host_of_another_machine() -> None:
    with pytest.raises(InputError, match="cannot listen on"):
        ui._free_port("192.0.2.1", 5000)
