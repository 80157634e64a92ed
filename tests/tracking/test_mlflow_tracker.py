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
from mlflow.exceptions import MlflowException

from fashion_exp.errors import InputError
from fashion_exp.tracking import Status, TrackingError, mlflow_tracker
from fashion_exp.tracking.mlflow_tracker import MlflowTracker
from fashion_exp.tracking.urls import view_tag


def test_a_run_begins_running_with_its_name_parameters_and_tags(
    tracker: MlflowTracker, client: MlflowClient
) -> None:
    params = {"optim.lr": 2e-4, "dataset.classes": ["a", "b"], "long": "x" * 9000}
    run = tracker.start("resnet50 lr=2e-4", parent=None, params=params, tags={"split": "abc"})
    tracker.flush()
    found = client.get_run(run)
    assert (found.info.status, found.info.run_name) == ("RUNNING", "resnet50 lr=2e-4")
    assert found.info.experiment_id == tracker.experiment_id
    assert found.data.params["optim.lr"] == "0.0002"
    assert found.data.params["dataset.classes"] == "['a', 'b']"
    assert found.data.params["long"] == "x" * 5999 + "…"
    assert found.data.tags["split"] == "abc"


def test_more_parameters_and_tags_than_a_batch_holds_all_arrive(
    tracker: MlflowTracker, client: MlflowClient
) -> None:
    many = {f"name{i}": str(i) for i in range(205)}
    run = tracker.start("many", parent=None, params=many, tags={})
    tracker.tag(run, many)
    tracker.flush()
    data = client.get_run(run).data
    assert data.params == many
    assert data.tags.items() >= many.items()


def test_sweep_config_and_fold_are_linked_as_parent_child_and_grandchild(
    tracker: MlflowTracker, client: MlflowClient
) -> None:
    line: list[str] = []
    for name in ("sweep", "config", "fold"):
        parent = line[-1] if line else None
        line.append(tracker.start(name, parent=parent, params={}, tags={}))
    parents = [client.get_run(run).data.tags.get("mlflow.parentRunId") for run in line]
    assert parents == [None, *line[:2]]


def test_the_metrics_of_a_moment_are_one_write(
    tracker: MlflowTracker, client: MlflowClient, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []
    write = tracker._client.log_batch
    monkeypatch.setattr(
        tracker._client,
        "log_batch",
        lambda run, metrics: [writes.append(len(metrics)), write(run, metrics=metrics)],
    )
    monkeypatch.setattr(mlflow_tracker, "SECONDS_BETWEEN_WRITES", 3600)
    monkeypatch.setattr(tracker, "_last_write", -math.inf)
    for epoch in range(3):
        tracker.log(run, {f"m{i}": float(i) for i in range(20)}, step=epoch)
    tracker.flush()
    assert writes == [20, 40]
    assert [m.step for m in client.get_metric_history(run, "m7")] == [0, 1, 2]


def test_what_is_no_number_is_left_out(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.log(run, {"a": None, "b": math.nan, "c": math.inf, "val_acc": 0.5})
    tracker.log(run, {"a": None})
    tracker.flush()
    assert client.get_run(run).data.metrics == {"val_acc": 0.5}


def test_a_call_returns_before_its_write_and_writes_keep_their_order(
    tracker: MlflowTracker, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, written = threading.Event(), []

    def slow(run: str, metrics: list) -> None:
        gate.wait(10)
        written.append(metrics[0].value)

    monkeypatch.setattr(tracker._client, "log_batch", slow)
    monkeypatch.setattr(mlflow_tracker, "SECONDS_BETWEEN_WRITES", 0)
    for value in range(5):
        tracker.log(run, {"m": float(value)})
    assert written == []
    gate.set()
    tracker.flush()
    assert written == [0, 1, 2, 3, 4]


def test_a_metric_has_the_time_of_the_call_not_of_the_write(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    before = time.time_ns() // 1_000_000
    tracker._later(lambda: time.sleep(0.3))
    tracker.log(run, {"m": 1.0})
    called = time.time_ns() // 1_000_000
    tracker.flush()
    (written,) = client.get_metric_history(run, "m")
    assert before <= written.timestamp <= called


def test_a_failed_write_is_told_once_at_the_flush_and_what_follows_is_written_again(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.log("0" * 32, {"m": 1.0})
    tracker.log(run, {"dropped": 1.0})
    with pytest.raises(TrackingError, match="not found"):
        tracker.flush()
    tracker.log(run, {"kept": 1.0})
    tracker.flush()
    assert client.get_run(run).data.metrics == {"kept": 1.0}


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_an_ended_run_has_its_status_and_every_metric(
    tracker: MlflowTracker, client: MlflowClient, run: str, status: Status
) -> None:
    tracker.log(run, {"val_acc": 0.5})
    tracker.end(run, status)
    found = client.get_run(run)
    assert found.info.status == status
    assert found.info.end_time >= found.info.start_time
    assert found.data.metrics == {"val_acc": 0.5}


def test_a_run_is_ended_even_where_a_write_has_failed(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.log("0" * 32, {"m": 1.0})
    with pytest.raises(TrackingError):
        tracker.end(run, "FAILED")
    assert client.get_run(run).info.status == "FAILED"


def test_a_killed_run_goes_on_and_keeps_what_it_had(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.log(run, {"m": 1.0}, step=1)
    tracker.end(run, "KILLED")
    tracker.resume(run)
    assert client.get_run(run).info.status == "RUNNING"
    tracker.log(run, {"m": 2.0}, step=2)
    tracker.end(run, "FINISHED")
    assert [m.value for m in client.get_metric_history(run, "m")] == [1.0, 2.0]


def test_a_run_that_is_gone_cannot_be_resumed(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    client.delete_run(run)
    for gone in (run, "0" * 32):
        with pytest.raises(InputError, match=rf"^resume: .*{gone}"):
            tracker.resume(gone)


def test_files_and_folders_become_artifacts_under_an_absolute_place(
    tracker: MlflowTracker, client: MlflowClient, run: str, outputs: Path, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "größe #1.png").write_bytes(b"picture")
    tracker.artifact(run, tmp_path / "pictures", "folds/0")
    tracker.artifact(run, tmp_path / "pictures" / "größe #1.png")
    place = outputs / "artifacts" / run / "artifacts"
    assert (place / "folds" / "0" / "größe #1.png").read_bytes() == b"picture"
    assert (place / "größe #1.png").read_bytes() == b"picture"
    assert client.get_run(run).info.artifact_uri.startswith("file:///")


def test_a_missing_file_is_told(tracker: MlflowTracker, run: str, tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"storing none\.png failed"):
        tracker.artifact(run, tmp_path / "none.png")


def test_a_note_is_the_description_of_the_run_and_is_cut_to_what_fits(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.note(run, "# Leaderboard\n" + "x" * 9000)
    tracker.flush()
    note = client.get_run(run).data.tags["mlflow.note.content"]
    assert note.startswith("# Leaderboard\nxxx") and note.endswith("…") and len(note) == 8000


def test_the_data_are_an_input_of_the_run(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    tracker.dataset(
        run,
        name="garments",
        digest="0123456789abcdef",
        source="drawn",
        profile={"images": 900},
        context="training",
    )
    tracker.flush()
    (used,) = client.get_run(run).inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("garments", "0123456789abcdef")
    assert used.dataset.profile == '{"images": 900}'
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "training")]


def test_the_view_of_a_sweep_lists_its_own_runs_alone(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    child = tracker.start("child", parent=run, params={"optim.lr": 1}, tags={})
    unfinished = tracker.start("unfinished", parent=run, params={}, tags={})
    other = tracker.start("other", parent=None, params={}, tags={})
    for one in (child, other):
        tracker.log(one, {"val_acc": 0.5})
    tracker.view(run, ["optim.lr"])
    tracker.flush()
    name, value = view_tag(run, ["optim.lr"])
    assert client.get_experiment(tracker.experiment_id).tags[name] == value
    listed = search(client, tracker.experiment_id, value)
    assert child in listed and unfinished not in listed and other not in listed


def search(client: MlflowClient, experiment_id: str, view: str) -> list[str]:
    wanted = json.loads(view)["searchFilter"]
    return [run.info.run_id for run in client.search_runs([experiment_id], wanted)]


def test_without_a_server_a_run_has_no_address(tracker: MlflowTracker, run: str) -> None:
    assert tracker.address(run) is None and tracker.view_address(run) is None


def test_many_threads_may_log_at_once(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
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


def test_nothing_is_said_on_the_way(
    tracker: MlflowTracker, run: str, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker.log(run, {"m": 1.0})
    tracker.end(run, "FINISHED")
    assert capfd.readouterr() == ("", "")


def test_an_error_of_the_store_when_starting_is_told_in_one_line(
    tracker: MlflowTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MlflowException("disk is full\nand more")

    monkeypatch.setattr(tracker._client, "create_run", broken)
    with pytest.raises(TrackingError, match=r"starting a run failed: disk is full$"):
        tracker.start("a", parent=None, params={}, tags={})


@contextmanager
def interrupted_in(tracker: MlflowTracker, statement: str) -> Iterator[None]:
    """A signal in the middle of each write that begins so; the block must end by it."""
    engine = tracker._client._tracking_client.store.engine

    def interrupt(connection, cursor, told, *rest) -> None:
        if told.startswith(statement):
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


def test_a_signal_in_the_middle_of_a_write_leaves_the_database_free(
    tracker: MlflowTracker, client: MlflowClient, run: str
) -> None:
    with interrupted_in(tracker, "UPDATE runs"):
        tracker.end(run, "FAILED")
    assert client.get_run(run).info.status == "FAILED"


def test_a_run_that_begins_at_a_signal_is_ended_and_found_again(
    tracker: MlflowTracker, client: MlflowClient
) -> None:
    assert tracker.begun_as("0a1b") is None
    with interrupted_in(tracker, "INSERT INTO runs"):
        tracker.start("a run", parent=None, params={}, tags={"begun_as": "0a1b"})
    found = tracker.begun_as("0a1b")
    assert found is not None and client.get_run(found).info.status == "KILLED"
