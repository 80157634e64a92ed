from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.errors import InputError
from fashion_exp.tracking import fetch_run, matching_runs, open_tracker
from fashion_exp.tracking.connection import newest_experiment
from fashion_exp.tracking.mlflow_tracker import MlflowTracker
from fashion_exp.tracking.urls import view_tag


def test_opening_again_finds_the_same_experiment(tracker: MlflowTracker, outputs: Path) -> None:
    again = open_tracker(TrackingConfig("mlflow", experiment="tests"), outputs)
    assert (again.uri, again.experiment_id) == (tracker.uri, tracker.experiment_id)


def test_the_uri_of_a_tracker_opens_the_same_store(tracker: MlflowTracker, tmp_path: Path) -> None:
    again = open_tracker(TrackingConfig("mlflow", tracker.uri, "tests"), tmp_path)
    assert again.experiment_id == tracker.experiment_id
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_experiment_is_named_with_the_remedy(
    tracker: MlflowTracker, client: MlflowClient, outputs: Path
) -> None:
    identity = client.create_experiment("gone")
    client.delete_experiment(identity)
    with pytest.raises(
        InputError, match=rf"^tracking\.experiment=gone.*--experiment-id {identity}"
    ):
        open_tracker(TrackingConfig("mlflow", experiment="gone"), outputs)


@pytest.mark.parametrize("name", ["", "x" * 501])
def test_an_experiment_name_that_mlflow_refuses_is_the_users_mistake(
    tracker: MlflowTracker, outputs: Path, name: str
) -> None:
    with pytest.raises(InputError, match=rf"^tracking\.experiment={name}: "):
        open_tracker(TrackingConfig("mlflow", experiment=name), outputs)


def test_an_experiment_that_others_made_gets_the_table_of_runs(
    tracker: MlflowTracker, client: MlflowClient, outputs: Path
) -> None:
    identity = client.create_experiment("by hand")
    name, view = view_tag()
    for _ in range(2):
        open_tracker(TrackingConfig("mlflow", experiment="by hand"), outputs)
        assert client.get_experiment(identity).tags == {name: view}


def test_the_newest_experiment_is_the_one_with_the_latest_run(
    tracker: MlflowTracker, client: MlflowClient, outputs: Path
) -> None:
    old, new = (open_tracker(TrackingConfig("mlflow", experiment=e), outputs) for e in ("o", "n"))
    client.create_run(client.create_experiment("not ours"))
    for one in (new, old):
        time.sleep(0.002)
        one.start("a run", parent=None, params={}, tags={})
        assert newest_experiment(tracker.uri) == one.experiment_id


@pytest.fixture
def other_server() -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def silent_server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def no_server() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://me:secret@127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("no_server", "Connection refused"),
        ("silent_server", "timed out"),
        ("other_server", "404"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_within_seconds(
    kind: str, told: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    uri = request.getfixturevalue(kind)
    begun = time.monotonic()
    with pytest.raises(InputError, match=rf"^tracking\.uri=http://127\.0\.0\.1.*{told}") as caught:
        open_tracker(TrackingConfig("mlflow", uri, "tests"), tmp_path)
    assert time.monotonic() - begun < 8
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_a_filter_finds_runs_of_experiments_and_their_files_can_be_fetched(
    tracker: MlflowTracker, outputs: Path, tmp_path: Path
) -> None:
    parent = tracker.start("sweep", parent=None, params={}, tags={})
    found = tracker.start("job", parent=parent, params={"optim.lr": 0.5}, tags={"job_hash": "1"})
    tracker.start("fold", parent=found, params={"optim.lr": 0.5}, tags={"fold": "r0f0"})
    (tmp_path / "config").mkdir()
    for name in ("result.json", "config/config.yaml"):
        (tmp_path / name).write_text(name)
    tracker.artifact(found, tmp_path / "result.json")
    tracker.artifact(found, tmp_path / "config", "config")
    tracker.log(found, {"val_acc": 0.75})
    tracker.end(found, "FINISHED")
    wanted = "params.`optim.lr` = '0.5' and metrics.val_acc > 0.7"
    assert matching_runs(None, outputs, wanted) == [found]
    assert matching_runs(None, outputs, "metrics.val_acc > 0.8") == []
    fetch_run(None, outputs, found, tmp_path / "fetched")
    files = {path.relative_to(tmp_path / "fetched").as_posix() for path in
             (tmp_path / "fetched").rglob("*") if path.is_file()}  # fmt: skip
    assert files == {"result.json", "config/config.yaml"}


def test_a_filter_that_mlflow_cannot_read_is_the_users_mistake(
    tracker: MlflowTracker, outputs: Path
) -> None:
    with pytest.raises(InputError, match=r"^val_acc >: no filter that MLflow can read"):
        matching_runs(None, outputs, "val_acc >")
