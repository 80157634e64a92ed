"""An interrupted run that is resumed equals one that was not interrupted."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from fashion_exp.configuration.schema import TrackingConfig
from fashion_exp.data.label_versions import LabelVersion, journal_path, write_history
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import read_predictions
from fashion_exp.evaluation.run_dir import PART_FILES, RunDir
from fashion_exp.experiment.checkpoints import StateFile
from fashion_exp.experiment.tracked_runs import end_finished_folds, resume_or_start
from fashion_exp.tracking import open_tracker
from tests.command_line import (
    call_command,
    fork_successfully,
    only_run,
    start_command,
    tracked_statuses,
    wait_for,
)

pytestmark = pytest.mark.slow

BASE = (
    "dataset=folder", "dataset.image_size=16", "training.epochs=20", "repeats=2",
    "training.batch_size=4", "model.dropout=0.3", "optim=sgd", "training.threads=1",
    "training.sampling=balanced", "training.loss=bce",
    "augmentation.mixup_alpha=0.4", "augmentation.cutmix_alpha=1",
)  # fmt: skip


def has_state(outputs: Path, fold: str) -> bool:
    return bool(list(outputs.glob(f"runs/*/unfinished/{fold}.pt")))


@pytest.fixture(scope="module")
def uninterrupted(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = tmp_path_factory.mktemp("uninterrupted")
    fork_successfully(*BASE, f"dataset.root={photos}", f"outputs={outputs}", "tracking=none")
    return only_run(outputs)


@pytest.mark.parametrize(
    ("number", "code", "status"),
    [
        (signal.SIGINT, 130, "KILLED"),  # SIGTERM: test_distributed.py and tests/sweeps
        (signal.SIGKILL, -9, "RUNNING"),  # nobody is left to change the status
    ],
)
def test_resumed_run_equals_uninterrupted_run(
    photos: Path,
    uninterrupted: Path,
    tmp_path: Path,
    number: signal.Signals,
    code: int,
    status: str,
) -> None:
    process = start_command(*BASE, f"dataset.root={photos}", f"outputs={tmp_path}")
    wait_for(lambda: has_state(tmp_path, "r1f0"), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    run = only_run(tmp_path)
    assert process.returncode == code and not (run / "result.json").exists()
    assert (f"resume={run}" in err) is (number != signal.SIGKILL)
    assert tracked_statuses(tmp_path) == ["FINISHED", status, status]

    fork_successfully(f"resume={run}", f"outputs={tmp_path}")
    assert tracked_statuses(tmp_path) == ["FINISHED"] * 3
    assert (run / "history.csv").read_text() == (uninterrupted / "history.csv").read_text()
    for file in PART_FILES.values():
        expected = read_predictions(uninterrupted / file)
        pd.testing.assert_frame_equal(read_predictions(run / file), expected)


def test_resuming_with_other_options_or_labels_is_refused(photos: Path, tmp_path: Path) -> None:
    photos = shutil.copytree(photos, tmp_path / "photos")
    process = start_command(*BASE, f"dataset.root={photos}", f"outputs={tmp_path}", "tracking=none")
    wait_for(lambda: has_state(tmp_path, "r0f0"), process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    run = only_run(tmp_path)
    refused = call_command(f"resume={run}", "optim.lr=0.5")
    assert refused.returncode == 2
    assert "started with other options (optim.lr was 0.01, is now 0.5)" in refused.stderr

    image = pd.read_csv(run / "split.csv")["image_id"][0]
    version = LabelVersion("v1", "none", "", "now", {image: ()}, {"excluded": 1})
    write_history(journal_path(photos), [version])
    refused = call_command(f"resume={run}")
    assert refused.returncode == 2
    assert "the images, their labels, quarantine.csv or groups.csv have" in refused.stderr


@pytest.mark.parametrize("targets", ["soft", "several"])
def test_resumed_run_of_several_labels_equals_uninterrupted_run(
    targets: str, photos: Path, tmp_path: Path
) -> None:
    label = "{0}:0.6|shirt:0.4" if targets == "soft" else "{0}|shirt"
    rows = [
        (str(file), label.format(name) if name != "shirt" and number % 2 else name)
        for number, file in enumerate(sorted(photos.rglob("*.png")))
        for name in [file.parent.name]
    ]
    manifest = tmp_path / "labels.csv"
    pd.DataFrame(rows, columns=["path", "label"]).to_csv(manifest, index=False)
    options = [text for text in BASE if not text.startswith(("dataset=", "training.loss"))]
    if targets == "several":
        options.remove("training.sampling=balanced")
    options += ["dataset=csv", f"dataset.manifest={manifest}", f"training.targets={targets}",
                "tracking=none"]  # fmt: skip
    fork_successfully(*options, f"outputs={tmp_path / 'whole'}")
    process = start_command(*options, f"outputs={tmp_path / 'killed'}")
    wait_for(lambda: has_state(tmp_path / "killed", "r1f0"), process)
    process.kill()
    process.communicate(timeout=60)
    run, whole = only_run(tmp_path / "killed"), only_run(tmp_path / "whole")

    text = manifest.read_text()
    if targets == "soft":  # the class with the largest share stays
        manifest.write_text(text.replace("0.6|shirt:0.4", "0.7|shirt:0.3"))
    else:
        manifest.write_text(text.replace("dress|shirt", "dress"))
    refused = call_command(f"resume={run}")
    assert refused.returncode == 2 and "have changed since this run was" in refused.stderr
    manifest.write_text(text)
    fork_successfully(f"resume={run}", f"outputs={tmp_path / 'killed'}")
    assert (run / "history.csv").read_text() == (whole / "history.csv").read_text()
    for file in PART_FILES.values():
        expected = read_predictions(whole / file)
        pd.testing.assert_frame_equal(read_predictions(run / file), expected)


def test_damaged_state_is_reported_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "r0f0.pt").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"r0f0\.pt: damaged state"):
        StateFile(tmp_path / "r0f0.pt").load()


def test_resuming_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    refused = call_command(f"resume={tmp_path / 'none'}")
    assert refused.returncode == 2 and "not the folder of a run" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_tracked_run_is_found_by_its_token_after_a_crash_while_starting(tmp_path: Path) -> None:
    tracker = open_tracker(TrackingConfig("mlflow", experiment="tests"), tmp_path)
    saved, tokens = tmp_path / "tracked.json", []

    def start(token: str) -> str:
        tokens.append(token)
        tracker.start("a run", parent=None, params={}, tags={"begun_as": token})
        raise SystemExit

    with pytest.raises(SystemExit):
        resume_or_start(saved, tracker, tmp_path, start)
    run = resume_or_start(saved, tracker, tmp_path, start)
    assert run == tracker.find_by_token(tokens[0]) and len(tokens) == 1
    assert resume_or_start(saved, tracker, tmp_path, start) == run


def test_tracked_run_is_found_in_a_moved_store(tmp_path: Path) -> None:
    config, saved = TrackingConfig("mlflow", experiment="tests"), tmp_path / "tracked.json"
    tracker = open_tracker(config, tmp_path / "first")

    def start(token: str) -> str:
        return tracker.start("a run", parent=None, params={}, tags={"begun_as": token})

    run = resume_or_start(saved, tracker, tmp_path, start)
    tracker.end(run, "KILLED")
    (tmp_path / "first").rename(tmp_path / "second")
    tracker = open_tracker(config, tmp_path / "second")
    assert resume_or_start(saved, tracker, tmp_path, start) == run
    tracker = open_tracker(config, tmp_path / "third")
    assert resume_or_start(saved, tracker, tmp_path, start) != run


def test_tracked_run_of_a_finished_fold_is_ended_after_a_crash(tmp_path: Path) -> None:
    tracker = open_tracker(TrackingConfig("mlflow", experiment="tests"), tmp_path)
    runs = {fold: tracker.start(fold, parent=None, params={}, tags={}) for fold in ("a", "b")}
    (unfinished := tmp_path / "unfinished").mkdir()
    for fold, run in runs.items():
        (unfinished / f"{fold}-tracked.json").write_text(json.dumps({"run": run}))
    (unfinished / "a-finished.json").touch()
    end_finished_folds(RunDir(tmp_path), tracker)
    client = MlflowClient(tracker.uri)
    statuses = {fold: client.get_run(run).info.status for fold, run in runs.items()}
    assert statuses == {"a": "FINISHED", "b": "RUNNING"}
    assert [file.name for file in unfinished.glob("*-tracked.json")] == ["b-tracked.json"]
