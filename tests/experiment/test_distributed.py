"""Several processes train what one would, and end as one: done, failed, stopped or killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fashion_exp.configuration.composition import parse_command_line
from fashion_exp.errors import InputError
from fashion_exp.evaluation.predictions import read_predictions
from fashion_exp.evaluation.run_dir import PART_FILES
from tests.command_line import (
    fork_command,
    only_run,
    run_successfully,
    start_command,
    tracked_statuses,
    wait_for,
)
from tests.conftest import TinyRun

pytestmark = pytest.mark.slow
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="reads processes from /proc")

ALL_OPTIONS = (
    "augmentation=light", "training.precision=fp32", "repeats=2", "training.batch_size=5",
    "training.accumulate=2", "training.clip_norm=1", "training.class_weights=balanced",
    "training.label_smoothing=0.1", "training.early_stopping=1", "training.loss=focal",
    "augmentation.mixup_alpha=1", "augmentation.cutmix_alpha=1",
    "training.ema_decay=0.9",
)  # fmt: skip
LONG = (
    "dataset=folder", "dataset.image_size=16", "training.epochs=400", "repeats=2",
    "training.batch_size=4", "optim=sgd", "training.threads=1", "training.processes=2",
)  # fmt: skip
TWO = (
    "dataset=folder", "dataset.image_size=16", "training.threads=1", "training.processes=2",
    "tracking=none",
)  # fmt: skip


def test_two_processes_train_what_one_does(
    photos: Path, tmp_path: Path, tiny: Callable[..., TinyRun]
) -> None:
    """To 1e-4 of the loss, as additions are done in another order. Batches of unequal shares and
    updates over two batches count every image once.

    Only here they are spawned by a new process, as a user's are."""
    single = tiny(*ALL_OPTIONS)
    run_successfully(*TWO, f"dataset.root={photos}", f"outputs={tmp_path / 'two'}",
                     "training.epochs=2", *ALL_OPTIONS)  # fmt: skip
    two = TinyRun(only_run(tmp_path / "two"))
    for column in ("loss", "accuracy", "lr"):
        expected = single.history[column].to_numpy()
        assert two.history[column].to_numpy() == pytest.approx(expected, rel=1e-4)
    for part in PART_FILES:
        frames = [run.predictions(part) for run in (single, two)]
        probabilities = [frame.filter(regex="^p_").to_numpy() for frame in frames]
        assert np.allclose(probabilities[0], probabilities[1], atol=1e-4) and len(probabilities[0])
        assert list(frames[0]["image_id"]) == list(frames[1]["image_id"])
    expected_files = {"test_predictions.parquet", "trainings.csv", "history.csv", "result.json"}
    assert expected_files <= {file.name for file in two.output.iterdir()}
    assert two.facts["job_hash"] != single.facts["job_hash"]


def test_processes_without_work_are_refused(photos: Path, tmp_path: Path) -> None:
    options = ("model.weights=none", "model.freeze=backbone")
    done = fork_command(*TWO, f"dataset.root={photos}", f"outputs={tmp_path}", *options)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "training.processes=2: training a head on stored features" in done.stderr


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.processes=0", "training.processes=0"),
        ("training.processes=99", "more than training.batch_size=32"),
    ],
)
def test_number_of_processes_is_validated(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_command_line([override])


def rank_pids(process: subprocess.Popen[str]) -> list[int]:
    """Process ids of the training's processes, by rank."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return sorted(
        int(child)
        for child in children
        if re.search(rb"spawn_main|warm_process", Path(f"/proc/{child}/cmdline").read_bytes())
    )


def start_training(photos: Path, outputs: Path, *overrides: str) -> subprocess.Popen[str]:
    """A run in two processes whose first training has saved a state."""
    process = start_command(*LONG, f"dataset.root={photos}", f"outputs={outputs}", *overrides)
    wait_for(lambda: list(outputs.glob("runs/*/unfinished/*.pt")), process)
    return process


def are_gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@needs_proc
@pytest.mark.parametrize("rank", [0, 1])
def test_killed_process_fails_the_run_in_one_line(photos: Path, tmp_path: Path, rank: int) -> None:
    process = start_training(photos, tmp_path)
    os.kill(rank_pids(process)[rank], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    run = only_run(tmp_path)
    assert process.returncode == 1 and err.count("\n") == 1, err
    assert f"process {rank} of the training was killed by SIGKILL" in err
    assert json.loads((run / "failure.json").read_text())["kind"] == "LostProcess"
    assert set(tracked_statuses(tmp_path)) == {"FAILED"} and not list(run.glob("**/.*.pt.*"))


@needs_proc
def test_killing_the_parent_ends_all_processes(photos: Path, tmp_path: Path) -> None:
    process = start_training(photos, tmp_path)
    pids = rank_pids(process)
    process.kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL and "Traceback" not in err, err
    assert len(pids) == 2
    wait_for(lambda: are_gone(pids))
    assert set(tracked_statuses(tmp_path)) == {"KILLED"}


@needs_proc
def test_resumed_distributed_run_equals_uninterrupted_run(photos: Path, tmp_path: Path) -> None:
    short = ("training.epochs=12", "repeats=1")
    process = start_training(photos, tmp_path / "stopped", *short)
    run, pids = only_run(tmp_path / "stopped"), rank_pids(process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143 and "Traceback" not in err, err
    wait_for(lambda: are_gone(pids))
    assert set(tracked_statuses(tmp_path / "stopped")) == {"KILLED"}
    line = (*LONG, *short, f"dataset.root={photos}")
    resumed = start_command(*line, f"outputs={tmp_path / 'stopped'}", f"resume={run}")
    uninterrupted = start_command(*line, f"outputs={tmp_path / 'whole'}", "tracking=none")
    for other in (resumed, uninterrupted):
        _, err = other.communicate(timeout=120)
        assert not err, err
    expected = only_run(tmp_path / "whole")
    for file in PART_FILES.values():
        assert read_predictions(expected / file).equals(read_predictions(run / file))
