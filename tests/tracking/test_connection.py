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
from fashion_exp.tracking.connection import latest_experiment_id
from fashion_exp.tracking.mlflow_tracker import MlflowTracker
from fashion_exp.tracking.urls import experiment_tags

pytestmark = pytest.mark.slow


def test_reopening_returns_the_same_experiment(tracker: MlflowTracker, outputs: Path) -> None:
    again = open_tracker(TrackingConfig("mlflow", experiment="tests"), outputs)
    assert (again.uri, again.experiment_id) == (tracker.uri, tracker.experiment_id)


def test_uri_of_a_tracker_opens_the_same_store(tracker: MlflowTracker, tmp_path: Path) -> None:
    again = open_tracker(TrackingConfig("mlflow", tracker.uri, "tests"), tmp_path)
    assert again.experiment_id == tracker.experiment_id
    assert list(tmp_path.iterdir()) == []


def test_deleted_experiment_error_has_the_remedy(
    tracker: MlflowTracker, client: MlflowClient, outputs: Path
) -> None:
    experiment_id = client.create_experiment("deleted")
    client.delete_experiment(experiment_id)
    message = rf"^tracking\.experiment=deleted.*--experiment-id {experiment_id}"
    with pytest.raises(InputError, match=message):
        open_tracker(TrackingConfig("mlflow", experiment="deleted"), outputs)


@pytest.mark.parametrize("name", ["", "x" * 501])
def test_rejects_invalid_experiment_names(tracker: MlflowTracker, outputs: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"^tracking\.experiment={name[:100]}.*: "):
        open_tracker(TrackingConfig("mlflow", experiment=name), outputs)


def test_experiment_created_by_others_gets_our_tags_and_keeps_its_note(
    tracker: MlflowTracker, client: MlflowClient, outputs: Path
) -> None:
    note = {"mlflow.note.content": "mine"}
    experiment_id = client.create_experiment("by hand", tags=note)
    for _ in range(2):
        open_tracker(TrackingConfig("mlflow", experiment="by hand"), outputs)
        assert client.get_experiment(experiment_id).tags == experiment_tags() | note


def test_latest_experiment_has_the_latest_run(
    tracker: MlflowTracker, client: MlflowClient, outputs: Path
) -> None:
    first, second = (
        open_tracker(TrackingConfig("mlflow", experiment=name), outputs) for name in ("o", "n")
    )
    client.create_run(client.create_experiment("of another program"))
    for latest in (second, first):
        time.sleep(0.002)  # start times have a resolution of 1 ms
        latest.start("a run", parent=None, params={}, tags={})
        assert latest_experiment_id(tracker.uri) == latest.experiment_id


@pytest.fixture
def other_server() -> Iterator[str]:
    """A web server that is not MLflow."""

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
def no_server() -> Iterator[str]:
    with socket.socket() as reserved:  # bound, but not listening
        reserved.bind(("127.0.0.1", 0))
        yield f"http://me:secret@127.0.0.1:{reserved.getsockname()[1]}"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("no_server", "Connection refused"),
        ("silent_server", "no answer in time"),
        ("other_server", "404"),
    ],
)
def test_unusable_server_is_reported_in_seconds(
    kind: str, reason: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    uri = request.getfixturevalue(kind)
    start = time.monotonic()
    message = rf"^tracking\.uri=http://127\.0\.0\.1.*{reason}"
    with pytest.raises(InputError, match=message) as caught:
        open_tracker(TrackingConfig("mlflow", uri, "tests"), tmp_path)
    assert time.monotonic() - start < 30  # MLflow's own limit is minutes
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_filter_matches_jobs_and_their_files_can_be_downloaded(
    tracker: MlflowTracker, outputs: Path, tmp_path: Path
) -> None:
    sweep = tracker.start("sweep", parent=None, params={}, tags={})
    job = tracker.start("job", parent=sweep, params={"optim.lr": 0.5}, tags={"job_hash": "1"})
    tracker.start("fold", parent=job, params={"optim.lr": 0.5}, tags={"fold": "r0f0"})
    (tmp_path / "config").mkdir()
    for name in ("result.json", "config/config.yaml"):
        (tmp_path / name).write_text(name)
    tracker.log_artifact(job, tmp_path / "result.json")
    tracker.log_artifact(job, tmp_path / "config", "config")
    tracker.log(job, {"val_acc": 0.75})
    tracker.end(job, "FINISHED")
    filter_string = "params.`optim.lr` = '0.5' and metrics.val_acc > 0.7"
    assert matching_runs(None, outputs, filter_string) == [job]
    assert matching_runs(None, outputs, "metrics.val_acc > 0.8") == []
    folder = tmp_path / "downloaded"
    fetch_run(None, outputs, job, folder)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"result.json", "config/config.yaml"}


def test_rejects_an_invalid_filter(tracker: MlflowTracker, outputs: Path) -> None:
    with pytest.raises(InputError, match=r"^val_acc >: not a valid MLflow filter"):
        matching_runs(None, outputs, "val_acc >")
