"""A run that was stopped anywhere, resumed, equals one that was not."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.data.label_versions import Version, journal_of, write_history
from fashion_exp.evaluation.predictions import PART_FILES, read_predictions
from fashion_exp.experiment.experiment import _begun_or_new, _end_finished
from fashion_exp.tracking import open_tracker

BASE = (
    "dataset=folder", "dataset.image_size=16", "training.epochs=40", "repeats=2",
    "training.batch_size=4", "model.dropout=0.3", "optim=sgd", "training.threads=1",
)  # fmt: skip


def start(*overrides: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fashion_exp", *overrides]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(*overrides: str) -> str:
    process = start(*overrides)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def only_run(outputs: Path) -> Path:
    (run,) = (outputs / "runs").iterdir()
    return run


def wait_for_a_state(outputs: Path, fold: str) -> Path:
    for _ in range(600):
        found = list(outputs.glob(f"runs/*/unfinished/{fold}.pt"))
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError("no state was saved")


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    outputs = tmp_path_factory.mktemp("whole")
    finished(*BASE, f"dataset.root={photos}", f"outputs={outputs}", "tracking=none")
    return only_run(outputs)


@pytest.mark.parametrize(
    ("number", "code", "ended"),
    [
        (signal.SIGINT, 130, "KILLED"),  # SIGTERM: tests/test_ranks.py, tests/sweeps
        (signal.SIGKILL, -9, "RUNNING"),  # nobody is left to say more
    ],
)
def test_a_killed_run_resumed_equals_one_that_was_not(
    photos: Path, whole: Path, tmp_path: Path, number: signal.Signals, code: int, ended: str
) -> None:
    process = start(*BASE, f"dataset.root={photos}", f"outputs={tmp_path}")
    wait_for_a_state(tmp_path, "r1f0")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    run = only_run(tmp_path)
    assert process.returncode == code and not (run / "result.json").exists()
    assert (f"resume={run}" in err) is (number != signal.SIGKILL)
    assert statuses(tmp_path) == ["FINISHED", ended, ended]

    finished(f"resume={run}", f"outputs={tmp_path}")
    assert statuses(tmp_path) == ["FINISHED"] * 3
    assert (run / "history.csv").read_text() == (whole / "history.csv").read_text()
    for file in PART_FILES.values():
        pd.testing.assert_frame_equal(read_predictions(run / file), read_predictions(whole / file))


def statuses(outputs: Path) -> list[str]:
    """Of the run and of the runs of its repeats."""
    client = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}")
    experiments = [e.experiment_id for e in client.search_experiments()]
    return sorted(run.info.status for run in client.search_runs(experiments))


def test_another_experiment_is_not_resumed(photos: Path, tmp_path: Path) -> None:
    photos = shutil.copytree(photos, tmp_path / "photos")
    process = start(*BASE, f"dataset.root={photos}", f"outputs={tmp_path}", "tracking=none")
    wait_for_a_state(tmp_path, "r0f0")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    other = start(f"resume={only_run(tmp_path)}", "optim.lr=0.5")
    _, err = other.communicate(timeout=60)
    assert other.returncode == 2 and "another experiment (optim.lr was 0.01, is 0.5)" in err

    image = pd.read_csv(only_run(tmp_path) / "split.csv")["image_id"][0]
    version = Version("v1", "none", "", "now", {image: ()}, {"excluded": 1})
    write_history(journal_of(photos), [version])
    other = start(f"resume={only_run(tmp_path)}")
    _, err = other.communicate(timeout=60)
    assert (
        other.returncode == 2
        and "its photos, their labels, quarantine.csv or groups.csv have" in err
    )


def test_a_damaged_state_is_told_by_its_file(tmp_path: Path) -> None:
    from fashion_exp.errors import InputError
    from fashion_exp.experiment.checkpoints import StateFile

    (tmp_path / "r0f0.pt").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"r0f0\.pt: damaged state"):
        StateFile(tmp_path / "r0f0.pt").load()


def test_what_is_no_unfinished_run_is_not_resumed(tmp_path: Path) -> None:
    process = start(f"resume={tmp_path / 'none'}")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "no run's folder" in err
    assert err.count("\n") == 1


def test_a_tracked_run_whose_id_could_not_be_kept_is_found_by_what_it_was_begun_as(
    tmp_path: Path,
) -> None:
    """SIGKILL between the run's start in the store and the note of its id."""
    tracker = open_tracker(TrackingConfig("mlflow", experiment="tests"), tmp_path)
    kept, tokens = tmp_path / "tracked.json", []

    def start(token: str) -> str:
        tokens.append(token)
        tracker.start("a run", parent=None, params={}, tags={"begun_as": token})
        raise SystemExit

    with pytest.raises(SystemExit):
        _begun_or_new(kept, tracker, tmp_path, start)
    run = _begun_or_new(kept, tracker, tmp_path, start)
    assert run == tracker.begun_as(tokens[0]) and len(tokens) == 1
    assert _begun_or_new(kept, tracker, tmp_path, start) == run


def test_the_tracked_run_of_a_finished_fold_is_ended_where_its_process_could_not(
    tmp_path: Path,
) -> None:
    """SIGKILL between the last file of a fold and the end of its tracked run."""
    tracker = open_tracker(TrackingConfig("mlflow", experiment="tests"), tmp_path)
    runs = {fold: tracker.start(fold, parent=None, params={}, tags={}) for fold in ("a", "b")}
    (unfinished := tmp_path / "unfinished").mkdir()
    for fold, run in runs.items():
        (unfinished / f"{fold}-tracked.json").write_text(json.dumps({"run": run}))
    (unfinished / "a-finished.json").touch()
    _end_finished(tmp_path, tracker)
    client = MlflowClient(tracker.uri)
    statuses = {fold: client.get_run(run).info.status for fold, run in runs.items()}
    assert statuses == {"a": "FINISHED", "b": "RUNNING"}
    assert [file.name for file in unfinished.glob("*-tracked.json")] == ["b-tracked.json"]
