"""The `ui` command, and with the server that it starts: tracking over HTTP."""

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
from fashion_exp.sweeps.state import Ledger
from fashion_exp.tracking import open_tracker
from fashion_exp.tracking.mlflow_tracker import MlflowTracker
from tests.browser import COMMAND, NO_BROWSER, Browser

SERVE = "import sys; from fashion_exp.commands.ui import run; sys.exit(run(sys.argv[1:]))"


@pytest.fixture(scope="module")
def said(tracker: MlflowTracker, outputs: Path) -> Iterator[str]:
    """The first line of the command, once its server answers."""
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
        wait_for(line.split()[-1].partition("/#")[0] + "/health", server)
        yield line
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=30)


def wait_for(address: str, server: subprocess.Popen[str]) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            assert server.poll() is None
            time.sleep(0.1)
    raise TimeoutError(address)


@pytest.fixture
def base(said: str) -> str:
    return said.split()[-1].partition("/#")[0]


def test_the_command_tells_where_the_newest_experiment_is_and_serves_it(
    said: str, base: str, tracker: MlflowTracker
) -> None:
    assert said.startswith("In a few seconds at http://127.0.0.1:")
    assert f"/#/experiments/{tracker.experiment_id}/runs?viewStateShareKey=all&" in said
    served = MlflowClient(tracking_uri=base).get_experiment(tracker.experiment_id)
    assert served.name == "tests"
    with urllib.request.urlopen(base, timeout=20) as page:
        assert b"<title>MLflow</title>" in page.read()


def test_a_run_recorded_by_a_server_has_its_metrics_artifacts_and_address(
    base: str, tmp_path: Path
) -> None:
    tracker = open_tracker(TrackingConfig("mlflow", base + "/", "over HTTP"), tmp_path / "none")
    run = tracker.start("a run", parent=None, params={"lr": 0.1, "empty": ""}, tags={"t": ""})
    for epoch in range(3):
        tracker.log(run, {"loss": 1 / (epoch + 1)}, epoch)
    (tmp_path / "page.html").write_text("<p>ä</p>", encoding="utf-8")
    tracker.artifact(run, tmp_path / "page.html", "pages")
    tracker.end(run, "FINISHED")
    client = MlflowClient(tracking_uri=base)
    found = client.get_run(run)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"lr": "0.1", "empty": ""}
    assert [m.value for m in client.get_metric_history(run, "loss")] == [1, 1 / 2, 1 / 3]
    fetched = client.download_artifacts(run, "pages/page.html", str(tmp_path))
    assert Path(fetched).read_text(encoding="utf-8") == "<p>ä</p>"
    assert not (tmp_path / "none").exists()
    where = tracker.address(run)
    assert where is not None
    assert where.startswith(f"{base}/#/experiments/{tracker.experiment_id}/runs/{run}")


@pytest.mark.skipif(COMMAND is None, reason=NO_BROWSER)
def test_the_table_of_runs_has_the_intervals_and_the_best_run_first(
    base: str, tmp_path: Path
) -> None:
    tracker = open_tracker(TrackingConfig("mlflow", base, "a study"), tmp_path)
    assert isinstance(tracker, MlflowTracker)
    parent = tracker.start("a sweep", parent=None, params={}, tags={})
    for lr, accuracy in ((0.1, 0.51), (0.2, 0.73), (0.3, 0.62)):
        run = tracker.start(f"lr={lr}", parent=parent, params={"optim.lr": lr}, tags={})
        limits = {"val_lo": accuracy - 0.05, "val_hi": accuracy + 0.05}
        tracker.log(run, {"val_acc": accuracy, **limits})
        tracker.end(run, "FINISHED")
    tracker.view(parent, ["optim.lr"])
    tracker.end(parent, "FINISHED")
    where = tracker.view_address(parent)
    assert where is not None
    with Browser(tmp_path / "profile") as browser:
        browser.open(where, 1600, 900)
        browser.wait_until("document.body.innerText.includes('3 matching runs')")
        browser.wait_until("document.body.innerText.includes('0.73')")
        shown = browser.ask("document.body.innerText").split("\n")
    assert [line for line in shown if line.startswith("lr=")] == ["lr=0.2", "lr=0.3", "lr=0.1"]
    assert {"optim.lr", "val_acc", "val_lo", "val_hi", "0.73"} <= set(shown)


def test_for_a_server_the_command_only_tells_the_address(
    base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ui.run(["--uri", base]) == 0
    assert capsys.readouterr().out.startswith(f"{base}/#/experiments/")


def test_a_sweep_has_an_address_of_its_own(
    base: str, outputs: Path, tracker: MlflowTracker, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = tracker.start("a sweep", parent=None, params={}, tags={})
    tracker.end(parent, "FINISHED")
    Ledger(["-m"], uri=tracker.uri, parent=parent).write(outputs / "sweeps" / "cnn-lr-12")
    assert ui.run(["cnn", "--uri", base, "--outputs", str(outputs)]) == 0
    assert f"viewStateShareKey={parent}&" in capsys.readouterr().out
    Ledger(["-m"], uri=base, parent=parent).write(outputs / "sweeps" / "on-a-server")
    assert ui.run(["on-a-server", "--outputs", str(outputs)]) == 0
    assert capsys.readouterr().out.startswith(f"{base}/#/")
    with pytest.raises(InputError, match="cmn-lr: no such sweep; did you mean cnn-lr-12"):
        ui.run(["cmn-lr", "--uri", base, "--outputs", str(outputs)])


def test_without_a_database_there_is_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run an experiment first") as caught:
        ui.run(["--outputs", str(tmp_path)])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_gives_way_to_the_next_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert port < ui._free_port("127.0.0.1", port) < port + 100


def test_a_host_that_is_not_ours_is_told() -> None:
    with pytest.raises(InputError, match="cannot listen on"):
        ui._free_port("192.0.2.1", 5000)
