from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag
from mlflow.exceptions import MlflowException

from fashion_exp.atomic_io import DiskFullError
from fashion_exp.errors import InputError
from fashion_exp.tracking import Status, mlflow_tracker
from fashion_exp.tracking.mlflow_tracker import MlflowTracker
from fashion_exp.tracking.urls import runs_view_tag

pytestmark = pytest.mark.slow


def test_started_run_has_status_name_parameters_and_tags(
    tracker: MlflowTracker, client: MlflowClient
) -> None:
    params = {"optim.lr": 2e-4, "dataset.classes": ["a", "b"], "long": "x" * 9000}
    run = tracker.start("resnet50 lr=2e-4", parent=None, params=params, tags={"split": "abc"})
    tracker.flush()
    info, data = client.get_run(run).info, client.get_run(run).data
    assert (info.status, info.run_name) == ("RUNNING", "resnet50 lr=2e-4")
    assert info.experiment_id == tracker.experiment_id
    assert data.params["optim.lr"] == "0.0002"
    assert data.params["dataset.classes"] == "['a', 'b']"
    assert data.params["long"] == "x" * 5999 + "…"
    assert data.tags["split"] == "abc"


def test_parameters_and_tags_can_exceed_a_batch(
    tracker: MlflowTracker, client: MlflowClient
) -> None:
    texts = {f"name{i}": str(i) for i in range(205)}
    run = tracker.start("a run", parent=None, params=texts, tags={})
    tracker.tag(run, texts)
    tracker.flush()
    data = client.get_run(run).data
    assert data.params == texts
    assert data.tags.items() >= texts.items()


def test_child_runs_refer_to_their_parent(tracker: MlflowTracker, client: MlflowClient) -> None:
    runs: list[str] = []
    for name in ("sweep", "job", "fold"):
        parent = runs[-1] if runs else None
        runs.append(tracker.start(name, parent=parent, params={}, tags={}))
    parents = [client.get_run(run).data.tags.get("mlflow.parentRunId") for run in runs]
    assert parents == [None, *runs[:2]]


def test_metrics_and_tags_are_written_together(
    tracker: MlflowTracker, client: MlflowClient, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []
    write = tracker._client.log_batch

    def log_batch(run_id: str, metrics: list[Metric], tags: list[RunTag]) -> None:
        sizes.append((len(metrics), len(tags)))
        write(run_id, metrics=metrics, tags=tags)

    monkeypatch.setattr(tracker._client, "log_batch", log_batch)
    monkeypatch.setattr(mlflow_tracker, "SECONDS_BETWEEN_WRITES", 3600)
    monkeypatch.setattr(tracker, "_last_write", -math.inf)
    for epoch in range(3):
        tracker.log(run, {f"m{i}": float(i) for i in range(20)}, step=epoch)
        tracker.tag(run, {"epoch": str(epoch)})
    tracker.flush()
    assert sizes == [(20, 0), (40, 1)]
    assert client.get_run(run).data.tags["epoch"] == "2"
    assert [m.step for m in client.get_metric_history(run, "m7")] == [0, 1, 2]


def test_metrics_that_are_not_finite_are_left_out(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.log(run, {"a": None, "b": math.nan, "c": math.inf, "val_acc": 0.5})
    tracker.log(run, {"a": None})
    tracker.flush()
    assert client.get_run(run).data.metrics == {"val_acc": 0.5}


def test_log_returns_before_the_write_and_keeps_the_order(
    tracker: MlflowTracker, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    written: list[float] = []

    def wait_and_write(run_id: str, metrics: list[Metric], tags: list[RunTag]) -> None:
        gate.wait(10)
        written.append(metrics[0].value)

    monkeypatch.setattr(tracker._client, "log_batch", wait_and_write)
    monkeypatch.setattr(mlflow_tracker, "SECONDS_BETWEEN_WRITES", 0)
    for value in range(5):
        tracker.log(run, {"m": float(value)})
    assert written == []
    gate.set()
    tracker.flush()
    assert written == [0, 1, 2, 3, 4]


def test_metric_timestamp_is_the_time_of_the_call(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker._writer.enqueue(lambda: time.sleep(0.3))
    before = time.time()
    tracker.log(run, {"m": 1.0})
    after = time.time()
    tracker.flush()
    (metric,) = client.get_metric_history(run, "m")
    assert 1000 * before - 1 <= metric.timestamp <= 1000 * after


def test_refused_write_is_noted_and_ends_the_recording(
    own_tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    own_tracker.log("0" * 32, {"m": 1.0})
    own_tracker.log(run, {"dropped": 1.0})
    own_tracker.flush()
    assert "not found" in own_tracker.failure and "\n" not in own_tracker.failure
    assert client.get_run(run).data.metrics == {}
    own_tracker.end(run, "FINISHED")
    assert client.get_run(run).info.status == "FINISHED"


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_ended_run_has_its_status_and_every_metric(
    tracker: MlflowTracker, client: MlflowClient, run: str, status: Status
) -> None:
    tracker.log(run, {"val_acc": 0.5})
    tracker.end(run, status)
    info, data = client.get_run(run).info, client.get_run(run).data
    assert info.status == status
    assert info.end_time >= info.start_time
    assert data.metrics == {"val_acc": 0.5}


def test_end_succeeds_after_a_failed_write(
    own_tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    own_tracker.log("0" * 32, {"m": 1.0})
    own_tracker.end(run, "FAILED")
    assert client.get_run(run).info.status == "FAILED"


def test_resumed_run_keeps_its_metrics(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.log(run, {"m": 1.0}, step=1)
    tracker.end(run, "KILLED")
    tracker.resume(run)
    assert client.get_run(run).info.status == "RUNNING"
    tracker.log(run, {"m": 2.0}, step=2)
    tracker.end(run, "FINISHED")
    assert [m.value for m in client.get_metric_history(run, "m")] == [1.0, 2.0]


def test_deleted_run_cannot_be_resumed(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    assert tracker.exists(run)
    client.delete_run(run)
    for missing in (run, "0" * 32):
        assert not tracker.resume(missing) and not tracker.exists(missing)
    assert tracker.failure == ""


def test_children_are_found_by_a_tag(tracker: MlflowTracker, run: str) -> None:
    folds = {
        name: tracker.start(name, parent=run, params={}, tags={"fold": name})
        for name in ("r0f0", "r1f0")
    }
    tracker.start("without the tag", parent=run, params={}, tags={})
    assert tracker.children(run, "fold") == folds
    tracker.set_parent(folds["r0f0"], folds["r1f0"])
    tracker.flush()
    assert list(tracker.children(run, "fold")) == ["r1f0"]


def test_artifacts_are_stored_below_an_absolute_path(
    tracker: MlflowTracker, client: MlflowClient, run: str, outputs: Path, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "größe #1.png").write_bytes(b"image")
    tracker.log_artifact(run, tmp_path / "images", "folds/0")
    tracker.log_artifact(run, tmp_path / "images" / "größe #1.png")
    folder = outputs / "artifacts" / run / "artifacts"
    assert (folder / "folds" / "0" / "größe #1.png").read_bytes() == b"image"
    assert (folder / "größe #1.png").read_bytes() == b"image"
    assert client.get_run(run).info.artifact_uri.startswith("file:///")


def test_missing_artifact_is_named(tracker: MlflowTracker, run: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png: gone"):
        tracker.log_artifact(run, tmp_path / "none.png")


def test_description_is_shortened_to_the_limit(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.set_description(run, "# Leaderboard\n" + "x" * 9000)
    tracker.flush()
    text = client.get_run(run).data.tags["mlflow.note.content"]
    assert text.startswith("# Leaderboard\nxxx") and text.endswith("…") and len(text) == 8000


def test_dataset_is_an_input_of_the_run(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.log_dataset(
        run,
        name="garments",
        digest="0123456789abcdef",
        source="drawn",
        profile={"images": 900},
        context="training",
    )
    tracker.flush()
    (item,) = client.get_run(run).inputs.dataset_inputs
    assert (item.dataset.name, item.dataset.digest) == ("garments", "0123456789abcdef")
    assert item.dataset.profile == '{"images": 900}'
    assert [(tag.key, tag.value) for tag in item.tags] == [("mlflow.data.context", "training")]


def test_runs_view_lists_finished_child_runs_only(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    child = tracker.start("child", parent=run, params={"optim.lr": 1}, tags={})
    tracker.start("unfinished", parent=run, params={}, tags={})
    other = tracker.start("other", parent=None, params={}, tags={})
    for finished in (child, other):
        tracker.log(finished, {"val_acc": 0.5})
    tracker.set_runs_view(run, ["optim.lr"])
    tracker.flush()
    name, value = runs_view_tag(run, ["optim.lr"])
    assert client.get_experiment(tracker.experiment_id).tags[name] == value
    filter_string = json.loads(value)["searchFilter"]
    runs = client.search_runs([tracker.experiment_id], filter_string)
    assert [run.info.run_id for run in runs] == [child]


def test_no_urls_without_a_server(tracker: MlflowTracker, run: str) -> None:
    assert tracker.run_url(run) is None and tracker.runs_view_url(run) is None


def test_log_is_thread_safe(tracker: MlflowTracker, client: MlflowClient, run: str) -> None:
    def log(thread: int) -> None:
        for step in range(5):
            tracker.log(run, {f"m{thread}": float(step)}, step)

    threads = [threading.Thread(target=log, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tracker.flush()
    counts = [len(client.get_metric_history(run, f"m{i}")) for i in range(4)]
    assert counts == [5, 5, 5, 5]


def test_prints_nothing(
    tracker: MlflowTracker, run: str, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker.log(run, {"m": 1.0})
    tracker.end(run, "FINISHED")
    assert capfd.readouterr() == ("", "")


def test_full_disk_is_reported_in_one_line(
    own_tracker: MlflowTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MlflowException("(sqlite3.OperationalError) database or disk is full\nand more")

    monkeypatch.setattr(own_tracker._client, "create_run", fail)
    with pytest.raises(DiskFullError, match=r"^no space left for /.*mlflow\.db; [^\n]*$"):
        own_tracker.start("a", parent=None, params={}, tags={})


def test_metrics_have_six_significant_digits(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.log(run, {"third": 1 / 3, "images": 1234567.0, "rate": 2e-4 / 3})
    tracker.flush()
    metrics = client.get_run(run).data.metrics
    assert metrics == {"third": 0.333333, "images": 1234567.0, "rate": 6.66667e-05}


@contextmanager
def interrupt_during(tracker: MlflowTracker, statement: str) -> Iterator[None]:
    """Raises SIGINT during each SQL statement with this prefix; it must end the block."""
    engine = tracker._client._tracking_client.store.engine

    def interrupt(connection: object, cursor: object, sql: str, *_: object) -> None:
        if sql.startswith(statement):
            signal.raise_signal(signal.SIGINT)

    sqlalchemy.event.listen(engine, "after_cursor_execute", interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
        sqlalchemy.event.remove(engine, "after_cursor_execute", interrupt)
        tracker.flush()
    finally:
        if sqlalchemy.event.contains(engine, "after_cursor_execute", interrupt):
            sqlalchemy.event.remove(engine, "after_cursor_execute", interrupt)


def test_signal_during_a_write_does_not_lock_the_database(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    with interrupt_during(tracker, "UPDATE runs"):
        tracker.end(run, "FAILED")
    assert client.get_run(run).info.status == "FAILED"


def test_run_interrupted_at_start_is_killed_and_found_by_its_token(
    own_tracker: MlflowTracker, client: MlflowClient
) -> None:
    tracker = own_tracker
    assert tracker.find_by_token("0a1b") is None
    with interrupt_during(tracker, "INSERT INTO runs"):
        tracker.start("a run", parent=None, params={}, tags={"begun_as": "0a1b"})
    tracker.end_active("KILLED")
    run = tracker.find_by_token("0a1b")
    assert run is not None and client.get_run(run).info.status == "KILLED"
